import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRuntime from "../../src/memory/MemoryRuntime.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Lifecycle from "../../src/services/Lifecycle.ts"
import * as Room from "../../src/services/Room.ts"
import { Ask, Probe, ProbeLive, Told } from "../contract/Probe.ts"

const { Close, Speak } = Ask.cases

it.effect("a text room takes texts, and closes on anything else (PL-2, PL-3)", () =>
  Effect.gen(function*() {
    const Echo = Room.make("echo", {
      format: "text",
      receive: Schema.String.check(Schema.isMaxLength(3)),
      send: Schema.String
    })
    const EchoLive = Echo.toLayer(Effect.gen(function*() {
      const room = yield* Echo
      return {
        message: ({ id }, text) => text === "die" ? Effect.die("broken") : room.send(id, text.toUpperCase())
      }
    }))
    const room = yield* MemoryRoom.make(Echo, EchoLive)
    const client = yield* room.connect()
    yield* client.send("abc")
    yield* client.sendFrame("ping".slice(0, 3))
    yield* client.send("die")
    assert.deepStrictEqual(yield* client.received, ["ABC", "PIN"])
    const [wrongKind, tooLong] = [yield* room.connect(), yield* room.connect()]
    yield* wrongKind.sendFrame(new ArrayBuffer(1))
    assert.strictEqual((yield* wrongKind.closed)?.code, 1003)
    yield* tooLong.sendFrame("ping")
    assert.strictEqual((yield* tooLong.closed)?.code, 1007)
    assert.isUndefined(yield* client.closed)
  }))

it.effect("a binary room takes bytes, and closes on anything else (PL-2, PL-3)", () =>
  Effect.gen(function*() {
    const Bytes = Room.make("bytes", { format: "binary", receive: Schema.Uint8Array, send: Schema.Uint8Array })
    const BytesLive = Bytes.toLayer(Effect.gen(function*() {
      const room = yield* Bytes
      return { message: (_, bytes) => room.broadcast(bytes.toReversed()) }
    }))
    const room = yield* MemoryRoom.make(Bytes, BytesLive)
    const client = yield* room.connect()
    yield* client.sendFrame(new Uint8Array([1, 2, 3]).buffer)
    assert.deepStrictEqual(yield* client.received, [new Uint8Array([3, 2, 1])])
    yield* client.sendFrame("ping")
    assert.strictEqual((yield* client.closed)?.code, 1003)
  }))

it.effect("handlers of one connection run in order while they wait, those of two overlap (LC-3)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const Gate = Room.make("gate", { format: "text", receive: Schema.String, send: Schema.String })
    const GateLive = Gate.toLayer(Effect.gen(function*() {
      const room = yield* Gate
      return {
        message: (_, text) =>
          Effect.andThen(text === "wait" ? Deferred.await(gate) : Effect.void, room.broadcast(text)),
        close: () => room.broadcast("left")
      }
    }))
    const room = yield* MemoryRoom.make(Gate, GateLive)
    const [slow, quick] = [yield* room.connect(), yield* room.connect()]
    const waiting = yield* Effect.forkChild(
      Effect.all([slow.send("wait"), slow.send("1"), slow.send("2"), slow.close(1000)], { concurrency: "unbounded" }),
      { startImmediately: true }
    )
    yield* quick.send("quick")
    assert.deepStrictEqual(yield* quick.received, ["quick"])
    assert.strictEqual((yield* slow.closed)?.code, 1000)
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(waiting)
    assert.deepStrictEqual(yield* quick.received, ["wait", "1", "2", "left"])
  }))

it.effect("what is sent in open leaves once open has succeeded, the newcomer's own first (LC-7)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const Slow = Room.make("slow", { format: "text", receive: Schema.String, send: Schema.String })
    const SlowLive = Slow.toLayer(Effect.gen(function*() {
      const room = yield* Slow
      return {
        connect: (request) => Effect.succeed({ labels: [new URL(request.url).search] }),
        open: ({ id, labels }) =>
          room.send(id, "welcome").pipe(
            Effect.andThen(room.broadcast("joined")),
            Effect.andThen(labels.includes("?slow") ? Deferred.await(gate) : Effect.void)
          ),
        message: (_, text) => room.broadcast(text)
      }
    }))
    const room = yield* MemoryRoom.make(Slow, SlowLive)
    const first = yield* room.connect()
    const connecting = yield* Effect.forkChild(room.connect("/?slow"), { startImmediately: true })
    yield* first.send("meanwhile")
    assert.deepStrictEqual(yield* first.received, ["welcome", "meanwhile"])
    assert.strictEqual(yield* room.run(Slow.use((room) => room.count())), 1)
    yield* Deferred.succeed(gate, undefined)
    const second = yield* Fiber.join(connecting)
    yield* first.send("later")
    assert.deepStrictEqual(yield* second.received, ["welcome", "later"])
    assert.deepStrictEqual(yield* first.received, ["joined", "later"])
  }))

it.effect("a mute peer that we closed is gone, and what it still says is not heard (LC-6)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const stays = yield* room.connect()
    const mute = yield* room.connect("/?note=mute")
    const id = (yield* mute.received).map((message) => message._tag === "Opened" ? message.connection : "")[0]!
    yield* mute.mute
    yield* stays.received
    yield* stays.send(Close.make({ connection: id, code: 4500, reason: "" }))
    assert.deepStrictEqual((yield* stays.received).map((message) => message._tag), ["Closed"])
    for (const step of [Effect.void, room.evict]) {
      yield* step
      yield* mute.send(Speak.make({ text: "still here" }))
      assert.strictEqual(yield* room.run(Probe.use((room) => room.count())), 1)
    }
    yield* mute.drop
    assert.deepStrictEqual(yield* stays.received, [])
  }))

it.effect("a connection that breaks off or breaks the protocol has left with the code that fits (CL-2, CL-3, LC-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const stays = yield* room.connect()
    for (const sleep of [Effect.void, room.evict]) {
      for (const code of [1006, 1002, 1007, 1009] as const) {
        const leaves = yield* room.connect("/?note=gone")
        yield* stays.received
        yield* sleep
        yield* code === 1006 ? leaves.drop : leaves.violate(code)
        const [closed, ...rest] = yield* stays.received
        assert.deepInclude(closed, { _tag: "Closed", note: "gone", code, reason: "", wasClean: false, connections: 1 })
        assert.deepStrictEqual(rest, [])
      }
    }
  }))

it.effect("each event that repeats or comes late is no second close (LC-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const stays = yield* room.connect()
    yield* room.connect()
    yield* stays.received
    const [, socket] = yield* room.run(Effect.gen(function*() {
      const { Sockets } = yield* Effect.promise(() => import("../../src/services/Sockets.ts"))
      return (yield* Sockets).list("p:plain")
    }))
    const close = { code: 1001, reason: "", wasClean: true }
    yield* room.run(Lifecycle.Lifecycle.use((lifecycle) =>
      Effect.all([
        lifecycle.error(socket!, new Error("lost")),
        lifecycle.close(socket!, close),
        lifecycle.close(socket!, close)
      ])
    ))
    assert.deepStrictEqual(
      (yield* stays.received).map((message) => message._tag),
      ["Closed"]
    )
  }))

it.effect("the alarm fires at its time, once, also when the object slept (LC-8)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const client = yield* room.connect()
    yield* client.received
    const at = Duration.toMillis("1 hour")
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(at)))
    yield* room.evict
    assert.deepStrictEqual(yield* room.run(Alarm.Alarm.use((alarm) => alarm.get)), Option.some(at))
    yield* TestClock.adjust(Duration.minutes(59))
    assert.deepStrictEqual(yield* client.received, [])
    yield* TestClock.adjust(Duration.minutes(2))
    assert.deepStrictEqual(yield* client.received, [Told.cases.Rang.make({})])
    assert.isTrue(Option.isNone(yield* room.run(Alarm.Alarm.use((alarm) => alarm.get))))
  }))

it.effect("a room whose layer does not build refuses newcomers with 503 (LC-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, Layer.effectDiscard(Effect.fail("no database")))
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
  }))

it.effect("without the upgrade there is no connection (LC-10)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const problem = yield* Effect.flip(room.connect("/", { headers: { upgrade: "h2c" } }))
    assert.strictEqual(problem.status, 426)
    assert.strictEqual(problem.headers.upgrade, "websocket")
    const other = yield* room.connect("/", { headers: { upgrade: "WebSocket" } })
    assert.strictEqual((yield* other.received).length, 1)
  }))

it.effect("a connection that is closed while it opens has been there, and leaves (LC-6, LC-7)", () =>
  Effect.gen(function*() {
    const Door = Room.make("door", { format: "text", receive: Schema.String, send: Schema.String })
    const left: Array<number> = []
    const DoorLive = Door.toLayer(Effect.gen(function*() {
      const room = yield* Door
      return {
        open: ({ id }) => Effect.andThen(room.send(id, "full"), room.close(id, { code: 4000, reason: "full" })),
        close: (_, { code }) => Effect.sync(() => left.push(code))
      }
    }))
    const room = yield* MemoryRoom.make(Door, DoorLive)
    const client = yield* room.connect()
    assert.deepStrictEqual(yield* client.received, ["full"])
    assert.deepStrictEqual(yield* client.closed, { code: 4000, reason: "full", wasClean: true })
    assert.deepStrictEqual(left, [4000])
    const runtime = yield* room.run(MemoryRuntime.MemoryRuntime)
    yield* runtime.settle
    assert.deepStrictEqual(left, [4000])
  }))

it.effect("what was held in open and fails is logged, and what was held behind it leaves (LC-7)", () =>
  Effect.gen(function*() {
    const logged: Array<unknown> = []
    const gate = yield* Deferred.make<void>()
    const Hall = Room.make("hall", { format: "text", receive: Schema.String, send: Schema.String })
    const HallLive = Hall.toLayer(Effect.gen(function*() {
      const room = yield* Hall
      return {
        open: Effect.fnUntraced(function*({ id }) {
          const [host] = yield* room.connections()
          if (host === undefined) return
          yield* room.send(host.id, "somebody is at the door")
          yield* room.close(host.id, { code: 4000 })
          yield* Deferred.await(gate)
          yield* room.broadcast("good evening")
          yield* room.send(id, "welcome")
        }),
        message: (_, text) => room.broadcast(text)
      }
    }))
    const logger = Logger.layer([
      Logger.make(({ cause, fiber, message }) => {
        logged.push([String(message), fiber.getRef(References.CurrentLogAnnotations)["event"], cause.reasons.length])
      })
    ])
    const room = yield* MemoryRoom.make(Hall, Layer.merge(HallLive, logger))
    const host = yield* room.connect()
    const entering = yield* Effect.forkChild(room.connect(), { startImmediately: true })
    // What was held is for somebody whom we close meanwhile.
    yield* room.run(Hall.use((hall) => Effect.flatMap(hall.connections(), ([host]) => hall.close(host!.id))))
    assert.strictEqual((yield* host.closed)?.code, 1000)
    yield* Deferred.succeed(gate, undefined)
    const guest = yield* Fiber.join(entering)
    yield* guest.send("anybody?")
    assert.deepStrictEqual(yield* guest.received, ["welcome", "anybody?"])
    assert.deepStrictEqual(logged, [
      ["What a handler did in `open` failed once it was let go", "open", 1]
    ])
  }))

it.effect("how much a client may send at once is for the app to say (NJ-2, PL-4, LC-15)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const heard: Array<number> = []
    const Narrow = Room.make("narrow", { receive: Schema.Int, send: Schema.Int })
    const room = yield* MemoryRoom.make(
      Narrow,
      Narrow.toLayer({
        message: (_, number) =>
          Effect.andThen(number === 0 ? Deferred.await(gate) : Effect.void, Effect.sync(() => heard.push(number)))
      }),
      { frameLines: 2, malformedFrames: 2, mailboxMessages: 1, mailboxBytes: 4 }
    )
    const headers = { "sec-websocket-protocol": "ndjson" }
    const lines = yield* room.connect("/", { headers })
    yield* lines.sendFrame("1\n2\n")
    yield* lines.sendFrame("\n3\n4")
    assert.deepStrictEqual(heard, [1, 2])
    assert.isUndefined(yield* lines.closed)
    yield* lines.sendFrame("x")
    assert.strictEqual((yield* lines.closed)?.code, 4509)
    for (const flood of [[1, 2], [1_000, 2]]) {
      const client = yield* room.connect()
      yield* Effect.forEach(
        [0, ...flood],
        (number) => Effect.forkChild(client.send(number), { startImmediately: true })
      )
      assert.strictEqual((yield* client.closed)?.code, 4009)
    }
    yield* Deferred.succeed(gate, undefined)
  }))

it.effect("a room that declares no error tells nothing of its handlers' (PL-5)", () =>
  Effect.gen(function*() {
    const Shy = Room.make("shy", { receive: Schema.Int, send: Schema.Int })
    const room = yield* MemoryRoom.make(Shy, Shy.toLayer({ message: () => Effect.fail({ secret: "of the room" }) }))
    const client = yield* room.connect()
    yield* client.send(1).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
    const [frame] = yield* client.receivedFrames
    assert.deepInclude(JSON.parse(String(frame)), { _tag: "Error", code: "Internal" })
    assert.notInclude(String(frame), "secret")
  }))
