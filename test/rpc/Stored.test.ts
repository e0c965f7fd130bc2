/**
 * What an RPC room may have beside its handlers: deadlines, a journal, a lifetime, a directory and a drain.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Directory from "../../src/services/Directory.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as Storage from "../../src/services/Storage.ts"

const Desk = RpcRoom.make(
  "desk",
  RpcGroup.make(
    Rpc.make("Remind", { payload: { day: Schema.Date } }),
    Rpc.make("Rename", { payload: { name: Schema.String } }),
    Rpc.make("Never"),
    Rpc.make("Count", { success: Schema.Int, stream: true }),
    Rpc.make("Watch", { success: Schema.String, stream: true })
  ),
  {
    state: Schema.Struct({ name: Schema.String, day: Schema.Date }),
    deadlines: { reminder: Schema.Struct({ day: Schema.Date }) },
    lifetime: { emptyFor: "1 hour" },
    journal: true,
    directory: true
  }
)

const day = new Date(86_400_000)

const told: Array<string> = []

const DeskLive = Desk.toLayer(
  Effect.gen(function*() {
    const room = yield* Desk
    return {
      Remind: ({ day }) => Effect.orDie(room.deadlines.reminder.set("next", "1 minute", { day })),
      Rename: Effect.fnUntraced(function*({ name }, request) {
        const { id, state } = yield* room.caller(request)
        yield* Effect.orDie(room.setState(id, { ...state, name }))
      }),
      Never: () => Effect.never,
      Count: () => Stream.range(1, Infinity),
      Watch: (_, request) => room.pushed(request)
    }
  }),
  Effect.gen(function*() {
    const room = yield* Desk
    const tell = (what: string) => Effect.andThen(Effect.sync(() => told.push(what)), room.push("Watch", what))
    return {
      connect: ({ url }) => Effect.succeed({ state: { name: new URL(url).searchParams.get("name") ?? "", day } }),
      close: (connection, { code, wasClean }) =>
        Effect.suspend(() => {
          told.push(`close ${code}`)
          const { day, name } = connection.state
          return tell(`${name} ${day.getTime()} ${wasClean}`)
        }),
      deadlines: { reminder: (key, { day }) => tell(`${key} ${day.getTime()}`) },
      retire: Effect.flatMap(room.count(), (count) => tell(`retires with ${count}`))
    }
  })
).pipe(Layer.provide([Journal.layer, Lifetime.layer, Directory.layer]), Layer.provideMerge(Deadlines.layer))

const request = (id: number, tag: "Count" | "Never" | "Remind" | "Rename" | "Watch", payload: unknown = null) =>
  JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] })

const chunk = (requestId: number, value: string) => ({ _tag: "Chunk", requestId, values: [value] }) as const

const make = Effect.suspend(() => {
  told.length = 0
  return MemoryRoom.make(Desk.room, DeskLive)
})

// What is logged at the level of an error.
const logged = () => {
  const lines: Array<string> = []
  return { lines, layer: Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]) }
}

it.effect("a deadline that a call has set pushes to the streams after a sleep (RP-14, DL-1)", () =>
  Effect.gen(function*() {
    const room = yield* make
    const ada = yield* room.connect()
    yield* ada.sendFrame(request(1, "Watch"))
    yield* ada.sendFrame(request(2, "Remind", { day: day.toJSON() }))
    yield* ada.received
    yield* room.evict
    const set = Effect.flatMap(Desk, ({ deadlines }) => deadlines.reminder.get("next"))
    assert.deepStrictEqual(Option.map(yield* room.run(set), ({ payload }) => payload), Option.some({ day }))
    yield* TestClock.adjust("59 seconds")
    assert.deepStrictEqual(yield* ada.received, [])
    yield* room.evict
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* ada.received, [chunk(1, `next ${day.getTime()}`)])
    assert.deepStrictEqual(yield* room.run(set), Option.none())
  }))

it.effect("whom a crash has taken, with open streams and calls in flight, has one close (RP-14, JO-1)", () => {
  const { layer, lines } = logged()
  return Effect.gen(function*() {
    const room = yield* make
    const ada = yield* room.connect("/?name=ada")
    yield* ada.sendFrame(request(1, "Watch"))
    const bob = yield* room.connect("/?name=bob")
    yield* bob.sendFrame(request(1, "Watch"))
    yield* bob.sendFrame(request(2, "Rename", { name: "bob, renamed" }))
    yield* Effect.forkChild(bob.sendFrame(request(3, "Never")), { startImmediately: true })
    yield* Effect.forkChild(bob.sendFrame(request(4, "Count")), { startImmediately: true })
    yield* room.crash
    const eve = yield* room.connect("/?name=eve")
    yield* eve.sendFrame(request(1, "Watch"))
    yield* TestClock.adjust("2 seconds")
    const [adas, bobs] = [`ada ${day.getTime()} false`, `bob, renamed ${day.getTime()} false`]
    assert.deepStrictEqual(told, ["close 1006", adas, "close 1006", bobs])
    assert.deepStrictEqual(yield* eve.received, [chunk(1, adas), chunk(1, bobs)])
    yield* eve.close(1000)
    yield* room.crash
    yield* TestClock.adjust("2 minutes")
    assert.deepStrictEqual(told.slice(4), ["close 1000", `eve ${day.getTime()} true`])
    assert.deepStrictEqual(lines, [])
  }).pipe(Effect.provide(layer))
})

it.effect("a sleep closes nobody, and a stream that was open goes on (RP-14, JO-2)", () =>
  Effect.gen(function*() {
    const room = yield* make
    const ada = yield* room.connect("/?name=ada")
    yield* ada.sendFrame(request(1, "Watch"))
    yield* room.evict
    yield* TestClock.adjust("3 minutes")
    assert.deepStrictEqual(told, [])
    yield* (yield* room.connect("/?name=bob")).close(1000)
    assert.deepStrictEqual(yield* ada.received, [chunk(1, `bob ${day.getTime()} true`)])
  }))

it.effect("a close handler runs also where the last state does not fit any more (RP-14, JO-1)", () => {
  const { layer, lines } = logged()
  return Effect.gen(function*() {
    const room = yield* make
    yield* room.connect()
    yield* room.run(Storage.exec("UPDATE dormouse_journal SET state = '{}'"))
    yield* room.crash
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(told, ["close 1006"])
    assert.include(lines, "The room's handler failed")
  }).pipe(Effect.provide(layer))
})

it.effect("a room in which nobody is retires, and whoever comes then is answered by a new one (RP-14, LT-1)", () =>
  Effect.gen(function*() {
    const room = yield* make
    const ada = yield* room.connect("/?name=ada")
    yield* ada.sendFrame(request(1, "Watch"))
    yield* Effect.forkChild(ada.sendFrame(request(2, "Never")), { startImmediately: true })
    yield* room.run(Effect.flatMap(Desk, ({ deadlines }) => deadlines.reminder.set("late", "3 hours", { day })))
    yield* TestClock.adjust("1 hour")
    yield* ada.close(1000)
    told.length = 0
    yield* TestClock.adjust("59 minutes")
    assert.deepStrictEqual(told, [])
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(told, ["retires with 0"])
    yield* TestClock.adjust("3 hours")
    assert.notInclude(told.join(), "late")
    const bob = yield* room.connect("/?name=bob")
    yield* bob.sendFrame(request(1, "Watch"))
    yield* bob.sendFrame(request(2, "Remind", { day: day.toJSON() }))
    yield* bob.received
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* bob.received, [chunk(1, `next ${day.getTime()}`)])
  }))

it.effect("a room is drained from inside, and its calls and streams with it (RP-14, DN-1)", () =>
  Effect.gen(function*() {
    const room = yield* make
    const clients = yield* Effect.replicateEffect(room.connect("/?name=ada"), 4)
    for (const client of clients) {
      yield* client.sendFrame(request(1, "Watch"))
      yield* Effect.forkChild(client.sendFrame(request(2, "Never")), { startImmediately: true })
    }
    const drain = Effect.flatMap(Desk, (desk) => desk.drain({ over: "2 seconds" }))
    assert.strictEqual(yield* room.run(drain), 4)
    const closed = Effect.map(
      Effect.forEach(clients, ({ closed }) => closed),
      (closes) => closes.flatMap((close) => close === undefined ? [] : [close.code])
    )
    yield* TestClock.adjust(0)
    assert.deepStrictEqual(yield* closed, [4001, 4001])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* closed, [4001, 4001, 4001, 4001])
    assert.deepStrictEqual(told.filter((line) => line.startsWith("close")), Array(4).fill("close 4001"))
    yield* room.assertSleeps
  }))

it.effect("a room is listed while somebody is there, and destroyed with all calls in flight (RP-14, DR-1, LT-5)", () =>
  Effect.gen(function*() {
    told.length = 0
    const rooms = yield* Rooms.key(Desk.room)
    const room = yield* Effect.flatMap(MemoryRooms.key(Desk.room), ({ room }) => room("one"))
    const ada = yield* room.connect("/?name=ada")
    yield* ada.sendFrame(request(1, "Watch"))
    yield* Effect.forkChild(ada.sendFrame(request(2, "Never")), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual((yield* rooms.list()).map(({ connections, name }) => [name, connections]), [["one", 1]])
    yield* rooms.destroy("one")
    assert.strictEqual((yield* ada.closed)?.code, 4500)
    assert.deepStrictEqual(told, ["close 4500", `ada ${day.getTime()} true`, "retires with 0"])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* rooms.list(), [])
  }).pipe(Effect.provide(MemoryRooms.layer(Desk.room, DeskLive))))
