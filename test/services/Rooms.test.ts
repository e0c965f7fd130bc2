import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Audience from "../../src/domain/Audience.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as RoomError from "../../src/domain/RoomError.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as RoomsError from "../../src/services/RoomsError.ts"

const Desk = Room.make("desk", {
  receive: Schema.Int,
  send: Schema.Struct({ at: Schema.Date }),
  state: Schema.Struct({ since: Schema.Date }),
  bytes: { receive: Schema.Never, send: Schema.Uint8Array },
  methods: [
    Rpc.make("nothing", {}),
    Rpc.make("tomorrow", {
      payload: Schema.Date,
      success: Schema.Date,
      error: Schema.Struct({ at: Schema.Date })
    })
  ]
})

const id = ConnectionId.ConnectionId.make("0b0f6e3a-9f57-4c3a-8a55-2f3f6c3c9a10")

const at = new Date(0)

// Rooms behind a link that answers as it is told, and what it was asked.
const makeRooms = (answer: string | object) => {
  const asked: Array<readonly [method: string, payload: unknown, trace: string | undefined]> = []
  const fetched: Array<readonly [request: Request, claims: unknown]> = []
  const names: Array<string> = []
  const rooms = Rooms.make(Desk, (name) => {
    names.push(name)
    return {
      call: (method, payload, trace) => {
        asked.push([method, payload === "" ? undefined : JSON.parse(payload), trace])
        return Effect.succeed(typeof answer === "string" ? answer : JSON.stringify(answer))
      },
      fetch: (request, claims) => {
        fetched.push([request, claims])
        return Effect.succeed(new Response())
      }
    }
  })
  return { asked, fetched, names, room: rooms.get("lobby-1") }
}

const reasonOf = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(call), (error) => (error as unknown as RoomsError.RoomsError).reason)

const success = (value?: unknown) => ({ _tag: "Success", value })

it.effect("a call carries what its schemas make of it, and no more (RO-1, RO-3, RO-5)", () =>
  Effect.gen(function*() {
    const { asked, names, room } = makeRooms(success({ delivered: 1, failed: 0 }))
    const message = { at: at.toISOString() }
    assert.deepStrictEqual(yield* room.broadcast({ at }), { delivered: 1, failed: 0 })
    yield* room.broadcast({ at }, { to: Audience.user("ada"), except: [id] })
    yield* room.broadcast(new Uint8Array([1, 2, 3]))
    assert.deepStrictEqual(asked.splice(0), [
      ["broadcast", { message }, undefined],
      ["broadcast", { message, to: { _tag: "User", user: "ada" }, except: [id] }, undefined],
      ["broadcast", { bytes: "AQID" }, undefined]
    ])
    const nothing = makeRooms(success())
    yield* nothing.room.send(id, { at })
    yield* nothing.room.send(id, new Uint8Array([0]))
    yield* Effect.exit(nothing.room.nothing())
    yield* Effect.exit(nothing.room.tomorrow(at))
    assert.deepStrictEqual(nothing.asked.map(([method, payload]) => [method, payload]), [
      ["send", { id, message }],
      ["send", { id, bytes: "AA==" }],
      ["nothing", null],
      ["tomorrow", at.toISOString()]
    ])
    const counts = makeRooms(success(2))
    assert.strictEqual(yield* counts.room.close(id), 2)
    yield* counts.room.close(Audience.label("x"), { code: 4000, reason: "bye" })
    assert.deepStrictEqual(counts.asked.map(([method, payload]) => [method, payload]), [
      ["close", { who: id }],
      ["close", { who: { _tag: "Label", label: "x" }, code: 4000, reason: "bye" }]
    ])
    const none = makeRooms(success([]))
    yield* none.room.connections()
    yield* none.room.connections({ limit: 1, after: id, of: Audience.all })
    assert.deepStrictEqual(none.asked.map(([method, payload]) => [method, payload]), [
      ["connections", {}],
      ["connections", { limit: 1, after: id, of: { _tag: "All" } }]
    ])
    assert.deepStrictEqual(names, ["lobby-1"])
  }))

it.effect("what fits no schema, and a code that no frame carries, is not called (RO-4)", () =>
  Effect.gen(function*() {
    const { asked, room } = makeRooms(success())
    const wrong = { at: "no date" as unknown as Date }
    for (const call of [room.broadcast(wrong), room.send(id, wrong)]) {
      const reason = yield* reasonOf<unknown, RoomsError.RoomsError>(call)
      assert.strictEqual(reason._tag, "InvalidMessage")
      assert.isAbove(reason.message.length, 20)
    }
    const payload = yield* reasonOf(room.tomorrow(wrong.at))
    assert.deepInclude(payload, { _tag: "InvalidPayload", method: "tomorrow" })
    for (const code of [Number.NaN, Infinity, 1006]) {
      assert.deepInclude(yield* reasonOf(room.close(id, { code })), { _tag: "InvalidClose", code, reason: "" })
      assert.deepInclude(yield* reasonOf(room.close(id, { code, reason: "why" })), {
        _tag: "InvalidClose",
        reason: "why"
      })
    }
    assert.deepStrictEqual(asked, [])
  }))

it.effect("a reply that is none of the method's is told as one (RO-7)", () =>
  Effect.gen(function*() {
    for (
      const reply of [
        "",
        "{",
        "null",
        "1",
        `{"_tag":"Other"}`,
        success("none"),
        { _tag: "Failure", error: "none" },
        { _tag: "Refused", reason: { _tag: "Other" } },
        { _tag: "Refused" }
      ]
    ) {
      const { room } = makeRooms(reply)
      const calls = [room.tomorrow(at), room.broadcast({ at }), room.close(id), room.connections()] as const
      for (const call of calls) {
        const reason = yield* reasonOf<unknown, unknown>(call)
        assert.strictEqual(reason._tag, "InvalidReply")
        assert.include(["tomorrow", "broadcast", "close", "connections"], "method" in reason ? reason.method : "")
      }
    }
    // A built-in call has no error of its own.
    const { room } = makeRooms({ _tag: "Failure", error: { at: at.toISOString() } })
    assert.deepStrictEqual(yield* Effect.flip(room.tomorrow(at)), { at })
    assert.strictEqual((yield* reasonOf(room.close(id)))._tag, "InvalidReply")
  }))

it.effect("connections come with states that are decoded, and nothing else beside (RO-2, RO-7)", () =>
  Effect.gen(function*() {
    const connection = { id, labels: ["x"], protocol: "plain", state: { since: at.toISOString() } }
    const { room } = makeRooms(success([connection, { ...connection, user: "ada" }]))
    assert.deepStrictEqual(yield* room.connections(), [
      { id, user: undefined, labels: ["x"], protocol: "plain", state: { since: at } },
      { id, user: "ada", labels: ["x"], protocol: "plain", state: { since: at } }
    ])
    for (const wrong of [{ id: "1" }, { labels: "x" }, { protocol: 1 }, { user: 1 }, { state: { since: "never" } }]) {
      const { room } = makeRooms(success([{ ...connection, ...wrong }]))
      assert.strictEqual((yield* reasonOf(room.connections()))._tag, "InvalidReply")
    }
  }))

it.effect("a request goes on as it is, with what the app says about the client, and the trace of who sends it (TR-2)", () =>
  Effect.gen(function*() {
    const { asked, fetched, room } = makeRooms(success())
    const request = new Request("https://room.invalid/?a=1", { headers: { upgrade: "websocket", "x-own": "1" } })
    yield* room.fetch(request)
    yield* room.fetch(request, { user: "ada" })
    assert.deepStrictEqual(fetched.map(([, claims]) => claims), [{}, { user: "ada" }])
    assert.deepStrictEqual(fetched.map(([given]) => given === request), [true, true])
    const span = Tracer.externalSpan({ traceId: "0123456789abcdef0123456789abcdef", spanId: "0123456789abcdef" })
    const traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    yield* Effect.all([room.fetch(request), Effect.exit(room.send(id, { at }))]).pipe(
      Effect.provideService(Tracer.ParentSpan, span)
    )
    assert.strictEqual(asked[0]?.[2], traceparent)
    const [given] = fetched[2]!
    assert.deepStrictEqual(
      [given.url, given.headers.get("traceparent"), given.headers.get("x-own"), request.headers.get("traceparent")],
      ["https://room.invalid/?a=1", traceparent, "1", null]
    )
  }))

it.effect("a room of a name that no room can have is nowhere (RO-4)", () =>
  Effect.gen(function*() {
    const { names } = makeRooms(success())
    const rooms = Rooms.make(Desk, () => assert.fail("There is no such room"))
    for (const call of [rooms.get("a b").connections(), rooms.get("a b").fetch(new Request("https://room.invalid"))]) {
      const reason = yield* reasonOf<unknown, RoomsError.RoomsError>(call)
      assert.deepInclude(reason, { _tag: "InvalidRoomName", name: "a b" })
      assert.include(reason.message, "1 to 128")
    }
    assert.deepStrictEqual(names, ["lobby-1"])
  }))

it("the rooms of each definition have a key of their own (RM-1)", () => {
  const other = Room.make("other", { receive: Schema.Int, send: Schema.Int })
  assert.notStrictEqual(Rooms.key(Desk).key, Rooms.key(other).key)
  assert.strictEqual(Rooms.key(Desk).key, Rooms.key(Desk).key)
})

const reasons: ReadonlyArray<readonly [reason: RoomsError.RoomsError["reason"], status: number, retryAfter?: string]> =
  [
    [new RoomsError.InvalidRoomName({ name: "a b" }), 400],
    [new RoomError.InvalidClose({ code: 1, reason: "" }), 400],
    [new RoomError.InvalidMessage({ detail: "why" }), 400],
    [new RoomsError.InvalidPayload({ method: "earn", detail: "why" }), 400],
    [new RoomError.UnknownConnection({ connection: id }), 404],
    [new RoomsError.NotReady({ retryAfter: 4 }), 503, "4"],
    [new RoomsError.Overloaded({ room: "lobby", cause: "secret" }), 503, "1"],
    [new RoomsError.Unreachable({ room: "lobby", cause: "secret" }), 503, "1"],
    [new RoomsError.InvalidReply({ method: "earn", detail: "secret" }), 500],
    [new RoomsError.UnknownMethod({ method: "earn" }), 500],
    [new RoomsError.CallFailed({ method: "earn" }), 500],
    [new RoomError.StateTooLarge({ connection: id, limit: 1 }), 500]
  ]

it.effect.each(reasons)(
  "a client over HTTP learns what is its own fault, and of ours nothing: %s (HT-4, AI-6)",
  ([reason, status, retryAfter]) =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const error = new RoomsError.RoomsError({ reason })
      assert.strictEqual(error.message, reason.message)
      const problem = RoomsError.toProblem(error)
      assert.deepStrictEqual([problem.status, problem.headers["retry-after"]], [status, retryAfter])
      if (status < 500) assert.strictEqual(problem.detail, `${reason.message}.`)
      assert.notInclude(problem.detail, "secret")
      const logger = Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))])
      const failure = yield* Effect.flip(RoomsError.toLoggedProblem(error)).pipe(Effect.provide(logger))
      assert.deepStrictEqual([failure.status, failure.detail], [problem.status, problem.detail])
      assert.deepStrictEqual(logged, status < 500 ? [] : [problem.detail])
    })
)

it("what is told of a failure names the room or the method (RO-4, RO-6, RO-7)", () => {
  for (const [reason] of reasons) {
    if ("method" in reason) assert.include(reason.message, reason.method)
    if ("room" in reason) assert.include(reason.message, reason.room)
    if ("detail" in reason) assert.include(reason.message, reason.detail)
  }
})
