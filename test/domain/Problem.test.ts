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

it("a problem's title is that of its status, and its detail is its message (WK-3)", () => {
  const titles = new Map([
    [400, "Bad Request"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "Not Found"],
    [405, "Method Not Allowed"],
    [409, "Conflict"],
    [413, "Content Too Large"],
    [415, "Unsupported Media Type"],
    [426, "Upgrade Required"],
    [429, "Too Many Requests"],
    [500, "Internal Server Error"],
    [501, "Not Implemented"],
    [503, "Service Unavailable"],
    [418, "Error"]
  ])
  for (const [status, title] of titles) {
    const problem = Problem.make(status, "Why.")
    assert.deepStrictEqual([problem.title, problem.message, problem.headers], [title, "Why.", {}])
  }
})

it("a problem is a response that nobody stores, and nobody takes for anything else (WK-3, PG-3)", async () => {
  const response = Problem.toResponse(Problem.make(405, "Not so.", { allow: "GET", "cache-control": "max-age=1" }))
  assert.strictEqual(response.status, 405)
  assert.deepStrictEqual(Object.fromEntries(response.headers), {
    allow: "GET",
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff"
  })
  assert.deepStrictEqual(await response.json(), {
    type: "about:blank",
    title: "Method Not Allowed",
    status: 405,
    detail: "Not so."
  })
})
