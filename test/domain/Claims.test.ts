import { assert, it } from "@effect/vitest"
import * as Claims from "../../src/domain/Claims.ts"

it("a claim is read as it was made, and what nobody claimed is none (ID-6)", () => {
  const claims = { user: "100 % ada, %zz", empty: "" }
  assert.strictEqual(Claims.get({ claims }, "user"), "100 % ada, %zz")
  assert.strictEqual(Claims.get({ claims }, "empty"), "")
  for (const name of ["User", "toString", "__proto__", ""]) assert.isUndefined(Claims.get({ claims }, name))
  assert.isUndefined(Claims.get({ claims: Claims.none }, "user"))
})
