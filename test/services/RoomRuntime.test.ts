import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"

const Flaky = Room.make("flaky", {
  receive: Schema.String,
  send: Schema.String,
  methods: [Rpc.make("hi", { success: Schema.String })]
})

interface Line {
  readonly message: string
  readonly level: string
  readonly annotations: Readonly<Record<string, unknown>>
}

// A room whose layer fails as often as it is told, and what was seen of it.
const makeFlaky = (door: Effect.Effect<void> = Effect.void) => {
  const lines: Array<Line> = []
  const seen = { fails: 0, builds: 0, released: 0, log: [] as Array<string>, lines, ring: Effect.void as Alarming }
  const live = Layer.unwrap(Effect.gen(function*() {
    seen.builds++
    yield* Effect.addFinalizer(() => Effect.sync(() => void seen.released++))
    yield* door
    if (seen.fails > 0) {
      seen.fails--
      return yield* Effect.fail("the database is away")
    }
    return Flaky.toLayer(Effect.gen(function*() {
      const room = yield* Flaky
      return {
        message: (_, text) => Effect.andThen(Effect.sync(() => seen.log.push(text)), room.broadcast(text)),
        close: (_, { code }) => Effect.sync(() => void seen.log.push(`left with ${code}`)),
        alarm: Effect.suspend(() => {
          seen.log.push("rang")
          return seen.ring
        }),
        methods: { hi: () => Effect.succeed("hi") }
      }
    }))
  }))
  const logger = Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      lines.push({
        message: String(message),
        level: logLevel,
        annotations: fiber.getRef(References.CurrentLogAnnotations)
      })
    })
  ])
  return { seen, live, logger }
}

type Alarming = Effect.Effect<void, string>

const alarm = <A>(use: (alarm: Alarm.Alarm["Service"]) => Effect.Effect<A>) => Alarm.Alarm.use(use)

it.effect("a start that failed is tried again by the next event, after 1, 2, 4, 8, 16, 30 and 30 seconds (LC-17)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Flaky, live)
    const client = yield* room.connect()
    seen.fails = 8
    seen.builds = 0
    yield* room.evict
    const refused = Effect.map(
      Effect.flip(room.connect()),
      ({ headers, status }) => [status, headers["retry-after"], seen.builds]
    )
    let builds = 1
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      assert.deepStrictEqual(yield* refused, [503, `${seconds}`, builds])
      yield* TestClock.adjust((seconds - 1) * 1_000 + 1)
      // Without an event nothing is tried, and none is too early by a millisecond.
      assert.deepStrictEqual(yield* refused, [503, "1", builds])
      yield* TestClock.adjust(999)
      assert.strictEqual(seen.builds, builds)
      builds++
    }
    assert.deepStrictEqual(yield* refused, [503, "30", 8])
    assert.strictEqual(seen.released, 8)
    const failures = seen.lines.filter(({ message }) => message === "The room could not be started")
    assert.strictEqual(failures.length, 8)
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(seen.builds, 8)
    yield* client.send("back again")
    assert.deepStrictEqual(yield* client.received, ["back again"])
    // The next failure is a first one.
    seen.fails = 1
    yield* room.evict
    assert.deepStrictEqual(yield* refused, [503, "1", 10])
  }).pipe(Effect.provide(logger))
})

it.effect("until a room has started, each is told so, and what needs no handler works (LC-17, RO-8)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const rooms = yield* Rooms.key(Flaky)
    const memory = yield* (yield* MemoryRooms.key(Flaky)).room("flaky")
    const remote = rooms.get("flaky")
    const client = yield* memory.connect()
    seen.fails = 2
    yield* memory.evict
    yield* client.send("anybody?")
    assert.deepStrictEqual(JSON.parse(String((yield* client.receivedFrames)[0])), {
      _tag: "Error",
      code: "NotReady",
      message: "The room could not be started."
    })
    yield* TestClock.adjust(400)
    const { reason } = yield* Effect.flip(remote.hi())
    assert.deepStrictEqual([reason._tag, reason._tag === "NotReady" && reason.retryAfter], ["NotReady", 1])
    assert.deepStrictEqual(yield* remote.broadcast("hello"), { delivered: 1, failed: 0 })
    const [connection] = yield* remote.connections()
    yield* remote.send(connection!.id, "you")
    assert.deepStrictEqual(yield* client.received, ["hello", "you"])
    assert.strictEqual(yield* memory.run(Flaky.use((room) => room.count())), 1)
    yield* TestClock.adjust(600)
    const second = (yield* Effect.flip(remote.hi())).reason
    assert.deepStrictEqual(second._tag === "NotReady" && second.retryAfter, 2)
    yield* TestClock.adjust(2_000)
    assert.strictEqual(yield* remote.hi(), "hi")
    assert.deepStrictEqual(seen.log, [])
  }).pipe(Effect.provide(Layer.provideMerge(MemoryRooms.layer(Flaky, live), logger)))
})

it.effect("who comes while a room starts waits for it, and is served in order (LC-17, AP-2)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const slow = { now: false }
    const { live, seen } = makeFlaky(Effect.suspend(() => slow.now ? Deferred.await(gate) : Effect.void))
    const room = yield* MemoryRoom.make(Flaky, live)
    const [ada, bob] = [yield* room.connect(), yield* room.connect()]
    slow.now = true
    yield* room.evict
    const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
    const waiting = [
      yield* fork(ada.send("1")),
      yield* fork(ada.send("2")),
      yield* fork(room.connect()),
      yield* fork(bob.send("3")),
      yield* fork(ada.close(4000)),
      yield* fork(room.call("hi", "null"))
    ]
    assert.deepStrictEqual(seen.log, [])
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.forEach(waiting, (fiber) => Fiber.join<unknown, unknown>(fiber))
    assert.strictEqual(seen.builds, 2)
    assert.deepStrictEqual(seen.log.filter((text) => text !== "3"), ["1", "2", "left with 4000"])
    assert.strictEqual(yield* room.run(Flaky.use((room) => room.count())), 2)
    assert.sameMembers([...(yield* bob.received)], ["1", "2", "3"])
  }))

it.effect("a start whose failure takes time to clean up is tried again like any other (LC-17)", () => {
  const { logger } = makeFlaky()
  return Effect.gen(function*() {
    let starts = 0
    const released: Array<number> = []
    const Building = Layer.effectDiscard(Effect.gen(function*() {
      const start = ++starts
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.promise(() => new Promise((done) => setImmediate(done))),
          Effect.sync(() => released.push(start))
        )
      )
      if (start < 3) return yield* Effect.fail("the database is away")
    }))
    const room = yield* MemoryRoom.make(
      Flaky,
      Layer.provideMerge(Flaky.toLayer({ methods: { hi: () => Effect.succeed("hi") } }), Building)
    )
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    yield* TestClock.adjust("2 seconds")
    yield* room.connect()
    assert.strictEqual(starts, 3)
    assert.deepStrictEqual(released, [1, 2])
  }).pipe(Effect.provide(logger))
})

it.effect("a start that hangs holds nobody up for more than twenty seconds, however many there are (LC-17)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const slow = { now: false }
    const { live, seen } = makeFlaky(Effect.suspend(() => slow.now ? Deferred.await(gate) : Effect.void))
    const room = yield* MemoryRoom.make(Flaky, live)
    const [ada, bob] = [yield* room.connect(), yield* room.connect()]
    slow.now = true
    yield* room.evict
    yield* Effect.acquireRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
      () => Effect.sync(() => vi.useRealTimers())
    )
    const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
    const waiting = yield* Effect.forEach(["1", "2", "3"], (text) => fork(ada.send(text)))
    vi.advanceTimersByTime(19_999)
    assert.deepStrictEqual(yield* ada.receivedFrames, [])
    vi.advanceTimersByTime(1)
    yield* Effect.forEach(waiting, Fiber.join)
    const answers = (yield* ada.receivedFrames).map((frame) => JSON.parse(String(frame)).code)
    assert.deepStrictEqual(answers, ["NotReady", "NotReady", "NotReady"])
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    // It is still under way, and not begun again.
    yield* Deferred.succeed(gate, undefined)
    yield* bob.send("at last")
    assert.deepStrictEqual(yield* bob.received, ["at last"])
    assert.strictEqual(seen.builds, 2)
    assert.strictEqual(vi.getTimerCount(), 0)
  }))

it.effect("an alarm whose handler fails is repeated after 2, 4, 8 … seconds, six times, and logged each time (LC-18)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Flaky, live)
    seen.ring = Effect.fail("not now")
    yield* room.run(alarm(({ set }) => set(1_000)))
    yield* TestClock.adjust(999)
    assert.deepStrictEqual(seen.log, [])
    yield* TestClock.adjust(1)
    for (const [index, seconds] of [2, 4, 8, 16, 32, 64].entries()) {
      assert.strictEqual(seen.log.length, index + 1)
      yield* TestClock.adjust(seconds * 1_000 - 1)
      assert.strictEqual(seen.log.length, index + 1)
      yield* TestClock.adjust(1)
    }
    yield* TestClock.adjust("1 day")
    assert.strictEqual(seen.log.length, 7)
    // The last line tells that it is given up.
    assert.deepStrictEqual(seen.lines.map(({ annotations }) => annotations["event"]), [
      ...Array(7).fill("alarm"),
      undefined
    ])
    // One that is set anew counts from the beginning, and one that succeeds is over.
    yield* room.run(alarm(({ set }) => set(0)))
    yield* TestClock.adjust(0)
    assert.strictEqual(seen.log.length, 8)
    seen.ring = Effect.void
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(seen.log.length, 9)
    yield* TestClock.adjust("1 day")
    assert.strictEqual(seen.log.length, 9)
  }).pipe(Effect.provide(logger))
})

it.effect("an alarm that finds a room not started is repeated until it has (LC-18)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Flaky, live)
    yield* room.run(alarm(({ set }) => set(1_000)))
    seen.fails = 2
    yield* room.evict
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(seen.log, [])
    assert.isTrue(seen.lines.some(({ annotations }) => annotations["event"] === "alarm"))
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(seen.log, ["rang"])
  }).pipe(Effect.provide(logger))
})

it.effect("an alarm that is set while it rings, and fails, is the one that was set (LC-18)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Flaky, live)
    const set = (at: number) => room.run(alarm(({ set }) => set(at)))
    yield* set(1_000)
    seen.ring = Effect.suspend(() => {
      seen.ring = Effect.void
      return Effect.andThen(set(60_000), Effect.fail("not now"))
    })
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* room.run(alarm(({ get }) => get)), Option.some(60_000))
    yield* TestClock.adjust("58 seconds")
    assert.deepStrictEqual(seen.log, ["rang"])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(seen.log, ["rang", "rang"])
    // Of two that are set at once the last one stays.
    yield* Effect.all([set(100_000), set(200_000)], { concurrency: "unbounded" })
    assert.deepStrictEqual(yield* room.run(alarm(({ get }) => get)), Option.some(200_000))
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(seen.log.length, 3)
  }).pipe(Effect.provide(logger))
})

it.effect("a close that finds a room not started runs once it has, in order (LC-19)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Flaky, live)
    const clients = yield* Effect.replicateEffect(room.connect(), 4)
    seen.fails = 2
    yield* room.evict
    yield* clients[0]!.close(4000)
    yield* clients[1]!.drop
    const listed = yield* room.run(Flaky.use((room) => room.connections()))
    assert.strictEqual(listed.length, 2)
    // We may close one, too.
    yield* room.run(Flaky.use((room) => room.close(listed[0]!.id, { code: 4500 })))
    assert.strictEqual((yield* clients[0]!.closed)?.code, 4000)
    assert.deepStrictEqual(seen.log, [])
    const warned = seen.lines.filter(({ level }) => level === "Warn").map(({ annotations }) => annotations)
    assert.deepStrictEqual(warned.map(({ event }) => event), ["close", "close", "close"])
    assert.strictEqual(new Set(warned.map(({ connection }) => connection)).size, 3)
    assert.isTrue(warned.every(({ connection }) => Schema.is(ConnectionId.ConnectionId)(connection)))
    yield* TestClock.adjust("1 second")
    yield* clients[3]!.send("still not")
    yield* TestClock.adjust("2 seconds")
    yield* clients[3]!.send("at last")
    assert.deepStrictEqual(
      seen.log.filter((text) => text !== "at last"),
      ["left with 4000", "left with 1006", "left with 4500"]
    )
    yield* TestClock.adjust("1 hour")
    yield* room.evict
    yield* clients[3]!.send("again")
    assert.strictEqual(seen.log.filter((text) => text.startsWith("left")).length, 3)
  }).pipe(Effect.provide(logger))
})

it.effect("where the object goes before its room has started, the closes that waited are told as lost (LC-19)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Flaky, live)
    const clients = yield* Effect.replicateEffect(room.connect(), 3)
    seen.fails = 1
    yield* room.evict
    yield* clients[0]!.close(4000)
    yield* clients[1]!.close(4001)
    seen.lines.length = 0
    yield* room.evict
    assert.deepStrictEqual(
      seen.lines.map(({ message }) => message),
      ["The room never started: 2 closes are lost"]
    )
    yield* clients[2]!.send("alive")
    assert.deepStrictEqual(seen.log, ["alive"])
    seen.lines.length = 0
    yield* room.evict
    assert.deepStrictEqual(seen.lines, [])
  }).pipe(Effect.provide(logger))
})
