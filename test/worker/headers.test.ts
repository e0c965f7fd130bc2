import { assert, it } from "vitest"
import { type Answer, upgrade, useWorker } from "./client.ts"

const worker = useWorker({ API_TOKEN: "the token" })

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
]

const assertPage = ({ headers }: Answer, path: string) => {
  assert.sameMembers(String(headers["content-security-policy"]).split("; "), policy, path)
  assert.strictEqual(headers["x-content-type-options"], "nosniff", path)
  assert.strictEqual(headers["referrer-policy"], "no-referrer", path)
}

it("the page and its files let nothing in that is not theirs (PG-3)", async () => {
  for (const path of ["/", "/?room=lobby", "/app.js", "/style.css", "/inspect/lobby", "/inspect.js"]) {
    const answer = await worker.ask(path)
    assert.strictEqual(answer.status, 200, path)
    assertPage(answer, path)
    assertPage(await worker.ask(path, { method: "HEAD" }), path)
    // What a browser keeps of it keeps its headers, so a 304 needs none.
    const again = await worker.ask(path, { headers: { "if-none-match": String(answer.headers.etag) } })
    assert.strictEqual(again.status, 304, path)
  }
  // The address that a browser is sent on from.
  const sent = await worker.ask("/index.html")
  assert.strictEqual(sent.status, 307)
  assertPage(sent, "/index.html")
  assert.strictEqual((await worker.ask("/_headers")).status, 404)
})

it("no answer of the Worker is taken for anything but what it says (PG-3)", async () => {
  const authorization = "Bearer the token"
  const asked = [
    [200, "GET", "/health", {}],
    [404, "GET", "/nothing", {}],
    [404, "GET", "/nothing.js", {}],
    [405, "POST", "/", {}],
    [400, "GET", "/rooms/a%20b", {}],
    [426, "GET", "/rooms/lobby", {}],
    [400, "GET", `/rooms/lobby?name=${"x".repeat(65)}`, upgrade],
    [200, "GET", "/openapi.json", {}],
    [405, "POST", "/openapi.json", {}],
    [401, "GET", "/api/rooms/lobby/connections", {}],
    [200, "GET", "/api/rooms/lobby/connections", { authorization }],
    [400, "GET", "/api/rooms/a%20b/connections", { authorization }],
    [404, "GET", "/api/nothing", { authorization }],
    [405, "PUT", "/api/rooms/lobby/connections", { authorization }]
  ] as const
  for (const [status, method, path, headers] of asked) {
    const answer = await worker.ask(path, { method, headers })
    assert.strictEqual(answer.status, status, `${method} ${path}`)
    assert.strictEqual(answer.headers["x-content-type-options"], "nosniff", `${method} ${path}`)
    assert.match(String(answer.headers["content-type"]), /^application\/(?:problem\+)?json/, `${method} ${path}`)
  }
})
