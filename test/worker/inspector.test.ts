import { assert, it } from "vitest"
import WebSocket from "ws"
import { type Answer, useWorker } from "./client.ts"

const reader = "a/token+that=may-list"
const writer = "a/token+that=may-publish"

const worker = useWorker({
  API_TOKEN: JSON.stringify([{ token: reader, scopes: ["list"] }, { token: writer, scopes: ["publish"] }])
})

const ask = (method: string, path: string, token: string | undefined = reader): Promise<Answer> =>
  worker.ask(path, { method, headers: token === "" ? {} : { authorization: `Bearer ${token}` } })

const read = async (answer: Promise<Answer>) => {
  const { body, headers, status } = await answer
  assert.strictEqual(status, 200, body)
  assert.strictEqual(headers["content-type"], "application/json")
  assert.strictEqual(headers["cache-control"], "no-store")
  assert.strictEqual(headers["x-content-type-options"], "nosniff")
  return JSON.parse(body)
}

const pathOf = (room: string) => `/api/rooms/${room}/inspection`

/** A page that looks. */
const watch = async (room: string, protocols: ReadonlyArray<string>) => {
  const socket = new WebSocket(`ws://${worker.host()}${pathOf(room)}`, [...protocols])
  const messages: Array<any> = []
  socket.on("message", (data) => messages.push(JSON.parse(String(data))))
  const status = await new Promise<number>((resolve) => {
    socket.once("open", () => resolve(101))
    socket.once("error", () => {})
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode ?? 0))
  })
  const until = async (is: (message: any) => boolean) => {
    for (let n = 0; n < 100; n++) {
      const found = messages.find(is)
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`It has not come: ${JSON.stringify(messages)}`)
  }
  return { socket, status, messages, until }
}

const pair = (token: string) => ["bearer", encodeURIComponent(token), "plain"]

it("a page looks at a chat, with a token that may list (IN-4, IN-8)", async () => {
  const room = worker.room()
  const ada = await worker.join(room, { name: "ada" })
  const page = await watch(room, pair(reader))
  assert.strictEqual(page.status, 101)
  assert.strictEqual(page.socket.protocol, "plain")
  const inspection = await read(ask("POST", pathOf(room)))
  assert.deepStrictEqual(await page.until(({ _tag }) => _tag === "Inspection"), inspection)
  assert.deepInclude(inspection, { room, count: 1 })
  assert.deepInclude(inspection.connections[0], {
    id: ada.id,
    labels: [],
    protocol: "plain",
    state: { bytes: 14, text: `{"name":"ada"}` }
  })
  ada.say("hello")
  await ada.next("Said")
  const { events } = await page.until(({ _tag }) => _tag === "Events")
  assert.deepStrictEqual(events.map(({ _tag }: { _tag: string }) => _tag), ["Received", "Sent"])
  // Over TCP, too, the object sleeps, and wakes for a message alone.
  await worker.sleep(room)
  page.messages.length = 0
  ada.say("again")
  await ada.next("Said")
  const woken = await page.until(({ _tag }) => _tag === "Events")
  assert.deepInclude(woken.events[0], { _tag: "Woke", cause: "message" })
  const { wakes } = await read(ask("GET", pathOf(room)))
  assert.strictEqual(wakes.by.find(({ cause }: { cause: string }) => cause === "message").count, 1)
  page.socket.close()
})

it("nobody looks without a token that may list, and nothing is told (IN-8)", async () => {
  const room = worker.room()
  await worker.join(room)
  for (const [status, token] of [[401, ""], [401, "a-token-that-nobody-knows"], [403, writer]] as const) {
    for (const method of ["GET", "POST", "PUT"]) {
      const answer = await ask(method, pathOf(room), token)
      assert.strictEqual(answer.status, status, `${method} ${token}`)
      assert.isDefined(answer.headers["www-authenticate"])
      assert.notInclude(answer.body, "connections")
    }
    if (token !== "") assert.strictEqual((await watch(room, pair(token))).status, status)
  }
  assert.strictEqual((await watch(room, ["plain"])).status, 401)
  assert.strictEqual((await watch(room, ["bearer"])).status, 401)
  for (const token of ["%E0%A4%A", "a%0D%0Ab", "a%E2%86%92"]) {
    assert.strictEqual((await watch(room, ["bearer", token, "plain"])).status, 401, token)
  }
  for (const line of worker.logs()) for (const token of [reader, writer, "nobody-knows"]) assert.notInclude(line, token)
})

it("a page asks whether it may look without waking the room (IN-7, IN-8)", async () => {
  const room = worker.room()
  const ada = await worker.join(room, { name: "ada" })
  await worker.sleep(room)
  for (const [status, token] of [[405, reader], [401, "another-token-that-none-is"], [403, writer]] as const) {
    assert.strictEqual((await ask("OPTIONS", pathOf(room), token)).status, status)
  }
  // It is this that wakes it.
  ada.say("hello")
  await ada.next("Said")
  const { wakes } = await read(ask("GET", pathOf(room)))
  assert.deepStrictEqual(wakes.by.map(({ cause }: { cause: string }) => cause).toSorted(), ["connect", "message"])
})

it("what is wrong is told by a problem (IN-8)", async () => {
  const asked = [[400, "GET", "a%20b"], [400, "POST", "x".repeat(129)], [405, "DELETE", "lobby"]] as const
  for (const [status, method, room] of asked) {
    const answer = await ask(method, pathOf(room))
    assert.strictEqual(answer.status, status)
    assert.strictEqual(answer.headers["content-type"], "application/problem+json")
  }
  assert.strictEqual((await ask("DELETE", pathOf("lobby"))).headers.allow, "GET, HEAD, POST")
  assert.strictEqual((await ask("GET", `${pathOf("lobby")}/more`)).status, 404)
})

it("one page is there for every room, and takes GET alone (IN-9)", async () => {
  for (const path of ["/inspect/lobby", "/inspect/x%20y", "/inspect"]) {
    const page = await ask("GET", path, "")
    assert.strictEqual(page.status, 200, path)
    assert.match(String(page.headers["content-type"]), /^text\/html/)
    assert.include(String(page.headers["content-security-policy"]), "script-src 'self'")
    assert.strictEqual((await ask("POST", path, "")).status, 405)
  }
  for (const [path, type] of [["/inspect.js", /javascript/], ["/inspect.css", /css/]] as const) {
    const file = await ask("GET", path, "")
    assert.strictEqual(file.status, 200, path)
    assert.match(String(file.headers["content-type"]), type)
  }
})
