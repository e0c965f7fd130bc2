import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as CloseCode from "../../src/domain/CloseCode.ts"

const Code = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6000 }))

it.prop(
  "a close is answered with what the peer sent where that can be sent, and else with nothing (CL-1)",
  { code: Code, reason: Schema.String },
  ({ code, reason }) => {
    const fits = new TextEncoder().encode(reason).length <= 123
    const sendable = code >= 1000 && code < 5000 && ![1004, 1005, 1006, 1015].includes(code)
    const answer = CloseCode.answer({ code, reason, wasClean: true })
    assert.deepStrictEqual(answer, fits && sendable ? [code, reason] : [])
  }
)

it("a close frame that breaks the protocol is a protocol error, and a reason that fits in none is dropped (CL-3)", () => {
  const received = (code: number, reason: string, wasClean = true) => CloseCode.received({ code, reason, wasClean })
  assert.deepStrictEqual(received(4000, "bye"), { code: 4000, reason: "bye", wasClean: true })
  assert.deepStrictEqual(received(1005, ""), { code: 1005, reason: "", wasClean: true })
  for (const code of [0, 999, 1004, 1006, 1015, 5000]) assert.strictEqual(received(code, "").code, 1002)
  assert.deepStrictEqual(received(4000, "x".repeat(124)), { code: 4000, reason: "", wasClean: true })
  assert.deepStrictEqual(received(1006, "lost", false), { code: 1006, reason: "", wasClean: false })
})

it("nothing but an integer is a close code (CL-4)", () => {
  for (const code of [Number.NaN, Infinity, 1000.5, -1000]) assert.isFalse(CloseCode.isSendable(code))
})

it("a reason of 123 bytes fits in a close frame, one of 124 does not (CL-4)", () => {
  assert.isTrue(CloseCode.isReason("x".repeat(123)))
  assert.isFalse(CloseCode.isReason("x".repeat(124)))
  assert.isFalse(CloseCode.isReason("é".repeat(62)))
})

it("an error of the runtime stands for the code that it names, and else for a connection that broke off (CL-3)", () => {
  const error = (text: string) => CloseCode.fromError(new Error(text)).code
  assert.strictEqual(
    error("WebSocket protocol error; protocolError.statusCode = 1009; protocolError.description = …"),
    1009
  )
  assert.strictEqual(
    error("WebSocket protocol error; protocolError.statusCode = 1002; protocolError.description = …"),
    1002
  )
  assert.strictEqual(error("Network connection lost."), 1006)
  assert.strictEqual(error("protocolError.statusCode = 9999"), 1006)
  assert.strictEqual(CloseCode.fromError(undefined).code, 1006)
})

it("the specification carries the table of close codes (CL-5)", () => {
  const spec = readFileSync(new URL("../../docs/SPEC.md", import.meta.url), "utf8")
  for (const { code, meaning, reconnect } of Object.values(CloseCode.table)) {
    assert.include(spec, `| ${code} | ${reconnect ? "yes" : "no"} | ${meaning} |`)
  }
})

it("of the application's own codes, 4000–4499 ask to reconnect and 4500–4999 ask not to (CL-5)", () => {
  for (const { code, reconnect } of Object.values(CloseCode.table)) {
    if (code >= 4000) assert.strictEqual(reconnect, code < 4500)
  }
})
