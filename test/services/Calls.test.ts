import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Room from "../../src/services/Room.ts"

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { at: Schema.Date }) {}

const Desk = Room.make("desk", {
  receive: Schema.Int,
  send: Schema.Struct({ at: Schema.Date }),
  state: Schema.Struct({ since: Schema.Date }),
  methods: [
    Rpc.make("nothing", {}),
    Rpc.make("tomorrow", { payload: Schema.Date, success: Schema.Date, error: Wrong }),
    Rpc.make("lie", { success: Schema.Int, error: Wrong })
  ]
})

const at = new Date(0)

const setup = Effect.fnUntraced(function*(
  closing: (room: Room.Service<{ readonly at: Date }, { readonly since: Date }>) => Effect.Effect<unknown, unknown> =
    () => Effect.void
) {
  const logged: Array<Readonly<Record<string, unknown>>> = []
  const log = Logger.layer([
    Logger.make(({ fiber }) => void logged.push({ ...fiber.getRef(References.CurrentLogAnnotations) }))
  ])
  const live = Desk.toLayer(Effect.gen(function*() {
    const room = yield* Desk
    return {
      connect: (request) =>
        Effect.succeed({ state: { since: at }, labels: new URL(request.url).searchParams.getAll("label") }),
      close: () => closing(room),
      methods: {
        nothing: () => Effect.void,
        tomorrow: (date) =>
          date.getTime() < 0
            ? Effect.fail(new Wrong({ at: date }))
            : Effect.succeed(new Date(date.getTime() + 86_400_000)),
        lie: () => Effect.succeed("no number" as never)
      }
    }
  }))
  const room = yield* MemoryRoom.make(Desk, Layer.merge(live, log), { name: "desk-1" })
  const call = (method: string, payload?: unknown) =>
    Effect.map(
      room.call(method, payload === undefined ? "" : JSON.stringify(payload)),
      (reply): unknown => JSON.parse(reply)
    )
  const ids = room.run(Desk.use((room) => Effect.map(room.connections(), (all) => all.map(({ id }) => id))))
  return { room, call, ids, logged }
})

const success = (value?: unknown) => value === undefined ? { _tag: "Success" } : { _tag: "Success", value }

const reasonOf = (reply: unknown) => (reply as { readonly reason?: { readonly _tag: string } }).reason?._tag

it.effect("a method's payload, its value and its error travel as their schemas encode them (RO-5)", () =>
  Effect.gen(function*() {
    const { call, logged } = yield* setup()
    assert.deepStrictEqual(yield* call("tomorrow", at.toISOString()), success("1970-01-02T00:00:00.000Z"))
    assert.deepStrictEqual(yield* call("tomorrow", "1969-01-01T00:00:00.000Z"), {
      _tag: "Failure",
      error: { _tag: "Wrong", at: "1969-01-01T00:00:00.000Z" }
    })
    assert.deepStrictEqual(yield* call("nothing", null), success(null))
    assert.deepStrictEqual(logged, [])
  }))

it.effect("what is no call of the room is refused, whatever its name (RO-6, RO-7)", () =>
  Effect.gen(function*() {
    const { call, logged, room } = yield* setup()
    for (const method of ["missing", "", "toString", "constructor", "__proto__", "hasOwnProperty"]) {
      assert.deepStrictEqual(yield* call(method), { _tag: "Refused", reason: { _tag: "UnknownMethod", method } })
    }
    const invalid = yield* call("tomorrow", "no date") as Effect.Effect<any>
    assert.deepInclude(invalid.reason, { _tag: "InvalidPayload", method: "tomorrow" })
    assert.isAbove(invalid.reason.detail.length, 0)
    assert.deepStrictEqual(logged, [])
    assert.strictEqual(reasonOf(yield* call("tomorrow")), "InvalidPayload")
    // What the schemas refuse is no answer, and what is no JSON no payload.
    const failed = (method: string) => ({ _tag: "Refused", reason: { _tag: "CallFailed", method } })
    assert.deepStrictEqual(yield* call("lie", null), failed("lie"))
    assert.deepStrictEqual(JSON.parse(yield* room.call("nothing", "{")), failed("nothing"))
    assert.deepStrictEqual(yield* call("send", null), failed("send"))
    assert.deepStrictEqual(logged, ["lie", "nothing", "send"].map((method) => ({ event: "call", method })))
  }))

it.effect("what every room answers takes messages and gives states as their schemas encode them (RO-1, RO-2, RO-4)", () =>
  Effect.gen(function*() {
    const { call, ids, room } = yield* setup()
    const ada = yield* room.connect("/?label=x")
    const bob = yield* room.connect()
    const [first, second] = yield* ids
    const message = { at: at.toISOString() }
    assert.deepStrictEqual(yield* call("broadcast", { message }), success({ delivered: 2, failed: 0 }))
    assert.deepStrictEqual(
      yield* call("broadcast", { message, to: Audience.label("x") }),
      success({ delivered: 1, failed: 0 })
    )
    assert.deepStrictEqual(yield* call("broadcast", { message, except: [first] }), success({ delivered: 1, failed: 0 }))
    assert.strictEqual(((yield* call("send", { id: second, message })) as { _tag: string })._tag, "Success")
    assert.deepStrictEqual([(yield* ada.received).length, yield* bob.received], [2, [{ at }, { at }, { at }]])
    assert.deepStrictEqual(
      yield* call("connections", { limit: 1 }),
      success([{
        id: first,
        labels: ["x"],
        protocol: "plain",
        state: { since: at.toISOString() }
      }])
    )
    for (const carried of [{ message: { at: "no date" } }, { message: 1 }, { bytes: "AAAA" }]) {
      for (const reply of [yield* call("broadcast", carried), yield* call("send", { id: second, ...carried })]) {
        assert.strictEqual(reasonOf(reply), "InvalidMessage")
      }
    }
    assert.deepStrictEqual([yield* ada.received, yield* bob.received], [[], []])
  }))

it.effect("who has left while others were closed is no failure, and is not counted (RO-3)", () =>
  Effect.gen(function*() {
    const { call, ids, logged, room } = yield* setup((room) =>
      Effect.flatMap(
        room.connections(),
        (all) => Effect.forEach(all, ({ id }) => Effect.ignore(room.close(id, { code: 4001 })))
      )
    )
    const clients = yield* Effect.replicateEffect(room.connect(), 3)
    assert.deepStrictEqual(yield* call("close", { who: Audience.all, code: 4000, reason: "bye" }), success(1))
    const closes = yield* Effect.forEach(clients, (client) => client.closed)
    assert.sameMembers(closes.map((close) => close!.code), [4000, 4001, 4001])
    assert.strictEqual(closes.find((close) => close?.code === 4000)?.reason, "bye")
    assert.deepStrictEqual(yield* ids, [])
    assert.deepStrictEqual(logged, [])
    assert.deepStrictEqual(yield* call("close", { who: Audience.all }), success(0))
  }))

it.effect("a close that fits in no frame closes nobody of an audience (RO-4)", () =>
  Effect.gen(function*() {
    const { call, ids, room } = yield* setup()
    yield* Effect.replicateEffect(room.connect(), 2)
    const [first] = yield* ids
    for (const who of [Audience.all, first]) {
      assert.deepInclude(
        (yield* call("close", { who, code: 4000, reason: "x".repeat(124) }) as Effect.Effect<any>).reason,
        {
          _tag: "InvalidClose",
          code: 4000
        }
      )
    }
    assert.strictEqual((yield* ids).length, 2)
    assert.deepStrictEqual(yield* call("close", { who: first }), success(1))
    assert.strictEqual(reasonOf(yield* call("close", { who: first })), "UnknownConnection")
  }))

it.effect("what the runtime said of a failure stays in the room (RO-4, BC-2)", () =>
  Effect.gen(function*() {
    const { call, ids, room } = yield* setup()
    yield* room.connect()
    const [id] = yield* ids
    const socket = yield* room.run(
      ConnectionRegistry.ConnectionRegistry.use((registry) => registry.find(id as ConnectionId.ConnectionId))
    )
    Object.defineProperty(socket, "send", {
      value: () => {
        throw new Error("the secret of the runtime")
      }
    })
    const reply = yield* call("send", { id, message: { at: at.toISOString() } })
    assert.deepStrictEqual(reply, { _tag: "Refused", reason: { _tag: "SendFailed", connection: id, cause: null } })
    assert.notInclude(JSON.stringify(reply), "secret")
  }))
