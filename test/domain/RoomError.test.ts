import { assert, it } from "@effect/vitest"
import * as RoomError from "../../src/domain/RoomError.ts"

const connection = "0b0f6e3a-9f57-4c3a-8a55-2f3f6c3c9a10"

const reasons: ReadonlyArray<readonly [reason: RoomError.Reason, names: ReadonlyArray<string>]> = [
  [new RoomError.UnidentifiedSocket({ tags: "x, y" }), ["tags"]],
  [new RoomError.UnknownConnection({ connection }), [connection]],
  [new RoomError.TooManyTags({ count: 12, limit: 10 }), ["10", "12"]],
  [new RoomError.TagTooLong({ tag: `u:${"x".repeat(300)}`, bytes: 302, limit: 256 }), ["256", "302: u:…"]],
  [new RoomError.StateTooLarge({ connection, limit: 16_384 }), ["16384"]],
  [new RoomError.InvalidState({ connection, detail: "Expected a number" }), ["Expected a number"]],
  [new RoomError.NotAccepted({ connection, cause: "secret" }), ["socket"]],
  [new RoomError.SendFailed({ connection, cause: "secret" }), ["frame"]],
  [new RoomError.InvalidClose({ code: 999, reason: "x".repeat(124) }), ["999", "124"]],
  [new RoomError.InvalidMessage({ detail: "Expected a number" }), ["Expected a number"]]
]

it("an error says what its reason is about, in few words, and nothing of the runtime's (RO-4)", () => {
  for (const [reason, names] of reasons) {
    const { message } = RoomError.make(reason)
    assert.strictEqual(message, reason.message)
    for (const name of names) assert.include(message, name)
    assert.isBelow(message.length, 130)
    assert.notInclude(message, "secret")
  }
})
