/**
 * The doors of the deployed Worker, from outside.
 */
import { createHmac } from "node:crypto"
import { afterEach, assert, it } from "vitest"
import { createTestHarness, type TestHarness } from "wrangler"
import WebSocket from "ws"
import { closePayload } from "../../fuzz/Frame.ts"
import { type Closed, RawClient, within } from "./client.ts"

const root = new URL("../..", import.meta.url).pathname

let harness: TestHarness | undefined

const start = async (vars: Record<string, string | boolean> = {}) => {
  harness = createTestHarness({ root, workers: [{ configPath: "./wrangler.toml", vars }] })
  return (await harness.listen()).url
}

afterEach(async () => {
  await harness?.close()
  harness = undefined
})

const ask = (url: URL, path: string, options: WebSocket.ClientOptions & { protocols?: Array<string> } = {}) =>
  within(
    5_000,
    new Promise<{ status: number; retryAfter: string | undefined; body: string; socket: WebSocket; protocol: string }>(
      (resolve, reject) => {
        const { protocols = [], ...rest } = options
        const socket = new WebSocket(new URL(path, url).href.replace("http", "ws"), protocols, rest)
        socket.on("open", () =>
          resolve({ status: 101, retryAfter: undefined, body: "", socket, protocol: socket.protocol }))
        socket.on("unexpected-response", (_, response) => {
          let body = ""
          response.on("data", (chunk) => {
            body += chunk
          })
          response.on("end", () =>
            resolve({
              status: response.statusCode!,
              retryAfter: response.headers["retry-after"],
              body,
              socket,
              protocol: ""
            }))
        })
        socket.on("error", reject)
      }
    ),
    "An answer"
  )

const closedOf = (socket: WebSocket) =>
  within(
    10_000,
    new Promise<Closed>((resolve) =>
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }))
    ),
    "The close"
  )

const secret = "a secret of more than thirty-two bytes"

const token = (claims: object) => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

const seconds = () => Math.floor(Date.now() / 1_000)

it("the Worker has its doors on: origins, connects of an address, and what a client says (OR-1, RA-1, LM-1, LM-3, LM-4, LM-11)", async () => {
  const url = await start()
  assert.strictEqual((await ask(url, "/rooms/a", { origin: "https://evil.example" })).status, 403)
  assert.strictEqual((await ask(url, "/rooms/a", { origin: url.origin })).status, 101)
  const flooder = { headers: { "cf-connecting-ip": "192.0.2.6" } }
  const { socket } = await ask(url, "/rooms/a", flooder)
  const frames: Array<string> = []
  socket.on("message", (data) => frames.push(String(data)))
  for (let n = 0; n < 200; n++) socket.send(`{"_tag":"Say","text":"${n}"}`)
  assert.strictEqual((await closedOf(socket)).code, 4013)
  assert.isTrue(frames.some((frame) => frame.includes(`"RateLimited"`)))
  const again = await ask(url, "/rooms/a", flooder)
  assert.strictEqual(again.status, 429)
  assert.match(again.retryAfter ?? "", /^\d+$/)
  const large = await ask(url, "/rooms/a")
  large.socket.send("x".repeat(65_537))
  assert.strictEqual((await closedOf(large.socket)).code, 1009)
  const address = { headers: { "cf-connecting-ip": "192.0.2.7" } }
  const statuses = []
  for (let n = 0; n < 102; n++) {
    const { retryAfter, socket, status } = await ask(url, "/rooms/b", address)
    statuses.push(status)
    if (status === 429) assert.match(retryAfter ?? "", /^\d+$/)
    socket.close()
  }
  assert.deepStrictEqual([statuses[0], statuses.at(-1)], [101, 429])
})

it("an address begins 30 rooms a minute (LM-9)", async () => {
  const url = await start()
  const statuses = []
  for (let n = 0; n < 32; n++) {
    const { socket, status } = await ask(url, `/rooms/new-${n}`)
    statuses.push(status)
    socket.close()
  }
  assert.deepStrictEqual(statuses.slice(-3), [101, 429, 429])
  assert.strictEqual((await ask(url, "/rooms/new-0")).status, 101)
})

it("a variable sets the limits, and one that is wrong lets nobody in and says why (LM-10)", async () => {
  const url = await start({ LIMITS: `{"connectionsPerAddress":1,"connectsPerAddress":3,"messageBytes":100}` })
  const first = await ask(url, "/rooms/a")
  assert.strictEqual(first.status, 101)
  const second = await ask(url, "/rooms/a")
  assert.deepStrictEqual([second.status, second.retryAfter], [429, "30"])
  first.socket.send("x".repeat(101))
  assert.strictEqual((await closedOf(first.socket)).code, 1009)
  assert.strictEqual((await ask(url, "/rooms/b")).status, 101)
  assert.strictEqual((await ask(url, "/rooms/b")).status, 429)
  await harness!.close()
  for (
    const [LIMITS, named] of [[`{"conections":5}`, "conections"], [`{"connections":"5"}`, "connections"], [
      "{",
      "LIMITS"
    ]]
  ) {
    const url = await start({ LIMITS: LIMITS! })
    const { body, status } = await ask(url, "/rooms/a")
    assert.strictEqual(status, 503)
    assert.notInclude(body, named!)
    assert.isTrue(harness!.getLogs().some((line) => JSON.stringify(line).includes(named!)))
    assert.strictEqual((await fetch(new URL("/health", url))).status, 200)
    await harness!.close()
  }
})

it("with a secret, tokens let in, end, and are renewed (AU-1, AU-3, AU-12, AU-13)", async () => {
  const url = await start({ JWT_SECRET: secret })
  assert.strictEqual((await ask(url, "/rooms/a")).status, 401)
  const short = token({ sub: "ada", iat: seconds(), exp: seconds() - 4 + 2 })
  const ada = new RawClient(new URL(`/rooms/a?name=Ada&token=${short}`, url))
  await within(5_000, ada.opened, "The handshake")
  const bob = await ask(url, "/rooms/a?name=Bob", { protocols: ["bearer", short, "plain"] })
  assert.deepStrictEqual([bob.status, bob.protocol], [101, "plain"])
  const frames: Array<string> = []
  bob.socket.on("message", (data) => frames.push(String(data)))
  bob.socket.send(
    JSON.stringify({ _tag: "Refresh", token: token({ sub: "ada", iat: seconds(), exp: seconds() + 60 }) })
  )
  await harness!.getWorker().evictDurableObject("ChatRoom", { name: "a", webSockets: "hibernate" })
  assert.deepStrictEqual(
    await within(10_000, ada.closeFrame, "The close"),
    closePayload(4003, "Your token has expired.")
  )
  assert.strictEqual(bob.socket.readyState, WebSocket.OPEN)
  assert.isTrue(frames.some((frame) => frame.includes(`"Refreshed"`)), frames.join("\n"))
})

it("a variable of a token that is empty, or stands alone, opens no door (AU-10)", async () => {
  for (const vars of [{ JWT_SECRET: "" }, { JWT_JWKS: " " }, { JWT_AUDIENCE: "rooms" }, { ORIGINS: "" }]) {
    const url = await start(vars)
    assert.strictEqual((await ask(url, "/rooms/a")).status, 503)
    assert.isTrue(harness!.getLogs().some((line) => JSON.stringify(line).includes(Object.keys(vars)[0]!)))
    await harness!.close()
  }
})

it("each number of LIMITS is counted where it must be, for all rooms of an address (RA-1, LM-9, LM-10)", async () => {
  for (const [limits, most] of [[{ newRoomsPerAddress: 3 }, 3], [{ connectsPerAddress: 1_000 }, 30]] as const) {
    const url = await start({ LIMITS: JSON.stringify(limits) })
    const statuses = []
    for (let n = 0; n < most + 2; n++) {
      const { socket, status } = await ask(url, `/rooms/one-of-${n}`)
      statuses.push(status)
      socket.close()
    }
    assert.deepStrictEqual(statuses, [...Array.from({ length: most }, () => 101), 429, 429])
    await harness!.close()
  }
})

it("what is no token and no list of them opens no API (AI-13)", async () => {
  for (const API_TOKEN of [false, true]) {
    const url = await start({ API_TOKEN })
    const response = await fetch(new URL("/api/rooms/a/connections", url), {
      headers: { authorization: `Bearer ${API_TOKEN}` }
    })
    assert.strictEqual(response.status, 503)
    await harness!.close()
  }
})
