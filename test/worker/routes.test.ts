import { PartySocket } from "partysocket"
import { assert, it } from "vitest"
import { type Answer, server, upgrade, useWorker, type Welcome, within } from "./client.ts"

const worker = useWorker()

/** That an answer is a problem document, with the four members and nothing else. */
const assertProblem = (
  { body, headers, status }: Answer,
  expected: { readonly status: number; readonly title: string }
) => {
  assert.strictEqual(status, expected.status)
  assert.strictEqual(headers["content-type"]?.split(";")[0], "application/problem+json")
  const problem = JSON.parse(body)
  assert.deepStrictEqual(Object.keys(problem).toSorted(), ["detail", "status", "title", "type"])
  assert.strictEqual(problem.status, expected.status)
  assert.strictEqual(problem.title, expected.title)
  assert.isString(problem.type)
  assert.isAbove(problem.detail.length, 0)
  // Neither a frame of a stack nor the name of a file.
  assert.notMatch(body, /\bat .*[(/:]|\.(?:ts|js|mjs)\b/)
}

const badRequest = { status: 400, title: "Bad Request" }
const notFound = { status: 404, title: "Not Found" }
const methodNotAllowed = { status: 405, title: "Method Not Allowed" }
const upgradeRequired = { status: 426, title: "Upgrade Required" }

it.runIf(server === "worker")("the page is served at the root (WK-1)", async () => {
  const { body, headers, status } = await worker.ask("/")
  assert.strictEqual(status, 200)
  assert.strictEqual(headers["content-type"]?.split(";")[0], "text/html")
  assert.match(body, /^<!doctype html>/i)
})

it("the health check says that all is well (WK-1)", async () => {
  const { body, headers, status } = await worker.ask("/health")
  assert.strictEqual(status, 200)
  assert.strictEqual(headers["content-type"]?.split(";")[0], "application/json")
  assert.deepStrictEqual(JSON.parse(body), { status: "ok" })
})

it("a room completes a WebSocket's handshake (WK-1)", async () => {
  const { headers, status } = await worker.ask(`/rooms/${worker.room()}`, { headers: upgrade })
  assert.strictEqual(status, 101)
  // The answer to the key of RFC 6455, section 1.3.
  assert.strictEqual(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
})

it("a room tells a request without an upgrade to ask for a WebSocket (WK-1, WK-3)", async () => {
  for (const path of ["/rooms/lobby", "/parties/main/lobby"]) {
    assertProblem(await worker.ask(path), upgradeRequired)
  }
})

it("a room takes no other protocol's upgrade (WK-1, WK-3)", async () => {
  assertProblem(
    await worker.ask("/rooms/lobby", { headers: { connection: "Upgrade", upgrade: "h2c" } }),
    upgradeRequired
  )
})

it("a stock PartySocket enters the room that /rooms serves (WK-1)", async () => {
  const room = worker.room()
  const ada = await worker.join(room, { name: "ada" })
  const party = new PartySocket({ host: worker.host(), room, query: { name: "grace" } })
  try {
    const first = new Promise<Welcome>((resolve) => {
      party.addEventListener("message", (event) => resolve(JSON.parse(event.data)), { once: true })
    })
    const welcome = await within(5_000, first, "The welcome")
    assert.deepStrictEqual(welcome, {
      _tag: "Welcome",
      connection: welcome.connection,
      name: "grace",
      connections: 2
    })
    assert.deepStrictEqual(await ada.next("Joined"), {
      _tag: "Joined",
      connection: welcome.connection,
      name: "grace",
      connections: 2
    })
    party.send(JSON.stringify({ _tag: "Say", text: "hello" }))
    assert.deepStrictEqual(await ada.next("Said"), {
      _tag: "Said",
      connection: welcome.connection,
      name: "grace",
      text: "hello"
    })
  } finally {
    party.close()
  }
})

it("there is no other party (WK-1, WK-3)", async () => {
  for (const path of ["/parties/other/lobby", "/parties/lobby", "/parties/MAIN/lobby"]) {
    assertProblem(await worker.ask(path, { headers: upgrade }), notFound)
  }
})

it("there is nothing at any other path (WK-1, WK-3)", async () => {
  for (const path of ["/nothing", "/rooms", "/rooms/lobby/", "/rooms/lobby/more", "/health/", "/ROOMS/lobby"]) {
    assertProblem(await worker.ask(path), notFound)
  }
})

const pages = server === "worker" ? ["/"] : []

it("every other method is refused, and told which ones are taken (WK-1, WK-3)", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    for (const path of [...pages, "/health", "/rooms/lobby", "/parties/main/lobby"]) {
      const answer = await worker.ask(path, { method })
      assertProblem(answer, methodNotAllowed)
      assert.include((answer.headers.allow ?? "").split(/, */), "GET")
    }
  }
})

it("a room's name is 1 to 128 of the unreserved characters (WK-2)", async () => {
  const names = ["a", "A-Z_a-z.0~9", "~", "0", "...", "x".repeat(128)]
  for (const name of names) assert.strictEqual((await worker.ask(`/rooms/${name}`, { headers: upgrade })).status, 101)
})

it("any other room's name is refused, with and without an upgrade (WK-2, WK-3)", async () => {
  const names = [
    "",
    "x".repeat(129),
    "a%20b",
    "a+b",
    "a%2Fb",
    "a:b",
    "a@b",
    "%C3%A9",
    "%F0%9F%98%80",
    "a%00",
    "%",
    "%zz",
    "%ff",
    "a!"
  ]
  for (const name of names) {
    assertProblem(await worker.ask(`/rooms/${name}`, { headers: upgrade }), badRequest)
    assertProblem(await worker.ask(`/parties/main/${name}`), badRequest)
  }
})

it("a percent-encoded name is the room of the plain one (WK-2)", async () => {
  const room = worker.room()
  const ada = await worker.join(room)
  const grace = await worker.join(room.replaceAll(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`))
  assert.strictEqual(grace.welcome.connections, 2)
  assert.strictEqual((await ada.next("Joined")).connection, grace.id)
})

it("room names differ in case (WK-2, RM-1)", async () => {
  const room = worker.room()
  await worker.join(room)
  assert.strictEqual((await worker.join(room.toUpperCase())).welcome.connections, 1)
})

it("a client that claims to be verified is a client like any other (WK-4)", async () => {
  const room = worker.room()
  const ada = await worker.join(room, { name: "ada" })
  const claims = {
    "x-dormouse-user": "admin",
    "X-Dormouse-Labels": "admin",
    "x-dormouse-connection": ada.id,
    "x-dormouse-name": "root"
  }
  const mallory = await worker.join(room, { name: "mallory" }, { headers: claims })
  assert.notStrictEqual(mallory.id, ada.id)
  mallory.say("let me in")
  const said = { _tag: "Said", connection: mallory.id, name: "mallory", text: "let me in" } as const
  assert.deepStrictEqual(await ada.next("Said"), said)
  assert.deepStrictEqual(await mallory.next("Said"), said)
  assert.deepStrictEqual(mallory.messages, [
    { _tag: "Welcome", connection: mallory.id, name: "mallory", connections: 2 },
    said
  ])
  assert.deepStrictEqual(await mallory.close(4000), { code: 4000, reason: "" })
  assert.deepStrictEqual(await ada.next("Left"), {
    _tag: "Left",
    connection: mallory.id,
    name: "mallory",
    connections: 1,
    code: 4000,
    reason: ""
  })
})
