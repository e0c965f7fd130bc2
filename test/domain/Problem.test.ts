import { assert, it } from "@effect/vitest"
import * as Problem from "../../src/domain/Problem.ts"

it("a problem tells its type, title, status and detail, and nothing else (WK-3)", () => {
  const problem = Problem.make(403, "Members only.", { "x-why": "because" })
  assert.deepStrictEqual(JSON.parse(JSON.stringify(problem)), {
    type: "about:blank",
    title: "Forbidden",
    status: 403,
    detail: "Members only."
  })
})
