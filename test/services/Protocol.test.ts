import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/domain/Limits.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Plain from "../../src/services/Plain.ts"
import * as Protocol from "../../src/services/Protocol.ts"
import * as Room from "../../src/services/Room.ts"

it("the lines of a frame are counted with the empty ones, and a last line break begins none (NJ-2)", () => {
  for (
    const [frame, limit, lines] of [
      ["", 0, []],
      ["", 1, []],
      ["a", 1, ["a"]],
      ["a", 0, undefined],
      ["a\n", 1, ["a"]],
      ["a\nb", 2, ["a", "b"]],
      ["a\nb", 1, undefined],
      ["a\nb\n", 2, ["a", "b"]],
      ["a\n\n", 1, undefined],
      ["\n\na\n\n", 4, ["a"]],
      ["\n\na\n\n", 3, undefined],
      ["a\n\nb", 3, ["a", "b"]],
      ["\n", 1, []]
    ] as const
  ) assert.deepStrictEqual(Protocol.lines(frame, limit), lines as ReadonlyArray<string> | undefined, frame)
})

it("a room speaks by the schemas of its definition alone, which are compiled once (PL-1)", () => {
  const make = () => Room.make("same", { receive: Schema.Int, send: Schema.Int })
  const [one, two] = [make(), make()]
  assert.strictEqual(Plain.make(one), Plain.make(one))
  assert.notStrictEqual(Plain.make(one), Plain.make(two))
})

it("who is refused is told the place and what was expected there, in at most 512 characters (PL-1)", () => {
  const protocol = Plain.make(
    Room.make("long", {
      receive: Schema.Struct({ name: Schema.String.check(Schema.makeFilter(() => "x".repeat(2_000))) }),
      send: Schema.Int
    })
  )
  const reject = (frame: Protocol.Received) => Result.getOrThrow(Result.flip(protocol.decode(frame, Limits.client)))
  const short = reject(`{"name":1}`)
  assert.strictEqual(short.code, "InvalidMessage")
  assert.include(short.message, "name")
  assert.strictEqual(reject(`{"name":"a"}`).message.length, 512)
  assert.strictEqual(reject("{").code, "InvalidMessage")
  assert.strictEqual(reject(new ArrayBuffer(1)).code, "UnsupportedFrame")
})

it("an error of the room's is told where it declares one, and what fits no schema is not (PL-5)", () => {
  const protocol = Plain.make(
    Room.make("declares", { receive: Schema.Int, send: Schema.Int, error: Schema.Struct({ at: Schema.Date }) })
  )
  assert.deepStrictEqual(protocol.refusal({ at: new Date(0) }), {
    code: "Refused",
    message: "The room refused this message.",
    error: { at: "1970-01-01T00:00:00.000Z" }
  })
  assert.isUndefined(protocol.refusal({ at: 0 }))
  assert.isUndefined(protocol.refusal("no"))
  const silent = Plain.make(Room.make("silent", { receive: Schema.Int, send: Schema.Int }))
  assert.isUndefined(silent.refusal({ at: new Date(0) }))
  const text = Plain.make(Room.make("text", { format: "text", receive: Schema.String, send: Schema.String }))
  assert.isUndefined(text.refusal("no"))
})

it.effect("a text and a binary room close on what they cannot answer, and go on where a handler fails (PL-3, LC-4)", () =>
  Effect.gen(function*() {
    const text = Plain.make(Room.make("text", { format: "text", receive: Schema.String, send: Schema.String }))
    assert.deepStrictEqual(text.negotiate(["ndjson"]), { protocol: "plain" })
    assert.deepInclude(text.complain({ code: "UnsupportedFrame", message: "why" }), {
      _tag: "Close",
      code: 1003,
      reason: "why"
    })
    assert.deepInclude(text.complain({ code: "InvalidMessage", message: "why" }), { _tag: "Close", code: 1007 })
    for (const code of ["Internal", "Refused"] as const) {
      assert.deepStrictEqual(text.complain({ code, message: "" }), { _tag: "Nothing" })
    }
    const Texts = Room.make("texts", { format: "text", receive: Schema.Literal("a"), send: Schema.String })
    const Bytes = Room.make("bytes", { format: "binary", receive: Schema.Uint8Array, send: Schema.Uint8Array })
    const texts = yield* MemoryRoom.make(Texts, Texts.toLayer({}))
    const bytes = yield* MemoryRoom.make(Bytes, Bytes.toLayer({}))
    const reason = Effect.fnUntraced(function*(
      client: MemoryRoom.Client<never, never> | MemoryRoom.Client<any, any>,
      frame: Protocol.Received
    ) {
      yield* client.sendFrame(frame)
      return (yield* client.closed)?.reason
    })
    assert.strictEqual(yield* reason(yield* texts.connect(), new ArrayBuffer(1)), "This room takes text frames.")
    assert.strictEqual(yield* reason(yield* bytes.connect(), "a"), "This room takes binary frames.")
    assert.strictEqual(yield* reason(yield* texts.connect(), "b"), "The frame does not fit the room.")
    // It answers no `ping` by itself.
    assert.strictEqual(yield* reason(yield* texts.connect(), "ping"), "The frame does not fit the room.")
  }))

it("what a JSON room tells the sender of a frame that it refuses is an `Error` with one of its codes (PL-1, PL-5)", () => {
  const isError = Schema.is(Plain.Error)
  const protocol = Plain.make(Room.make("tells", { receive: Schema.Int, send: Schema.Int }))
  for (const code of ["InvalidMessage", "UnsupportedFrame", "Refused", "NotReady", "Internal"] as const) {
    const complaint = protocol.complain({ code, message: "why", error: 1 })
    const told: unknown = complaint._tag === "Frame" ? JSON.parse(String(complaint.frame)) : undefined
    assert.deepStrictEqual(told, { _tag: "Error", code, message: "why", error: 1 })
    assert.isTrue(isError(told), code)
  }
  for (const other of [{ code: "", message: "" }, { code: "Internal" }, { message: "" }]) {
    assert.isFalse(isError({ _tag: "Error", ...other }))
  }
  assert.isFalse(isError({ _tag: "", code: "Internal", message: "" }))
})

it("the first subprotocol that is offered and known is answered, and nothing else (NJ-1)", () => {
  const json = Plain.make(Room.make("json", { receive: Schema.String, send: Schema.String }))
  const text = Plain.make(Room.make("text", { format: "text", receive: Schema.String, send: Schema.String }))
  const plain = { protocol: "plain", subprotocol: "plain" }
  const ndjson = { protocol: "ndjson", subprotocol: "ndjson" }
  for (
    const [offered, inJson, inText] of [
      [[], { protocol: "plain" }, { protocol: "plain" }],
      [["bearer", "a.b.c"], { protocol: "plain" }, { protocol: "plain" }],
      [["bearer", "a.b.c", "plain"], plain, plain],
      [["plain", "ndjson"], plain, plain],
      [["ndjson", "plain"], ndjson, plain],
      [["Plain", "NDJSON", ""], { protocol: "plain" }, { protocol: "plain" }]
    ] as const
  ) {
    assert.deepStrictEqual(json.negotiate(offered), inJson)
    assert.deepStrictEqual(text.negotiate(offered), inText)
  }
})

it("an answer repeats no value, and no key that the client has chosen (PL-1)", () => {
  const protocol = Plain.make(
    Room.make("open", {
      receive: Schema.Struct({ declared: Schema.Record(Schema.String, Schema.Struct({ inner: Schema.Int })) }),
      send: Schema.String
    })
  )
  const answers = ["value", { value: 1 }, { inner: "value" }, { inner: { value: 1 } }].map((value) =>
    Result.getOrThrow(
      Result.flip(protocol.decode(JSON.stringify({ declared: { "a secret key": value } }), Limits.client))
    ).message
  )
  for (const answer of answers) {
    assert.notMatch(answer, /secret|value/)
    assert.include(answer, `["declared"]["…"]`)
  }
  assert.include(answers[2], `["inner"]`)
})
