/**
 * The client of a room under the `TestClock`, on a room in memory.
 */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as CloseCode from "../../src/domain/CloseCode.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import { collect } from "../contract/client.ts"
import { on, pass, settle } from "./world.ts"

class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}

const Note = Schema.Struct({ text: Schema.String })

const Wall = Room.make("wall", { receive: Note, send: Note, error: Full })

const build = Effect.fnUntraced(function*(options: Partial<RoomClient.Options> = {}) {
  const frames: Array<string> = []
  const requests: Array<{ readonly url: string; readonly protocols: ReadonlyArray<string>; readonly at: number }> = []
  let wakes = 0
  const room = yield* MemoryRoom.make(
    Wall,
    Wall.toLayer(Effect.gen(function*() {
      wakes++
      const room = yield* Wall
      return {
        message: Effect.fnUntraced(function*(connection, { text }) {
          if (text === "full") return yield* new Full({ limit: 3 })
          if (text === "fault") return yield* Effect.die(new Error("a fault"))
          if (text === "never") return yield* Effect.never
          if (text.startsWith("close ")) {
            const [, code, ...reason] = text.split(" ")
            return yield* room.close(connection.id, { code: Number(code), reason: reason.join(" ") })
          }
          yield* room.broadcast({ text })
        })
      }
    }))
  )
  const clock = yield* TestClock.testClockWith(Effect.succeed)
  const transport: Transport.Transport = (url, protocols) => {
    requests.push({ url, protocols, at: clock.currentTimeMillisUnsafe() })
    const socket = room.network.transport(url, protocols)
    const { send } = socket
    return Object.assign(socket, {
      send: (data: string | Uint8Array<ArrayBuffer>) => {
        frames.push(String(data))
        send(data)
      }
    })
  }
  const make = Effect.gen(function*() {
    const client = yield* RoomClient.make(Wall, { url: "ws://memory/", reconnect: Schedule.spaced(1_000), ...options })
    const messages = yield* collect(Stream.map(client.messages, ({ text }) => text))
    const troubles = yield* collect(client.troubles)
    const statuses = yield* collect(client.statuses)
    yield* settle
    return { ...client, heard: messages.all, listening: messages.fiber, trouble: troubles.all, was: statuses.all }
  })
  return {
    ...room,
    frames,
    requests,
    wakes: () => wakes,
    make: Effect.provideService(make, Transport.Transport, transport)
  }
})

const say = (text: string) => ({ text })

it.effect("several listen, and whoever listens first hears what came before (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* client.send(say("a"))
    yield* settle
    const later = yield* collect(client.messages)
    yield* client.send(say("b"))
    yield* settle
    assert.deepStrictEqual(client.heard, ["a", "b"])
    assert.deepStrictEqual(later.all, [say("b")])
  }))

it.effect("what comes before anybody listens is kept for the first who does (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Wall,
      Wall.toLayer({
        open: Effect.fnUntraced(function*({ id }) {
          const room = yield* Wall
          yield* room.send(id, say("welcome"))
        })
      })
    )
    const client = yield* RoomClient.make(Wall, { url: "ws://memory/" }).pipe(on(room))
    yield* settle
    const { all } = yield* collect(client.messages)
    yield* settle
    assert.deepStrictEqual(all, [say("welcome")])
  }))

it.effect("a listener that is too far behind fails, and the others go on (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* build({ listenerMessages: 4 })
    const client = yield* room.make
    const slow = yield* Effect.forkScoped(
      Effect.flip(Stream.runForEach(client.messages, () => Effect.sleep("1 hour")))
    )
    yield* settle
    for (let n = 0; n < 8; n++) {
      yield* client.send(say(`${n}`))
      yield* settle
    }
    assert.lengthOf(client.heard, 8)
    yield* pass(10 * 3_600_000)
    assert.strictEqual((yield* Fiber.join(slow)).reason._tag, "Overrun")
    assert.strictEqual((yield* client.status)._tag, "Connected")
  }))

it.effect("a message that does not fit fails, and nothing leaves (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    // @ts-expect-error: it is wrong.
    const error = yield* Effect.flip(client.send({ text: 3 }))
    assert.strictEqual(error._tag === "RoomClientError" && error.reason._tag, "InvalidMessage")
    yield* settle
    assert.deepStrictEqual(room.frames, [])
  }))

it.effect("pauses are random below 500 ms, 1 s, 2 s … 30 s, and begin anew after five seconds of a connection (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    yield* room.network.offline(true)
    const client = yield* RoomClient.make(Wall, { url: "ws://memory/" }).pipe(
      on(room),
      Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.5 })
    )
    const pauses: Array<number> = []
    const next = Effect.gen(function*() {
      yield* settle
      const status = yield* client.status
      if (status._tag !== "Waiting") return yield* Effect.die(new Error(status._tag))
      const { currentTimeMillis } = yield* TestClock.testClockWith((clock) => Effect.succeed(clock))
      const wait = status.until - (yield* currentTimeMillis)
      pauses.push(wait)
      yield* TestClock.adjust(wait)
    })
    for (let attempt = 0; attempt < 9; attempt++) yield* next
    assert.deepStrictEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
    yield* settle
    yield* room.network.offline(false)
    yield* next
    yield* settle
    assert.strictEqual((yield* client.status)._tag, "Connected")
    // Not long enough.
    yield* pass(4_900)
    yield* room.network.cut
    yield* next
    yield* pass(5_000)
    yield* room.network.cut
    yield* next
    assert.deepStrictEqual(pauses.slice(-3), [15_000, 15_000, 250])
  }))

it.effect("a code that says so ends it, with a typed error for whoever listens or sends (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    for (const code of [1000, 1008, 4500, 4501, 4999]) {
      const client = yield* room.make
      yield* client.send(say(`close ${code} bye`))
      yield* settle
      assert.deepStrictEqual(yield* client.status, { _tag: "Closed", code, reason: "bye" })
      assert.deepStrictEqual(client.was.at(-1), { _tag: "Closed", code, reason: "bye" })
      const error = yield* Effect.flip(client.send(say("a")))
      assert.deepStrictEqual({ ...error.reason }, { code, reason: "bye", _tag: "Closed" } as never)
      const exit = yield* Fiber.await(client.listening)
      assert.strictEqual(exit._tag, "Failure")
      const late = yield* Effect.flip(Stream.runDrain(client.messages))
      assert.strictEqual(late.reason._tag, "Closed")
    }
    const { length } = room.requests
    yield* pass(600_000)
    assert.lengthOf(room.requests, length)
  }))

it.effect("a code that does not end it brings it back, and a drain within its window (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    for (
      const [code, reason, least, most] of [
        [1001, "", 1_000, 1_000],
        [1012, "", 1_000, 1_000],
        [4009, "", 1_000, 1_000],
        [4001, CloseCode.drainReason(60_000), 0, 60_000],
        [4003, "", 0, 0]
      ] as const
    ) {
      const client = yield* room.make
      yield* pass(100)
      const { at } = room.requests.at(-1)!
      yield* client.send(say(`close ${code} ${reason}`))
      yield* settle
      yield* pass(60_000)
      const pause = room.requests.at(-1)!.at - at - 100
      assert.isTrue(pause >= least && pause <= most, `${code}: ${pause}`)
      assert.strictEqual((yield* client.status)._tag, "Connected")
    }
  }))

it.effect("who is told again at once that the token has expired waits before it tries anew (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* client.send(say("close 4003"))
    yield* settle
    assert.lengthOf(room.requests, 2)
    yield* client.send(say("close 4003"))
    yield* settle
    assert.strictEqual((yield* client.status)._tag, "Waiting")
    assert.lengthOf(room.requests, 2)
  }))

it.effect("a schedule that ends, ends it with the last close (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* build({ reconnect: Schedule.recurs(2) })
    yield* room.network.offline(true)
    const client = yield* room.make
    yield* pass(10_000)
    assert.strictEqual(room.requests.length, 3)
    assert.deepStrictEqual(yield* client.status, { _tag: "Closed", code: 1006, reason: "" })
  }))

it.effect("address, query and token are asked for at each attempt, and the token goes as a pair of subprotocols (CC-3)", () =>
  Effect.gen(function*() {
    let asked = 0
    const room = yield* build({
      url: Effect.sync(() => `http://memory/rooms/${++asked}?a=1`),
      query: Effect.sync(() => ({ attempt: `${asked}`, none: undefined })),
      token: Effect.suspend(() => asked === 2 ? Effect.fail("no token") : Effect.succeed(Redacted.make(`t${asked}`)))
    })
    const client = yield* room.make
    yield* room.network.cut
    yield* pass(1_000)
    assert.deepInclude(yield* client.status, { _tag: "Waiting", code: 1006, reason: "no token" })
    yield* pass(1_000)
    assert.strictEqual((yield* client.status)._tag, "Connected")
    assert.deepStrictEqual(room.requests.map(({ protocols, url }) => [url, protocols]), [
      ["ws://memory/rooms/1?a=1&attempt=1", ["bearer", "t1", "ndjson", "plain"]],
      ["ws://memory/rooms/3?a=1&attempt=3", ["bearer", "t3", "ndjson", "plain"]]
    ])
  }))

it.effect("a heartbeat is the text that the runtime answers: ten minutes of it wake nobody (CC-4)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* room.evict
    const wakes = room.wakes()
    yield* pass(600_000)
    assert.deepStrictEqual(room.frames, Array.from({ length: 24 }, () => "ping"))
    assert.strictEqual(room.wakes(), wakes)
    assert.strictEqual((yield* client.status)._tag, "Connected")
    assert.deepStrictEqual(client.trouble, [])
  }))

it.effect("a connection on which nothing comes is dead ten seconds after a ping (CC-4)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* room.network.silence
    yield* pass(34_999)
    assert.strictEqual((yield* client.status)._tag, "Connected")
    yield* pass(1)
    assert.deepInclude(yield* client.status, { _tag: "Waiting", code: 4000 })
    yield* pass(1_000)
    assert.strictEqual((yield* client.status)._tag, "Connected")
  }))

it.effect("a handshake that is not answered is dead after ten seconds (CC-4)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Wall, Wall.toLayer({ connect: () => Effect.never }))
    const client = yield* RoomClient.make(Wall, { url: "ws://memory/" }).pipe(on(room))
    yield* pass(9_999)
    assert.strictEqual((yield* client.status)._tag, "Connecting")
    yield* pass(1)
    assert.deepInclude(yield* client.status, { _tag: "Waiting", code: 4000 })
  }))

it.effect("what is said while away waits, and leaves in order as one frame; what is interrupted is not said (CC-5, CC-8)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* room.network.cut
    const fibers = yield* Effect.forEach(["a", "b", "c"], (text) => Effect.forkScoped(client.send(say(text))))
    yield* settle
    yield* Fiber.interrupt(fibers[1]!)
    assert.isUndefined(fibers[0]!.pollUnsafe())
    yield* pass(1_000)
    yield* Fiber.join(fibers[0]!)
    yield* Fiber.join(fibers[2]!)
    yield* settle
    assert.deepStrictEqual(client.heard, ["a", "c"])
    assert.deepStrictEqual(room.frames, [`{"text":"a"}\n{"text":"c"}`])
  }))

it.effect("what was said in the turn in which the connection ends has not left, and goes first with the next (CC-5, CC-9)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    const [socket] = yield* room.network.sockets
    yield* client.send(say("a"))
    socket!.end({ code: 1006, reason: "", wasClean: false })
    yield* settle
    assert.deepStrictEqual(room.frames, [])
    yield* Effect.forkScoped(client.send(say("b")))
    yield* pass(1_000)
    assert.deepStrictEqual(client.heard, ["a", "b"])
    assert.deepStrictEqual(client.trouble, [])
    // Nobody listens to the old one any more: what is left keeps a late error from being thrown.
    assert.strictEqual(socket!.listeners, 1)
  }))

it.effect("a full queue fails at once: by messages, by bytes, and without a queue (CC-5)", () =>
  Effect.gen(function*() {
    for (
      const [queue, fit, text] of [
        [undefined, 100, "a"],
        [{ messages: 2 }, 2, "a"],
        [{ bytes: 50 }, 2, "é"],
        [false, 0, "a"]
      ] as const
    ) {
      const room = yield* build({ queue })
      const client = yield* room.make
      yield* room.network.cut
      for (let n = 0; n < fit; n++) {
        yield* Effect.forkScoped(client.send(say(text.repeat(queue && "bytes" in queue ? 4 : 1))))
      }
      yield* settle
      const error = yield* Effect.flip(client.send(say(text)))
      assert.strictEqual(error.reason._tag, "QueueFull")
      yield* pass(1_000)
      yield* settle
      assert.lengthOf(client.heard, fit)
      yield* client.send(say(text))
    }
  }))

it.effect("a network that takes nothing holds a megabyte at most, and one message whatever its size (CC-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Wall, Wall.toLayer({ message: () => Effect.void }))
    let left = 0
    let isStuck = true
    const stuck: Transport.Transport = (url, protocols) =>
      Object.defineProperties(room.network.transport(url, protocols), {
        send: { value: (data: string) => left += data.length },
        bufferedAmount: { get: () => isStuck ? left : 0 }
      })
    const client = yield* RoomClient.make(Wall, { url: "ws://memory/", bufferBytes: 1_000 }).pipe(
      Effect.provideService(Transport.Transport, stuck)
    )
    yield* settle
    yield* client.send(say("x".repeat(2_000)))
    for (const sending of [client.send(say("b")), client.send(say("b"), { id: "1" })]) {
      const error = yield* Effect.flip(sending)
      assert.strictEqual(error._tag === "RoomClientError" && error.reason._tag, "QueueFull")
    }
    yield* settle
    assert.isAbove(left, 2_000)
    isStuck = false
    // Those of one turn have not left yet, and count.
    const fates = yield* Effect.forEach(
      Array.from({ length: 20 }, () => say("y".repeat(88))),
      (message) => Effect.isSuccess(client.send(message))
    )
    assert.strictEqual(fates.filter((isSaid) => isSaid).length, 10)
    yield* settle
    yield* client.send(say("b"))
  }))

it.effect("what left before the last pong has arrived; what left after it is told as unknown, and never sent again (CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* client.send(say("a"))
    yield* pass(25_000)
    yield* room.network.silence
    yield* client.send(say("b"))
    yield* client.send(say("c"))
    yield* pass(40_000)
    assert.strictEqual((yield* client.status)._tag, "Connected")
    assert.deepStrictEqual(client.trouble, [
      { _tag: "Unknown", messages: [say("b"), say("c")] }
    ])
    assert.deepStrictEqual(client.heard, ["a"])
    yield* client.send(say("d"))
    yield* settle
    assert.deepStrictEqual(client.heard, ["a", "d"])
  }))

it.effect("a message of the room proves nothing: it may have left before what was sent (CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* client.send(say("a"))
    yield* settle
    assert.deepStrictEqual(client.heard, ["a"])
    yield* room.network.cut
    yield* settle
    assert.deepStrictEqual(client.trouble, [{ _tag: "Unknown", messages: [say("a")] }])
  }))

it.effect("however many are lost with a connection, whoever listens is told of all (CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* build({ listenerMessages: 4 })
    const client = yield* room.make
    yield* room.network.silence
    const messages = Array.from({ length: 300 }, (_, n) => say(`${n}`))
    yield* Effect.forEach(messages, (message) => client.send(message))
    yield* settle
    yield* room.network.cut
    yield* settle
    assert.deepStrictEqual(client.trouble, [{ _tag: "Unknown", messages }])
  }))

it.effect("the doubt of many messages is ended by a ping of its own (CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    for (let n = 0; n < 300; n++) yield* client.send(say(`${n}`))
    yield* settle
    assert.deepStrictEqual(room.frames.map((frame) => frame === "ping" ? frame : frame.split("\n").length), [
      64,
      64,
      64,
      64,
      "ping",
      44
    ])
    yield* room.network.cut
    yield* settle
    const messages = Array.from({ length: 44 }, (_, n) => say(`${n + 256}`))
    assert.deepStrictEqual(client.trouble, [{ _tag: "Unknown", messages }])
  }))

it.effect("a message with an id succeeds when it is handled, and fails as the room refuses it (CC-7)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    yield* client.send(say("a"), { id: "1" })
    yield* settle
    assert.deepStrictEqual(client.heard, ["a"])
    const refused = yield* Effect.flip(client.send(say("full"), { id: "2" }))
    assert.deepStrictEqual(refused, new Full({ limit: 3 }))
    const failed = yield* Effect.flip(client.send(say("fault"), { id: "3" }))
    assert.strictEqual(failed._tag === "RoomClientError" && failed.reason._tag, "Rejected")
    assert.deepStrictEqual(client.trouble, [])
    yield* client.send(say("full"))
    yield* settle
    assert.deepStrictEqual(client.trouble, [{ _tag: "Refused", error: new Full({ limit: 3 }) }])
    for (const id of ["", "x".repeat(65)]) {
      const invalid = yield* Effect.flip(client.send(say("a"), { id }))
      assert.strictEqual(invalid._tag === "RoomClientError" && invalid.reason._tag, "InvalidMessage")
    }
  }))

it.effect("a message with an id that the connection takes along is unknown; one that has not left is not (CC-7)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    const lost = yield* Effect.forkScoped(Effect.flip(client.send(say("never"), { id: "1" })))
    yield* settle
    const twice = yield* Effect.flip(client.send(say("a"), { id: "1" }))
    assert.strictEqual(twice._tag === "RoomClientError" && twice.reason._tag, "InvalidMessage")
    yield* room.network.cut
    const waiting = yield* Effect.forkScoped(client.send(say("a"), { id: "2" }))
    const error = yield* Fiber.join(lost)
    assert.strictEqual(error._tag === "RoomClientError" && error.reason._tag, "Unknown")
    yield* pass(1_000)
    yield* Fiber.join(waiting)
    assert.deepStrictEqual(client.trouble, [])
    assert.deepStrictEqual(client.heard, ["a"])
  }))

it.effect("several sends of a turn leave in one frame of at most 64 lines and 65,536 bytes (CC-8)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const client = yield* room.make
    for (let n = 0; n < 3; n++) yield* client.send(say("a".repeat(30_000)))
    yield* settle
    assert.deepStrictEqual(room.frames.map((frame) => frame.split("\n").length), [2, 1])
    assert.isTrue(room.frames.every((frame) => frame.length <= 65_536))
    assert.lengthOf(client.heard, 3)
  }))

it.effect("when its scope closes the socket closes with 1000, and no timer, listener or fiber is left (CC-9)", () =>
  Effect.gen(function*() {
    let wakeups = 0
    const room = yield* build()
    const sockets = yield* Effect.scoped(Effect.gen(function*() {
      const client = yield* room.make
      assert.strictEqual(wakeups, 1)
      yield* client.send(say("a"))
      const [socket] = yield* room.network.sockets
      assert.isAbove(socket!.listeners, 1)
      return { client, socket: socket! }
    })).pipe(Effect.provideService(Transport.Wakeups, () => {
      wakeups++
      return () => wakeups--
    }))
    const closes: Array<CloseCode.Close> = []
    sockets.socket.addEventListener("close", (close) => closes.push(close))
    yield* settle
    assert.strictEqual(wakeups, 0)
    assert.deepStrictEqual(closes, [{ code: 1000, reason: "", wasClean: true }])
    // The one that keeps a late error from being thrown, and this test's.
    assert.strictEqual(sockets.socket.listeners, 2)
    assert.deepStrictEqual(yield* room.network.sockets, [])
    assert.deepStrictEqual(yield* sockets.client.status, { _tag: "Closed", code: 1000, reason: "" })
    assert.strictEqual((yield* Effect.flip(sockets.client.send(say("b")))).reason._tag, "Closed")
    const { length } = room.frames
    yield* pass(600_000)
    assert.lengthOf(room.frames, length)
    assert.lengthOf(room.requests, 1)
  }))

it.effect("whatever it does when its scope closes, nothing goes on: connecting, waiting, asking for a token (CC-9)", () =>
  Effect.gen(function*() {
    for (const option of [{}, { token: Effect.never }] as const) {
      for (const isOffline of [true, false]) {
        const room = yield* build(option)
        yield* room.network.offline(isOffline)
        yield* Effect.scoped(room.make)
        yield* room.network.offline(false)
        const { length } = room.requests
        yield* pass(60_000)
        assert.lengthOf(room.requests, length)
        assert.deepStrictEqual(yield* room.network.sockets, [])
      }
    }
  }))

it.effect("what may have changed something is tried at once: where it waits it connects, else it pings (CC-10)", () =>
  Effect.gen(function*() {
    let wake = () => {}
    const room = yield* build({ reconnect: Schedule.spaced(3_600_000) })
    const client = yield* room.make.pipe(Effect.provideService(Transport.Wakeups, (it) => {
      wake = it
      return () => {}
    }))
    yield* room.network.cut
    yield* settle
    assert.strictEqual((yield* client.status)._tag, "Waiting")
    wake()
    yield* settle
    assert.strictEqual((yield* client.status)._tag, "Connected")
    yield* pass(10_000)
    yield* client.wake
    yield* settle
    assert.deepStrictEqual(room.frames, ["ping"])
    yield* room.network.silence
    yield* pass(10_000)
    yield* client.wake
    yield* pass(10_000)
    assert.deepInclude(yield* client.status, { _tag: "Waiting", code: 4000 })
  }))

it.effect("a page that was frozen asks anew before it gives the connection up (CC-4)", () =>
  Effect.gen(function*() {
    const room = yield* build()
    const clock = yield* TestClock.testClockWith(Effect.succeed)
    let frozen = 0
    // A timer that fires an hour late: what it waited for took that long.
    const late: Clock.Clock = Object.create(clock, {
      currentTimeMillisUnsafe: { value: () => clock.currentTimeMillisUnsafe() + frozen }
    })
    const client = yield* room.make.pipe(Effect.provideService(Clock.Clock, late))
    yield* pass(25_000)
    yield* room.network.silence
    yield* pass(25_000)
    assert.deepStrictEqual(room.frames, ["ping", "ping"])
    frozen = 3_600_000
    yield* pass(10_000)
    assert.strictEqual((yield* client.status)._tag, "Connected")
    assert.deepStrictEqual(room.frames, ["ping", "ping", "ping"])
    // Timers of a page that nobody sees are always late: it is no reason to ask for ever.
    frozen += 3_600_000
    yield* pass(10_000)
    assert.deepInclude(yield* client.status, { _tag: "Waiting", code: 4000 })
  }))

it.effect("what the room sends and the definition does not have is told, and the rest is heard (CC-1)", () =>
  Effect.gen(function*() {
    const Newer = Room.make("wall", { receive: Note, send: Schema.Struct({ text: Schema.Unknown }) })
    const room = yield* MemoryRoom.make(
      Newer,
      Newer.toLayer({
        message: Effect.fnUntraced(function*() {
          const room = yield* Newer
          yield* room.broadcast({ text: 3 })
          yield* room.broadcast({ text: "a" })
        })
      })
    )
    const client = yield* RoomClient.make(Wall, { url: "ws://memory/" }).pipe(on(room))
    const { all } = yield* collect(client.messages)
    const troubles = yield* collect(client.troubles)
    yield* client.send(say("go"))
    yield* settle
    assert.deepStrictEqual(all, [say("a")])
    assert.deepStrictEqual(troubles.all.map(({ _tag }) => _tag), ["Unreadable"])
  }))

it.effect("rooms of text and of bytes have clients, too, and a JSON room's bytes keep their place (CC-1, CC-8)", () =>
  Effect.gen(function*() {
    const Text = Room.make("text", { format: "text", receive: Schema.String, send: Schema.String })
    const text = yield* MemoryRoom.make(
      Text,
      Text.toLayer({
        message: Effect.fnUntraced(function*(_, said) {
          const room = yield* Text
          yield* room.broadcast(`<${said}>`)
        })
      })
    )
    const one = yield* RoomClient.make(Text, { url: "ws://memory/" }).pipe(on(text))
    const texts = yield* collect(one.messages)
    yield* one.send("a\nb")
    const unconfirmed = yield* Effect.flip(one.send("a", { id: "1" }))
    assert.strictEqual(unconfirmed.reason._tag, "InvalidMessage")
    const Mixed = Room.make("mixed", {
      receive: Note,
      send: Note,
      bytes: { receive: Schema.Uint8Array, send: Schema.Uint8Array }
    })
    const mixed = yield* MemoryRoom.make(
      Mixed,
      Mixed.toLayer({
        message: Effect.fnUntraced(function*(_, said) {
          const room = yield* Mixed
          yield* room.broadcast(said)
        })
      })
    )
    const two = yield* RoomClient.make(Mixed, { url: "ws://memory/" }).pipe(on(mixed))
    const both = yield* collect(two.messages)
    yield* settle
    const said = [say("a"), say("b"), new Uint8Array([1, 2]), say("c")]
    for (const message of said) yield* two.send(message)
    yield* settle
    assert.deepStrictEqual(texts.all, ["<a\nb>"])
    assert.deepStrictEqual(both.all, said)
  }))
