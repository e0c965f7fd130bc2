import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRuntime from "../../src/memory/MemoryRuntime.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Lifecycle from "../../src/services/Lifecycle.ts"
import * as Room from "../../src/services/Room.ts"
import * as Sockets from "../../src/services/Sockets.ts"
import * as Storage from "../../src/services/Storage.ts"

const ndjson = { headers: { "sec-websocket-protocol": "ndjson" } }

const Numbers = Room.make("numbers", { receive: Schema.Int, send: Schema.Union([Schema.Int, Schema.String]) })

type Numbers = Room.Service<number | string, undefined>

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

/** Keeps what is logged: the message, its level, and the annotations. */
const makeLog = () => {
  const lines: Array<readonly [message: string, level: string, annotations: Readonly<Record<string, unknown>>]> = []
  const layer = Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      lines.push([String(message), logLevel, { ...fiber.getRef(References.CurrentLogAnnotations) }])
    })
  ])
  return { lines, layer }
}

const codeOf = (frame: unknown) => JSON.parse(String(frame)).code

it.effect("a frame whose lines are all right is forgiveness, one with a wrong line is none (PL-4, NJ-2)", () =>
  Effect.gen(function*() {
    const heard: Array<number> = []
    const room = yield* MemoryRoom.make(
      Numbers,
      Numbers.toLayer({ message: (_, number) => Effect.sync(() => heard.push(number)) }),
      { malformedFrames: 3 }
    )
    const client = yield* room.connect("/", ndjson)
    for (const frame of ["x", "1\nx", "2\n3", "x\n4", "x", "5", "x", "y\n6\nz"]) yield* client.sendFrame(frame)
    assert.isUndefined(yield* client.closed)
    assert.strictEqual((yield* client.receivedFrames).join("\n").split("\n").length, 6)
    yield* client.sendFrame("7\nx\n8")
    assert.strictEqual((yield* client.closed)?.code, 4509)
    assert.deepStrictEqual((yield* client.receivedFrames).map(codeOf), ["InvalidMessage"])
    assert.deepStrictEqual(heard, [1, 2, 3, 4, 5, 6, 7])
  }))

it.effect("the event in which a connection is closed ends once its close handler has (LC-6, LC-15)", () =>
  Effect.gen(function*() {
    for (const order of ["connection", "none"] as const) {
      const Door = Room.make("door", { receive: Schema.Int, send: Schema.Int, order })
      const gate = yield* Deferred.make<void>()
      const left = yield* Deferred.make<void>()
      const room = yield* MemoryRoom.make(
        Door,
        Door.toLayer(Effect.gen(function*() {
          const room = yield* Door
          return {
            message: ({ id }, number) => number === 0 ? Deferred.await(gate) : room.close(id, { code: 4000 }),
            close: () => Deferred.await(left)
          }
        })),
        { mailboxMessages: 1 }
      )
      const [closes, floods] = [yield* room.connect(), yield* room.connect()]
      const closing = yield* fork(closes.send(1))
      assert.strictEqual((yield* closes.closed)?.code, 4000)
      const flood = yield* Effect.forEach([0, 0, 0], (number) => fork(floods.send(number)))
      assert.strictEqual((yield* floods.closed)?.code, 4009)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.replicateEffect(Effect.yieldNow, 10)
      assert.deepStrictEqual([closing, ...flood].map((fiber) => fiber.pollUnsafe()), Array(4).fill(undefined))
      yield* Deferred.succeed(left, undefined)
      yield* Effect.forEach([closing, ...flood], Fiber.join)
    }
  }))

it.effect("what a fiber of open does once the newcomer is in, is held no more (LC-7)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const seen: Array<unknown> = []
    const room = yield* MemoryRoom.make(
      Numbers,
      Numbers.toLayer(Effect.gen(function*() {
        const room = yield* Numbers
        return {
          open: Effect.fnUntraced(function*({ id }) {
            const later = Effect.gen(function*() {
              yield* Deferred.await(gate)
              seen.push(yield* room.broadcast(2))
              yield* room.send(id, 3)
              yield* room.close(id, { code: 4000 })
              seen.push(yield* room.count())
            })
            seen.push(yield* room.broadcast(1))
            yield* Effect.forkDetach(later)
          })
        }
      }))
    )
    const client = yield* room.connect()
    assert.deepStrictEqual(yield* client.received, [])
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.replicateEffect(Effect.yieldNow, 10)
    assert.deepStrictEqual(yield* client.received, [2, 3])
    assert.strictEqual((yield* client.closed)?.code, 4000)
    assert.deepStrictEqual(seen, [{ delivered: 0, failed: 0 }, { delivered: 1, failed: 0 }, 0])
  }))

it.effect("who fails in open, or is interrupted there, is not to be found any more, and cannot be sent to (LC-2)", () =>
  Effect.gen(function*() {
    const { layer, lines } = makeLog()
    const ids: Array<ConnectionId.ConnectionId> = []
    const room = yield* MemoryRoom.make(
      Numbers,
      Layer.merge(
        Numbers.toLayer({
          open: ({ id }) =>
            Effect.andThen(
              Effect.sync(() => ids.push(id)),
              Effect.suspend((): Effect.Effect<never, unknown> =>
                ids.length === 1 ? Effect.fail("no") : ids.length === 2 ? Effect.never : Problem.make(409, "Not now.")
              )
            )
        }),
        layer
      )
    )
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 500)
    const waits = yield* fork(room.connect())
    yield* Fiber.interrupt(waits)
    // Its answer is its own, and nothing to log.
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 409)
    assert.strictEqual(ids.length, 3)
    for (const id of ids) {
      const find = ConnectionRegistry.ConnectionRegistry.use((registry) => registry.find(id))
      assert.strictEqual((yield* Effect.flip(room.run(find))).reason._tag, "UnknownConnection")
    }
    assert.deepStrictEqual(lines[0], ["The room's handler failed", "Error", { event: "open", connection: ids[0] }])
    assert.notInclude(lines.map(([, , annotations]) => annotations["connection"]), ids[2])
  }))

it.effect("each failure is logged once, with its event and its connection (LC-4)", () =>
  Effect.gen(function*() {
    const { layer, lines } = makeLog()
    const room = yield* MemoryRoom.make(
      Numbers,
      Layer.merge(
        Numbers.toLayer({
          connect: (request) => request.url.endsWith("/fail") ? Effect.die("broken") : Effect.succeed({}),
          message: () => Effect.fail("broken"),
          close: () => Effect.fail("broken")
        }),
        layer
      )
    )
    assert.strictEqual((yield* Effect.flip(room.connect("/fail"))).status, 500)
    const [client, other] = [yield* room.connect(), yield* room.connect()]
    const [first, second] = yield* room.run(Numbers.use((room) => room.connections()))
    yield* client.send(1)
    yield* client.close(1000)
    yield* other.violate(1002)
    assert.deepStrictEqual(lines.map(([, level, annotations]) => [level, annotations]), [
      ["Error", { event: "connect" }],
      ["Error", { event: "message", connection: first!.id }],
      ["Error", { event: "close", connection: first!.id }],
      ["Error", { event: "close", connection: second!.id }]
    ])
  }))

it.effect("an event of a socket that is no connection fails nothing, and is logged (ID-4, LC-4)", () =>
  Effect.gen(function*() {
    const { layer, lines } = makeLog()
    const room = yield* MemoryRoom.make(Numbers, Layer.merge(Numbers.toLayer({}), layer))
    const runtime = yield* room.run(MemoryRuntime.MemoryRuntime)
    const sockets = yield* room.run(Sockets.Sockets)
    const stranger = () => {
      const [, socket] = runtime.connect()
      sockets.accept(socket, ["x"])
      return socket
    }
    yield* room.run(Lifecycle.Lifecycle.use((lifecycle) =>
      Effect.gen(function*() {
        yield* lifecycle.message(stranger(), "1")
        yield* lifecycle.message(stranger(), "x")
        yield* lifecycle.close(stranger(), { code: 1000, reason: "", wasClean: true })
        yield* lifecycle.error(stranger(), new Error("lost"))
      })
    ))
    assert.deepStrictEqual(lines.map(([, , annotations]) => annotations), [
      { event: "message" },
      { event: "close" },
      { event: "error" },
      // The peer's answer, where one was closed.
      { event: "close" }
    ])
  }))

it.effect("a close of ours is 1000 and says nothing, unless it is told; one that fits in no frame names itself (CL-4)", () =>
  Effect.gen(function*() {
    const left: Array<unknown> = []
    const room = yield* MemoryRoom.make(
      Numbers,
      Numbers.toLayer({ close: (_, close) => Effect.sync(() => left.push(close)) })
    )
    const clients = yield* Effect.replicateEffect(room.connect(), 2)
    yield* room.run(Numbers.use((room) =>
      Effect.gen(function*() {
        const [first, second] = yield* room.connections()
        yield* room.close(first!.id)
        const invalid = yield* Effect.flip(room.close(second!.id, { code: 5, reason: "why" }))
        assert.deepInclude(invalid.reason, { _tag: "InvalidClose", code: 5, reason: "why" })
        yield* room.close(second!.id, { reason: "x".repeat(123) })
      })
    ))
    const closes = ["", "x".repeat(123)].map((reason) => ({ code: 1000, reason, wasClean: true }))
    assert.deepStrictEqual(yield* Effect.forEach(clients, (client) => client.closed), closes)
    assert.deepStrictEqual(left, closes)
  }))

it.effect("a close is answered where its frame came, and not where the connection broke off (CL-1, CL-2)", () =>
  Effect.gen(function*() {
    const closed: Array<ReadonlyArray<unknown>> = []
    const left: Array<unknown> = []
    const Watching = Layer.effect(
      Sockets.Sockets,
      Effect.map(Sockets.Sockets, (sockets) => ({
        ...sockets,
        accept: (socket: Sockets.Socket, tags: ReadonlyArray<string>) => {
          sockets.accept(socket, tags)
          const close = socket.close.bind(socket)
          Object.assign(socket, {
            close: (...given: ReadonlyArray<unknown>) => {
              closed.push(given)
              close(...given as [])
            }
          })
        }
      }))
    )
    const Live = Numbers.toLayer({ close: (_, { code, wasClean }) => Effect.sync(() => left.push([code, wasClean])) })
    const room = yield* MemoryRoom.make(Numbers, Layer.provideMerge(Live, Watching))
    yield* (yield* room.connect()).close(4000, "bye")
    yield* (yield* room.connect()).drop
    yield* (yield* room.connect()).close()
    assert.deepStrictEqual(closed.map(([code]) => code), [4000, undefined])
    assert.deepStrictEqual(left, [[4000, true], [1006, false], [1005, true]])
  }))

it.effect("the lines of a frame are handled one after the other, and a frame of nothing is no message (LC-3, PL-1)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const began: Array<number> = []
    const room = yield* MemoryRoom.make(
      Numbers,
      Numbers.toLayer({
        message: (_, number) =>
          Effect.andThen(Effect.sync(() => began.push(number)), number === 0 ? Deferred.await(gate) : Effect.void)
      })
    )
    const client = yield* room.connect("/", ndjson)
    const sending = yield* fork(client.sendFrame("0\n1\n2"))
    assert.deepStrictEqual(began, [0])
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(sending)
    assert.deepStrictEqual(began, [0, 1, 2])
    yield* client.sendFrame("\n")
    assert.deepStrictEqual(yield* client.receivedFrames, [])
    yield* client.sendFrame("")
    assert.deepStrictEqual((yield* client.receivedFrames).map(codeOf), ["InvalidMessage"])
  }))

it.effect("a handler that dies is no refusal, whatever the room's errors are (PL-5)", () =>
  Effect.gen(function*() {
    const Mild = Room.make("mild", {
      receive: Schema.Literals(["die", "fail"]),
      send: Schema.Int,
      error: Schema.Undefined
    })
    const room = yield* MemoryRoom.make(
      Mild,
      Mild.toLayer({ message: (_, how) => how === "die" ? Effect.die("broken") : Effect.fail(undefined) })
    )
    const client = yield* room.connect()
    yield* client.send("die").pipe(Effect.provideService(References.MinimumLogLevel, "None"))
    yield* client.send("fail")
    assert.deepStrictEqual((yield* client.receivedFrames).map(codeOf), ["Internal", "Refused"])
  }))

it.effect("where a connection that we close cannot be forgotten, that is logged (LC-4, LC-6)", () =>
  Effect.gen(function*() {
    const { layer, lines } = makeLog()
    const room = yield* MemoryRoom.make(Numbers, Layer.merge(Numbers.toLayer({}), layer))
    const client = yield* room.connect()
    yield* room.run(Effect.gen(function*() {
      const registry = yield* ConnectionRegistry.ConnectionRegistry
      const [connection] = yield* registry.list()
      Object.defineProperty(yield* registry.find(connection!.id), "serializeAttachment", {
        value: () => {
          throw new Error("broken")
        }
      })
      yield* Numbers.use((room) => room.close(connection!.id))
      yield* Effect.yieldNow
      assert.deepStrictEqual(lines, [
        ["The room's handler failed", "Error", { event: "close", connection: connection!.id }]
      ])
    }))
    assert.strictEqual((yield* client.closed)?.code, 1000)
  }))

it.effect("in a room without an order the lines of a frame overlap, and messages that wait for each other end (LC-3)", () =>
  Effect.gen(function*() {
    const Loose = Room.make("loose", { receive: Schema.Int, send: Schema.Int, order: "none" })
    const gate = yield* Deferred.make<void>()
    const seen: Array<number> = []
    const room = yield* MemoryRoom.make(
      Loose,
      Loose.toLayer({
        message: (_, number) =>
          Effect.andThen(
            number === 3 ? Deferred.succeed(gate, undefined) : Deferred.await(gate),
            Effect.sync(() => seen.push(number))
          )
      })
    )
    const client = yield* room.connect("/", ndjson)
    const first = yield* fork(client.sendFrame("1\n2"))
    assert.deepStrictEqual(seen, [])
    assert.isUndefined(first.pollUnsafe())
    yield* client.sendFrame("1\n3")
    yield* Fiber.join(first)
    assert.sameMembers(seen, [3, 1, 1, 2])
  }))

it.effect("bytes that wait count as many as they are, and texts their UTF-16 units (LC-15)", () =>
  Effect.gen(function*() {
    const Bytes = Room.make("bytes", {
      receive: Schema.String,
      send: Schema.Int,
      bytes: { receive: Schema.Uint8Array, send: Schema.Uint8Array }
    })
    const gate = yield* Deferred.make<void>()
    const room = yield* MemoryRoom.make(Bytes, Bytes.toLayer({ message: () => Deferred.await(gate) }), {
      mailboxBytes: 8
    })
    for (const frame of [() => `"éé"`, () => new ArrayBuffer(4)]) {
      const client = yield* room.connect()
      const send = (frame: string | ArrayBuffer) => fork(client.sendFrame(frame))
      // One runs, two wait, and then there is no room for another.
      for (let index = 0; index < 3; index++) yield* send(frame())
      assert.isUndefined(yield* client.closed)
      yield* send(new ArrayBuffer(1))
      assert.strictEqual((yield* client.closed)?.code, 4009)
    }
    yield* Deferred.succeed(gate, undefined)
  }))

it.effect("what a request asks for is read as headers are written (LC-10, NJ-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Numbers, Numbers.toLayer({}))
    const [, socket] = (yield* room.run(MemoryRuntime.MemoryRuntime)).connect()
    const connect = (headers: Readonly<Record<string, string>>) =>
      room.run(Lifecycle.Lifecycle.use((lifecycle) =>
        lifecycle.connect({
          method: "GET",
          url: "https://room.invalid/",
          headers: { get: (name) => headers[name] ?? null },
          claims: {}
        }, socket)
      ))
    const problem = yield* Effect.flip(connect({}))
    assert.deepInclude(problem, { status: 426 })
    assert.deepStrictEqual({ ...problem.headers }, { upgrade: "websocket", connection: "Upgrade" })
    assert.deepStrictEqual(
      yield* connect({ upgrade: "WebSocket", "sec-websocket-protocol": "chat,  ndjson ,other" }),
      { subprotocol: "ndjson" }
    )
    const [connection] = yield* room.run(Numbers.use((room) => room.connections()))
    assert.strictEqual(connection?.protocol, "ndjson")
  }))

it.effect("what the building of a layer is about stays there: handlers have another scope (AP-3)", () =>
  Effect.gen(function*() {
    const keys = [Scope.Scope.key, Layer.CurrentMemoMap.key]
    const seen: Array<ReadonlyArray<unknown>> = []
    const look = Effect.map(Effect.context<never>(), ({ mapUnsafe }) => {
      seen.push(keys.map((key) => mapUnsafe.get(key)))
    })
    const room = yield* MemoryRoom.make(
      Numbers,
      Numbers.toLayer(Effect.as(look, { message: () => look })).pipe(Layer.provideMerge(Layer.effectDiscard(look)))
    )
    yield* (yield* room.connect()).send(1)
    yield* room.run(look)
    assert.strictEqual(seen.length, 4)
    for (const [index] of keys.entries()) {
      const [beside, built, handler, outside] = seen.map((found) => found[index])
      assert.isDefined(built)
      assert.notInclude([beside, built], handler)
      assert.notInclude([beside, built], outside)
    }
  }))

it.effect("who is closed twice in a transaction has one close, and its event ends after that (LC-6, LC-15)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const told: Array<string> = []
    const room = yield* MemoryRoom.make(
      Numbers,
      Numbers.toLayer(Effect.gen(function*() {
        const room = yield* Numbers
        return {
          message: ({ id }) => Storage.transaction(Effect.andThen(room.close(id), room.close(id))),
          close: () => Effect.andThen(Deferred.await(gate), Effect.sync(() => void told.push("close")))
        }
      }))
    )
    const sending = yield* fork((yield* room.connect()).send(1))
    yield* Effect.replicateEffect(Effect.yieldNow, 10)
    assert.isUndefined(sending.pollUnsafe())
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(sending)
    assert.deepStrictEqual(told, ["close"])
  }))
