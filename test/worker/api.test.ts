import { assert, describe, it } from "vitest"
import * as Frame from "../../fuzz/Frame.ts"
import { type Answer, states, upgrade, useWorker } from "./client.ts"

const worker = useWorker({ API_TOKEN: "the token" })

interface Asked {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const ask = (method: string, path: string, { body, headers }: Asked = {}): Promise<Answer> =>
  worker.ask(path, {
    method,
    headers: { authorization: "Bearer the token", "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) })
  })

const read = async (answer: Promise<Answer>) => {
  const { body, headers, status } = await answer
  assert.strictEqual(status, 200, body)
  assert.strictEqual(headers["content-type"], "application/json")
  return JSON.parse(body)
}

/** That an answer is a problem document, with the four members and nothing else. */
const assertProblem = ({ body, headers, status }: Answer, expected: number) => {
  assert.strictEqual(status, expected, body)
  assert.strictEqual(headers["content-type"]?.split(";")[0], "application/problem+json")
  const problem = JSON.parse(body)
  assert.deepStrictEqual(Object.keys(problem).toSorted(), ["detail", "status", "title", "type"])
  assert.strictEqual(problem.status, expected)
  assert.isAbove(problem.detail.length, 0)
}

const said = (connection: string, text: string) => ({ _tag: "Said", connection, name: "the server", text }) as const

const nobody = "00000000-0000-4000-8000-000000000000"

for (const [state, isAsleep] of states) {
  describe(`the API of rooms that are ${state}`, () => {
    const sleep = (room: string) => isAsleep ? worker.sleep(room) : Promise.resolve()

    it("publishes to those who are there, but for whom it leaves out (AI-1)", async () => {
      const room = worker.room()
      const [ada, bob] = await worker.joinAll(room, "ada", "bob")
      await sleep(room)
      const publish = (body: unknown) => read(ask("POST", `/api/rooms/${room}/publications`, { body }))
      assert.deepStrictEqual(await publish({ message: said(nobody, "all") }), { delivered: 2, failed: 0 })
      await sleep(room)
      assert.deepStrictEqual(await publish({ message: said(nobody, "but ada"), except: [ada!.id] }), {
        delivered: 1,
        failed: 0
      })
      assert.deepStrictEqual(await publish({ message: said(nobody, "grace"), to: { user: "grace" } }), {
        delivered: 0,
        failed: 0
      })
      for (const text of ["all", "but ada"]) assert.deepStrictEqual(await bob!.next("Said"), said(nobody, text))
      assert.deepStrictEqual(await ada!.next("Said"), said(nobody, "all"))
    })

    it("lists those who are there (AI-2)", async () => {
      const room = worker.room()
      const list = (query = "") => read(ask("GET", `/api/rooms/${room}/connections${query}`))
      assert.deepStrictEqual(await list(), [])
      const clients = await worker.joinAll(room, "ada", "bob")
      await sleep(room)
      assert.deepStrictEqual(
        await list(),
        clients.map(({ id, welcome: { name } }) => ({ id, labels: [], protocol: "plain", state: { name } }))
      )
      assert.deepStrictEqual(await list("?user=ada"), [])
    })

    it("disconnects, and the others hear of it (AI-3)", async () => {
      const room = worker.room()
      const bob = await worker.join(room)
      const ada = await worker.joinRaw(room)
      await sleep(room)
      const path = `/api/rooms/${room}/connections`
      assert.deepStrictEqual(await read(ask("DELETE", `${path}/${ada.id}?code=4000&reason=good%20bye`)), { closed: 1 })
      assert.deepStrictEqual(await ada.closeFrame, Frame.closePayload(4000, "good bye"))
      assert.deepInclude(await bob.next("Left"), { connection: ada.id, code: 4000, reason: "good bye" })
      await sleep(room)
      assertProblem(await ask("DELETE", `${path}/${ada.id}`), 404)
      assert.deepStrictEqual(await read(ask("DELETE", `${path}?label=x`)), { closed: 0 })
      assertProblem(await ask("DELETE", path), 400)
      assert.strictEqual((await read(ask("GET", path))).length, 1)
    })

    it("drains a room in waves, and who enters meanwhile stays (AI-10)", async () => {
      const room = worker.room()
      const clients = [await worker.joinRaw(room), await worker.joinRaw(room), await worker.joinRaw(room)]
      await sleep(room)
      const path = `/api/rooms/${room}/drain`
      assert.deepStrictEqual(await read(ask("POST", path, { body: { over: 2_000 } })), { closing: 3 })
      const newcomer = await worker.join(room)
      await sleep(room)
      for (const { closeFrame } of clients) {
        assert.deepStrictEqual(await closeFrame, Frame.closePayload(4001, "Come back within 1000 ms."))
      }
      assert.strictEqual((await read(ask("GET", `/api/rooms/${room}/connections`))).length, 1)
      newcomer.say("still here")
      assert.strictEqual((await newcomer.next("Said")).text, "still here")
      for (const body of [{}, { over: -1 }, { over: "1 second" }, { over: 1e9 }]) {
        assertProblem(await ask("POST", path, { body }), 400)
      }
    })
  })
}

it("what is refused is told by a problem (AI-4, WK-2, WK-3)", async () => {
  const room = `/api/rooms/${worker.room()}`
  const message = said(nobody, "hi")
  const bodies = ["", "{", "[]", { message: "hi" }, { message, too: {} }, { message: { ...message, text: 1 } }]
  for (const body of bodies) assertProblem(await ask("POST", `${room}/publications`, { body }), 400)
  const headers = { "content-type": "text/plain" }
  assertProblem(await ask("POST", `${room}/publications`, { body: { message }, headers }), 415)
  const body = `{"message":"${"x".repeat(1_048_576)}"}`
  assertProblem(await ask("POST", `${room}/publications`, { body }), 413)
  assertProblem(await ask("DELETE", `${room}/connections/${nobody}?code=1006`), 400)
  for (const name of ["", "a%20b", "a%2Fb", "%", "%ff", "x".repeat(129)]) {
    assertProblem(await ask("GET", `/api/rooms/${name}/connections`), 400)
  }
  assert.deepStrictEqual(await read(ask("GET", `/api/rooms/${"x".repeat(128)}/connections`)), [])
  for (const path of ["/api/", "/api/rooms", room, `${room}/publications/`, "/api/ROOMS/a/connections", "/api/x"]) {
    assertProblem(await ask("GET", path), 404)
  }
  const refused = await ask("PUT", `${room}/connections`)
  assertProblem(refused, 405)
  assert.strictEqual(refused.headers.allow, "GET, HEAD, DELETE")
})

it("who has no token, or another, is refused (AI-5)", async () => {
  for (const authorization of ["", "Bearer", "Bearer the", "Bearer the tokens", "Basic dGhlIHRva2Vu"]) {
    const answer = await ask("GET", `/api/rooms/${worker.room()}/connections`, { headers: { authorization } })
    assertProblem(answer, 401)
    assert.strictEqual(answer.headers["www-authenticate"], "Bearer")
  }
})

it("the document is there for everybody (AI-8)", async () => {
  const document = await read(worker.ask("/openapi.json"))
  assert.strictEqual(document.openapi, "3.1.0")
  assert.strictEqual(document.info.title, "Dormouse")
  assert.strictEqual(Object.keys(document.paths).length, 5)
  const { body, status } = await worker.ask("/openapi.json", { method: "HEAD" })
  assert.deepStrictEqual([status, body], [200, ""])
  assertProblem(await worker.ask("/openapi.json", { method: "POST" }), 405)
})

it("requests that come at once are answered each (AI-1)", async () => {
  const rooms = Array.from({ length: 20 }, () => worker.room())
  const lists = await Promise.all(rooms.map((room) => read(ask("GET", `/api/rooms/${room}/connections`))))
  assert.deepStrictEqual(lists, rooms.map(() => []))
})

describe("without a token", () => {
  const worker = useWorker()

  it("there is no API, and no document (AI-5, WK-1)", async () => {
    for (
      const [method, path] of [
        ["GET", "/openapi.json"],
        ["GET", "/api/rooms/lobby/connections"],
        ["POST", "/api/rooms/lobby/publications"],
        ["DELETE", "/api/rooms/lobby/connections?user=ada"]
      ] as const
    ) {
      assertProblem(await worker.ask(path, { method, headers: { authorization: "Bearer " } }), 404)
    }
    assert.strictEqual((await worker.ask("/rooms/lobby", { headers: upgrade })).status, 101)
  })
})

describe("with an empty token", () => {
  const worker = useWorker({ API_TOKEN: "" })

  it("there is no API (AI-5)", async () => {
    assertProblem(await worker.ask("/openapi.json"), 404)
    const headers = { authorization: "Bearer " }
    assertProblem(await worker.ask("/api/rooms/lobby/connections", { headers }), 404)
  })
})

describe("with several tokens", () => {
  const tokens = [
    { token: "the-token-that-publishes", scopes: ["publish"] },
    { token: "the-token-that-looks", scopes: ["list"] },
    { token: "the-token-that-closes", scopes: ["disconnect"] }
  ]
  const worker = useWorker({ API_TOKEN: JSON.stringify(tokens) })

  it("each may do what its scopes say (AI-12)", async () => {
    const room = worker.room()
    const client = await worker.joinRaw(room)
    const path = `/api/rooms/${room}`
    const requests = [
      ["publish", "POST", `${path}/publications`, { message: said(nobody, "hi") }],
      ["list", "GET", `${path}/connections`, undefined],
      ["disconnect", "POST", `${path}/drain`, { over: 0 }]
    ] as const
    for (const { scopes, token } of [...tokens, { token: JSON.stringify(tokens), scopes: undefined }]) {
      for (const [scope, method, path, body] of requests) {
        const answer = await worker.ask(path, {
          method,
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          ...(body !== undefined && { body: JSON.stringify(body) })
        })
        if (scopes?.includes(scope)) assert.strictEqual(answer.status, 200, answer.body)
        else assertProblem(answer, scopes === undefined ? 401 : 403)
      }
    }
    assert.deepStrictEqual(await client.next("Said"), said(nobody, "hi"))
    assert.strictEqual((await client.closeFrame).readUInt16BE(), 4001)
    assert.notInclude(worker.logs().join("\n"), "the-token")
  })
})

describe("with tokens of the wrong form", () => {
  const worker = useWorker({ API_TOKEN: "[{\"token\":\"the-token-that-publishes\",\"scopes\":[\"publishing\"]}]" })

  it("the API answers 503, the log says once what is wrong, and the rooms are open (AI-13)", async () => {
    const headers = { authorization: "Bearer the-token-that-publishes" }
    for (const path of ["/openapi.json", "/api/rooms/lobby/connections", "/api/nothing", "/api/rooms"]) {
      assertProblem(await worker.ask(path, { headers }), 503)
    }
    await worker.join(worker.room())
    const lines = worker.logs().filter((line) => line.includes("API_TOKEN"))
    assert.lengthOf(lines, 1)
    const { cause, level } = JSON.parse(lines[0]!)
    assert.strictEqual(level, "ERROR")
    assert.match(cause, /Expected "publish" \| "list" \| "disconnect"\s+at \["API_TOKEN"\]\[0\]\["scopes"\]\[0\]/)
    assert.notMatch(worker.logs().join("\n"), /the-token|publishing/)
  })
})
