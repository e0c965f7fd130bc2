import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Audience from "../../src/domain/Audience.ts"
import type * as Inspection from "../../src/inspector/Inspection.ts"
import * as Inspector from "../../src/inspector/Inspector.ts"
import * as InspectorRoom from "../../src/inspector/InspectorRoom.ts"
import * as InspectorRoutes from "../../src/inspector/InspectorRoutes.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Outbox from "../../src/services/Outbox.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Glass, GlassLive } from "../contract/Glass.ts"
import { Ticker, TickerLive } from "../rpc/Ticker.ts"

const macrotasks = Effect.replicateEffect(Effect.promise(() => new Promise((resume) => setImmediate(resume))), 5)

const Echo = Room.make("echo", { receive: Schema.String, send: Schema.String })

const EchoLive = Echo.toLayer(Effect.gen(function*() {
  const room = yield* Echo
  return { message: (_, text) => room.broadcast(text) }
}))

const countsOf = ({ wakes }: Inspection.Inspection) =>
  Object.fromEntries(wakes.by.map(({ cause, count }) => [cause, count]))

const inspection = Effect.flatMap(Inspector.Inspector, ({ inspection }) => inspection)

/** Rooms, and somebody who looks at one of them; `events` gives what came since the last time. */
const looked = Effect.fnUntraced(function*<R extends Room.Any, App, E>(
  room: R,
  live: Layer.Layer<App, E, MemoryRoom.Services<R> | Rooms.Rooms<"inspector">>
) {
  const services = yield* Layer.build(
    MemoryRooms.layer(room, live).pipe(
      Layer.provideMerge(MemoryRooms.layer(InspectorRoom.InspectorRoom, InspectorRoom.layer))
    )
  )
  const rooms: Rooms.Always<R> = Context.getUnsafe(services, Rooms.key(room))
  const memory = Context.getUnsafe(services, MemoryRooms.key(room))
  const inspectors = Context.getUnsafe(services, MemoryRooms.key(InspectorRoom.InspectorRoom))
  const page = yield* (yield* inspectors.room("it")).connect()
  const taken = Effect.andThen(macrotasks, page.received)
  const events = Effect.map(
    taken,
    (messages) => messages.flatMap((message) => message._tag === "Events" ? message.events : [])
  )
  return { rooms, room: yield* memory.room("it"), page, taken, events }
})

it.effect("an alarm is a cause like any other, and is told of (IN-2, IN-4)", () =>
  Effect.gen(function*() {
    const Bell = Room.make("bell", { receive: Schema.String, send: Schema.String })
    const BellLive = Bell.toLayer({
      message: () => Effect.flatMap(Alarm.Alarm, (alarm) => alarm.set(60_000)),
      alarm: Effect.void
    })
    const { events, room, rooms } = yield* looked(Bell, Layer.merge(BellLive, Inspector.layer))
    const ada = yield* room.connect()
    yield* ada.send("ring")
    assert.strictEqual((yield* Inspector.look(rooms, "it")).alarm, 60_000)
    yield* macrotasks
    yield* room.evict
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* events, [
      { _tag: "Woke", at: 60_000, cause: "alarm" },
      { _tag: "Alarm", at: 60_000 }
    ])
    assert.deepStrictEqual(countsOf(yield* Inspector.inspect(rooms, "it")), { connect: 1, alarm: 1 })
  }))

it.effect("whoever looks at a room that ends looks at it when it starts anew (IN-4)", () =>
  Effect.gen(function*() {
    const Inn = Room.make("inn", { receive: Schema.String, send: Schema.String, lifetime: { emptyFor: "1 day" } })
    const InnLive = Inn.toLayer({}).pipe(Layer.provide(Lifetime.layer))
    const { events, room, rooms } = yield* looked(Inn, Layer.merge(InnLive, Inspector.layer))
    yield* room.connect()
    yield* Inspector.look(rooms, "it")
    yield* macrotasks
    yield* rooms.destroy("it")
    const tags = (yield* events).map(({ _tag }) => _tag)
    assert.deepStrictEqual(tags, ["Called", "Left"])
    yield* room.connect()
    assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["Entered"])
    yield* room.evict
    yield* room.connect()
    assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["Woke", "Entered"])
    assert.deepStrictEqual(countsOf(yield* Inspector.inspect(rooms, "it")), { connect: 1 })
  }))

it.effect("no token is shown, wherever it stands in a frame, nor what was meant to be one (IN-6)", () =>
  Effect.gen(function*() {
    const ticker = yield* looked(Ticker.room, Layer.merge(TickerLive, Inspector.layer))
    const glass = yield* looked(Glass, GlassLive)
    const request = { _tag: "Request", id: "1", tag: "Add", payload: { by: 1 } }
    const frames = [
      [ticker, JSON.stringify({ ...request, headers: [["authorization", "Bearer hunter2"]] })],
      [ticker, JSON.stringify({ ...request, headers: [["x-Access-Token", "hunter2"]] })],
      [glass, `{"_tag":"Refresh","token":["hunter2"]}`],
      [glass, `[{"_tag":"Refresh","token" : "hunter2"}]`],
      [glass, `{"_tag":"refresh","\\u0074oken":"hunter2"}`],
      [glass, `{"_tag":"Refresh","accessToken":"hunter2`],
      [glass, `{"auth\\u002dtoken":"hunter2"}`],
      [glass, `{"$token":"hunter2"}`],
      [glass, `{"access/token":"hunter2"}`],
      [glass, `{"my.token":"hunter2"}`]
    ] as const
    yield* Inspector.look(ticker.rooms, "it")
    yield* Inspector.look(glass.rooms, "it")
    for (const [{ events, room }, frame] of frames) {
      const ada = yield* room.connect()
      yield* ada.sendFrame(frame)
      const received = (yield* events).find(({ _tag }) => _tag === "Received")
      assert.deepInclude(received, { body: { bytes: frame.length } })
    }
    // What only speaks of one is shown.
    const ada = yield* glass.room.connect()
    yield* ada.send({ say: `the "token": hunter2` })
    assert.include(JSON.stringify(yield* glass.events), "hunter2")
  }))

it.effect("what leaves by an outbox of the room's own is seen (IN-4)", () =>
  Effect.gen(function*() {
    const sent: Array<unknown> = []
    const OwnOutbox = Layer.effect(
      Outbox.Outbox,
      Effect.map(Inside, ({ outbox }) => ({
        ...outbox,
        broadcast: (...args) => {
          sent.push(args[0])
          return outbox.broadcast(...args)
        }
      }))
    )
    const { events, room, rooms } = yield* looked(Echo, Layer.mergeAll(EchoLive, OwnOutbox, Inspector.layer))
    const ada = yield* room.connect()
    yield* Inspector.look(rooms, "it")
    yield* ada.send("hi")
    assert.deepStrictEqual(sent, [`"hi"`])
    assert.deepStrictEqual((yield* events).map(({ _tag }) => _tag), ["Received", "Sent"])
  }))

it.effect("what an RPC room answers and pushes is seen (IN-4)", () =>
  Effect.gen(function*() {
    const { events, room, rooms } = yield* looked(Ticker.room, Layer.merge(TickerLive, Inspector.layer))
    const ada = yield* room.connect()
    yield* ada.sendFrame(JSON.stringify({ _tag: "Request", id: "1", tag: "Watch", payload: {}, headers: [] }))
    yield* Inspector.look(rooms, "it")
    yield* macrotasks
    yield* ada.sendFrame(JSON.stringify({ _tag: "Request", id: "2", tag: "Push", payload: { value: 3 }, headers: [] }))
    const sent = (yield* events).flatMap((event) => event._tag === "Sent" ? [event.body.text ?? ""] : [])
    assert.deepStrictEqual(sent.map((text) => JSON.parse(text)._tag), ["Chunk", "Exit"])
  }))

it.effect("a room can be inspected from inside, and without anybody to send to (IN-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Echo, Layer.merge(EchoLive, Inspector.layer))
    yield* room.connect()
    const { awake, busy, connections, count } = yield* room.run(inspection)
    assert.deepStrictEqual(awake, { since: 0, cause: "connect" })
    assert.deepStrictEqual(busy, { arriving: 0, asking: 0, leaving: 0 })
    assert.deepStrictEqual([count, connections.length], [1, 1])
    assert.isUndefined(connections[0]!.user)
    assert.isUndefined(connections[0]!.state)
    yield* room.assertSleeps
  }))

it.effect("a room without an inspector says so (IN-8)", () =>
  Effect.gen(function*() {
    const { rooms } = yield* looked(Echo, EchoLive)
    const { reason } = yield* Effect.flip(Inspector.inspect(rooms, "it"))
    assert.strictEqual(reason._tag, "UnknownMethod")
  }))

it.effect("an inspection has at most 200 connections and 100 deadlines, and counts all (IN-1, IN-3)", () =>
  Effect.gen(function*() {
    const Many = Room.make("many", { receive: Schema.String, send: Schema.String, deadlines: { tea: Schema.Void } })
    const ManyLive = Many.toLayer(Effect.gen(function*() {
      const room = yield* Many
      return {
        message: (_, key) => room.deadlines.tea.set(key, "1 hour", undefined),
        deadlines: { tea: () => Effect.fail("spilt") }
      }
    })).pipe(Layer.provide(Deadlines.layer))
    const room = yield* MemoryRoom.make(Many, Layer.merge(ManyLive, Inspector.layer))
    for (let n = 0; n < 201; n++) yield* room.connect()
    const ada = yield* room.connect()
    for (let n = 0; n < 101; n++) yield* ada.send(`${n}`.padStart(300, "0"))
    const { connections, count, deadlines } = yield* room.run(inspection)
    assert.deepStrictEqual([count, connections.length, deadlines.length], [202, 200, 100])
    for (const { key } of deadlines) assert.strictEqual(key.length, 256)
  }))

it.effect("a deadline that fails says with what, and when it is tried again, or never (IN-3)", () =>
  Effect.gen(function*() {
    const Cup = Room.make("cup", { receive: Schema.String, send: Schema.String, deadlines: { tea: Schema.Void } })
    const CupLive = Cup.toLayer(Effect.gen(function*() {
      const room = yield* Cup
      return {
        message: () => room.deadlines.tea.set("cup", 1_000, undefined),
        deadlines: { tea: () => Effect.fail("spilt") }
      }
    })).pipe(Layer.provide(Deadlines.layer))
    const room = yield* MemoryRoom.make(Cup, Layer.merge(CupLive, Inspector.layer))
    const ada = yield* room.connect()
    yield* ada.send("now")
    yield* TestClock.adjust("1 second")
    const failing = (yield* room.run(inspection)).deadlines[0]!
    assert.deepInclude(failing, { name: "tea", key: "cup", at: 1_000, due: 2_000, failures: 1 })
    assert.include(failing.error, "spilt")
    yield* TestClock.adjust("2 minutes")
    const failed = (yield* room.run(inspection)).deadlines[0]!
    assert.deepInclude(failed, { at: 1_000, failures: 7 })
    assert.isUndefined(failed.due)
  }).pipe(Effect.provideService(Logger.CurrentLoggers, new Set())))

it.effect("what comes after a close is not told of, nor what is too long, and no character is cut in two (IN-4, IN-6)", () =>
  Effect.gen(function*() {
    const { events, room, rooms } = yield* looked(Glass, GlassLive)
    const [ada, bob] = [yield* room.connect("/?name=ada"), yield* room.connect("/?name=bob")]
    yield* Inspector.look(rooms, "it")
    yield* macrotasks
    yield* bob.sendFrame(JSON.stringify({ say: "😀".repeat(1_000) }))
    yield* bob.sendFrame(JSON.stringify({ say: `${"😀".repeat(1_000)}.` }).slice(1))
    const texts = (yield* events).flatMap((event) => event._tag === "Received" ? [event.body.text!] : [])
    assert.strictEqual(texts.length, 2)
    for (const text of texts) assert.isTrue(text.isWellFormed() && text.length === 1_024)
    yield* ada.mute
    yield* ada.sendFrame(`{"say":"bye"}`)
    yield* ada.sendFrame(`{"say":"more"}`)
    yield* bob.sendFrame("x".repeat(70_000))
    const seen = yield* events
    const received = seen.flatMap((event) => event._tag === "Received" ? [event.body] : [])
    assert.deepStrictEqual(received, [{ bytes: 13, text: `{"say":"bye"}` }, { bytes: 70_000 }])
    assert.deepStrictEqual(seen.flatMap((event) => event._tag === "Left" ? [event.code] : []), [4_000, 1_009])
  }))

it.effect("a door finds beside a socket what it has left there (IN-1)", () =>
  Effect.gen(function*() {
    const { room } = yield* looked(Glass, GlassLive)
    yield* room.connect()
    const beside = Effect.map(Inside, ({ registry }) => registry.beside(registry.open(Audience.all)[0]!))
    assert.isArray(yield* room.run(beside))
    yield* room.evict
    assert.isArray(yield* room.run(beside))
  }))

it.effect("who looks at a room is not told of the token that let them look (IN-8)", () =>
  Effect.gen(function*() {
    const seen: Array<Headers> = []
    const audience = Layer.succeed(
      Rooms.key(InspectorRoom.InspectorRoom),
      // SAFETY: nothing else is asked of it.
      {
        get: () => ({ fetch: ({ headers }: Request) => Effect.sync(() => (seen.push(headers), new Response())) })
      } as unknown as Rooms.Always<typeof InspectorRoom.InspectorRoom>
    )
    const authorized: Array<string | null> = []
    const answer = yield* InspectorRoutes.make(Glass, {
      authorize: ({ headers }) => Effect.sync(() => authorized.push(headers.get("authorization")))
    }).pipe(Effect.provide(Layer.merge(audience, MemoryRooms.layer(Glass, GlassLive).pipe(Layer.provide(audience)))))
    const offered = [
      { "sec-websocket-protocol": "bearer, a%2Ftoken, plain" },
      { "authorization": "Bearer a/token", "sec-websocket-protocol": "plain" }
    ]
    for (const headers of offered) {
      yield* answer(
        new Request("http://it/api/rooms/it/inspection", { headers: { ...headers, "upgrade": "websocket" } })
      )!
    }
    assert.deepStrictEqual(authorized, ["Bearer a/token", "Bearer a/token"])
    for (const headers of seen) {
      assert.strictEqual(headers.get("sec-websocket-protocol"), "plain")
      assert.notInclude(JSON.stringify([...headers]), "a/token")
    }
    assert.strictEqual(seen.length, 2)
  }))
