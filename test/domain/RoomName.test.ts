import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as RoomName from "../../src/domain/RoomName.ts"

it.prop("a room's name is read from a path as it was written there (WK-2)", { name: RoomName.RoomName }, ({ name }) => {
  assert.strictEqual(RoomName.fromPathSegment(encodeURIComponent(name)), name)
})

it.prop("whatever stands in a path, it is a valid name or none (WK-2)", { text: Schema.String }, ({ text }) => {
  const name = RoomName.fromPathSegment(text)
  if (name !== undefined) assert.match(name, /^[A-Za-z0-9._~-]{1,128}$/)
})

it("names are bounded, and decoded once (WK-2)", () => {
  assert.isDefined(RoomName.fromPathSegment("a".repeat(128)))
  assert.strictEqual(RoomName.fromPathSegment("%41%2D~"), "A-~")
  for (const segment of ["", "a".repeat(129), "a%2Fb", "%", "%zz", "%2541", "a b", "é", "%C3%A9"]) {
    assert.isUndefined(RoomName.fromPathSegment(segment), segment)
  }
})
