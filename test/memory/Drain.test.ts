import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as CloseCode from "../../src/domain/CloseCode.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as Storage from "../../src/services/Storage.ts"
import * as Outage from "../services/Outage.ts"

const Hall = Room.make("hall", { receive: Schema.String, send: Schema.String })

let closes = 0

const HallLive = Hall.toLayer({ close: () => Effect.sync(() => void closes++) })

it.effect("1,000 clients of a room that is drained come back spread over the window (DN-1)", () =>
  Effect.gen(function*() {
    closes = 0
    const room = yield* MemoryRoom.make(Hall, Layer.provideMerge(HallLive, Deadlines.layer))
    const clients = yield* Effect.replicateEffect(room.connect(), 1_000)
    assert.strictEqual(yield* room.run(Hall.use((hall) => hall.drain({ over: "30 seconds" }))), 1_000)
    const start = yield* Clock.currentTimeMillis
    // When each comes back: at a random time within the window that its close names.
    const returns: Array<number> = []
    let there = [...clients]
    let random = 1
    for (let second = 0; second <= 30; second++) {
      if (second % 7 === 3) yield* room.evict
      yield* TestClock.adjust(second === 0 ? 0 : 1_000)
      const now = yield* Clock.currentTimeMillis
      const stay: typeof there = []
      for (const client of there) {
        const close = yield* client.closed
        if (close === undefined) {
          stay.push(client)
          continue
        }
        assert.strictEqual(close.code, 4001)
        assert.strictEqual(CloseCode.drainWindow(close), 1_000)
        random = random * 48_271 % 2_147_483_647
        returns.push(now - start + 1_000 * random / 2_147_483_647)
        // Who comes back stays.
        yield* room.connect()
      }
      there = stay
    }
    assert.strictEqual(returns.length, 1_000)
    assert.strictEqual(closes, 1_000)
    assert.strictEqual(yield* room.run(Hall.use((hall) => hall.count())), 1_000)
    const perSecond = Array.from(
      { length: 31 },
      (_, second) => returns.filter((at) => Math.floor(at / 1_000) === second).length
    )
    // 33 of them a second, when all goes evenly.
    assert.isAtMost(Math.max(...perSecond), 50)
    assert.isAtLeast(Math.min(...perSecond.slice(0, 30)), 15)
  }))

it.effect("who leaves meanwhile is let go, a second drain takes the place of the first, and none there is 0 (DN-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Hall, Layer.provideMerge(HallLive, Deadlines.layer))
    const drain = (over: "0 millis" | "10 seconds" | "1 hour") => room.run(Hall.use((hall) => hall.drain({ over })))
    assert.strictEqual(yield* drain("10 seconds"), 0)
    const [ada, bob, eve] = [yield* room.connect(), yield* room.connect(), yield* room.connect()]
    assert.strictEqual(yield* drain("1 hour"), 3)
    yield* ada.close(1000)
    assert.strictEqual(yield* drain("0 millis"), (yield* bob.closed) === undefined ? 2 : 1)
    yield* TestClock.adjust(1)
    assert.strictEqual((yield* bob.closed)?.code, 4001)
    assert.strictEqual((yield* eve.closed)?.code, 4001)
    yield* room.connect()
    yield* TestClock.adjust("2 hours")
    assert.strictEqual(yield* room.run(Hall.use((hall) => hall.count())), 1)
  }))

it.effect("a room is drained from outside, if its layer has deadlines (DN-2)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Hall)
    const { connect } = yield* Effect.flatMap(MemoryRooms.key(Hall), ({ room }) => room("one"))
    const client = yield* connect()
    assert.strictEqual(yield* rooms.get("one").drain({ over: "1 second" }), 1)
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* client.closed)?.code, 4001)
  }).pipe(Effect.provide(MemoryRooms.layer(Hall, Layer.provideMerge(HallLive, Deadlines.layer)))))

it.effect("a room without deadlines says that it cannot be drained, and without a lifetime not destroyed (DN-2)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Hall)
    const drained = yield* Effect.flip(rooms.get("one").drain({ over: "1 second" }))
    assert.strictEqual(drained.reason._tag, "UnknownMethod")
    assert.strictEqual((yield* Effect.flip(rooms.destroy("one"))).reason._tag, "UnknownMethod")
    assert.strictEqual((yield* Effect.flip(rooms.destroy("no name"))).reason._tag, "InvalidRoomName")
  }).pipe(Effect.provide(MemoryRooms.layer(Hall, HallLive))))

it.effect("a window is a second at most, however few are drained over however long (DN-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Hall, Layer.provideMerge(HallLive, Deadlines.layer))
    const drain = (over: Duration.Input) => room.run(Hall.use((hall) => hall.drain({ over })))
    const [ada, bob] = [yield* room.connect(), yield* room.connect()]
    yield* drain("1 hour")
    yield* TestClock.adjust(1)
    yield* TestClock.adjust("30 minutes")
    for (const client of [ada, bob]) assert.strictEqual(CloseCode.drainWindow((yield* client.closed)!), 1_000)
    const eve = yield* room.connect()
    yield* drain("300 millis")
    yield* TestClock.adjust(1)
    assert.strictEqual(CloseCode.drainWindow((yield* eve.closed)!), 300)
  }))

it.effect("a wave of many is kept in rows that fit, and closes all of them (DN-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Hall, Layer.provideMerge(HallLive, Deadlines.layer))
    yield* Effect.replicateEffect(room.connect(), 2_500)
    assert.strictEqual(yield* room.run(Hall.use((hall) => hall.drain({ over: "2 seconds" }))), 2_500)
    const rows = yield* room.run(
      Storage.exec<{ readonly at: number; readonly payload: string }>("SELECT at, payload FROM dormouse_deadlines")
    )
    assert.deepStrictEqual(rows.map(({ at, payload }) => [at, JSON.parse(payload).ids.length]), [
      [0, 1_000],
      [0, 250],
      [1_000, 1_000],
      [1_000, 250]
    ])
    for (let step = 0; step < 20; step++) {
      yield* TestClock.adjust("100 millis")
      yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 5)))
    }
    assert.strictEqual(yield* room.run(Hall.use((hall) => hall.count())), 0)
  }))

it.effect("a drain that cannot be kept leaves the one before as it is (DN-1)", () =>
  Effect.gen(function*() {
    let waves = Infinity
    const room = yield* MemoryRoom.make(
      Hall,
      Layer.provideMerge(
        HallLive,
        Layer.provide(Deadlines.layer, Outage.layer((what) => what.startsWith("INSERT") && waves-- === 0))
      )
    )
    yield* Effect.replicateEffect(room.connect(), 5)
    const drain = (over: Duration.Input) => room.run(Hall.use((hall) => hall.drain({ over })))
    const kept = room.run(Storage.exec("SELECT at, payload FROM dormouse_deadlines"))
    yield* drain("1 hour")
    const before = yield* kept
    assert.strictEqual(before.length, 5)
    waves = 3
    yield* Effect.flip(drain("2 hours"))
    assert.deepStrictEqual(yield* kept, before)
  }))

it.effect("a second drain from outside replaces the first, and one over any time is one over a day (DN-1)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Hall)
    const { connect, run } = yield* Effect.flatMap(MemoryRooms.key(Hall), ({ room }) => room("one"))
    const clients = yield* Effect.replicateEffect(connect(), 4)
    const times = run(Storage.exec("SELECT at FROM dormouse_deadlines"))
    assert.strictEqual(yield* rooms.get("one").drain({ over: Duration.infinity }), 4)
    assert.deepStrictEqual((yield* times).map(({ at }) => at), [0, 21_600_000, 43_200_000, 64_800_000])
    for (const client of clients.slice(2)) yield* client.close(1000)
    assert.strictEqual(yield* rooms.get("one").drain({ over: "1 hour" }), 2)
    assert.deepStrictEqual(yield* times, [{ at: 0 }, { at: 1_800_000 }])
  }).pipe(Effect.provide(MemoryRooms.layer(Hall, Layer.provideMerge(HallLive, Deadlines.layer)))))
