import { assert, it } from "@effect/vitest"
import * as Limits from "../../src/domain/Limits.ts"

it("tags are accepted up to their bounds, each once (RT-2)", () => {
  const tags = Array.from({ length: 10 }, (_, index) => `${index}`.padEnd(256, "x"))
  assert.deepStrictEqual(Limits.acceptedTags(tags, 32_767), tags)
  assert.deepStrictEqual(Limits.acceptedTags([...tags, ...tags], 0), tags)
  assert.deepStrictEqual(Limits.acceptedTags([], 0), [])
  assert.throws(() => Limits.acceptedTags([...tags, "one more"], 0), /10 tags/)
  assert.throws(() => Limits.acceptedTags(["x".repeat(257)], 0), /256 bytes/)
  assert.throws(() => Limits.acceptedTags(["é".repeat(129)], 0), /256 bytes/)
  assert.throws(() => Limits.acceptedTags([], 32_768), /32768 sockets/)
})

it("an auto-response has at most 2,048 bytes in each direction (CH-5)", () => {
  const most = "x".repeat(2_048)
  assert.deepStrictEqual(Limits.autoResponse(most, most), [most, most])
  assert.throws(() => Limits.autoResponse(`${most}x`, ""), RangeError, "2048")
  assert.throws(() => Limits.autoResponse("", `${most}x`), RangeError, "2048")
  assert.throws(() => Limits.autoResponse("", "é".repeat(1_025)), RangeError)
})

it("a text is as long as its UTF-8 (RT-2)", () => {
  for (const text of ["", "a", "é", "€", "😀", "\ud800", "aé€😀"]) {
    assert.strictEqual(Limits.utf8Bytes(text), Buffer.byteLength(text))
  }
})
