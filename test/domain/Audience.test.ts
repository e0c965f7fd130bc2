import { assert, it } from "@effect/vitest"
import * as Audience from "../../src/domain/Audience.ts"

it("an audience is found by its tag, and everybody without one (BC-1)", () => {
  assert.isUndefined(Audience.toTag(Audience.all))
  assert.strictEqual(Audience.toTag(Audience.user("ada")), "u:ada")
  assert.strictEqual(Audience.toTag(Audience.label("ada")), "l:ada")
})
