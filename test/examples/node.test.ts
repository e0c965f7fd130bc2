import { execFile } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"
import { afterAll, assert, beforeAll, it } from "vitest"
import { ChatClient, startNode, within } from "../worker/client.ts"

let server: Awaited<ReturnType<typeof startNode>>

beforeAll(async () => {
  process.env["API_TOKEN"] = "the token"
  server = await startNode("--port", "0")
  delete process.env["API_TOKEN"]
})

afterAll(() => {
  server.child.kill("SIGKILL")
})

// Runs the example until it ends by itself.
const run = (...options: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number; readonly output: string; readonly errors: string }>((resolve) => {
    execFile(process.execPath, ["examples/node/src/server.ts", ...options], (error, output, errors) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, output, errors })
    })
  })

it("the Node example says where it listens (LS-7)", async () => {
  assert.match(server.line, /^A chat on http:\/\/127\.0\.0\.1:\d+ .*Ctrl-C ends it\.\n$/)
  const response = await fetch(new URL("/health", server.url))
  assert.deepStrictEqual(await response.json(), { status: "ok" })
})

it("the Node example tells of its options, and of what is wrong with them (LS-7)", async () => {
  const help = await run("--help")
  assert.strictEqual(help.code, 0)
  assert.include(help.output, "--port PORT")
  assert.include(help.output, "API_TOKEN")
  for (const options of [["--port", "none"], ["--port", "65536"], ["--prot", "1"], ["8787"]]) {
    const { code, errors, output } = await run(...options)
    assert.deepStrictEqual([code, output], [1, ""])
    assert.match(errors, /^.+\n$/)
  }
})

it("the Node example does not start where its tokens are of the wrong form, and names none (AI-13)", async () => {
  process.env["API_TOKEN"] = JSON.stringify([{ token: "s3cr3t-s3cr3t-s3cr3t", scopes: ["everything"] }])
  const { code, errors, output } = await run("--port", "0")
  delete process.env["API_TOKEN"]
  assert.deepStrictEqual([code, output], [1, ""])
  assert.match(errors, /"publish" \| "list" \| "disconnect"[^]*\["API_TOKEN"\]\[0\]\["scopes"\]\[0\]/)
  assert.notMatch(errors, /s3cr3t|everything/)
})

it("the Node example says so where its port is taken (LS-7)", async () => {
  const other = createServer().listen(0, "127.0.0.1")
  await once(other, "listening")
  const { port } = other.address() as AddressInfo
  const { code, errors } = await run("--port", String(port))
  other.close()
  assert.strictEqual(code, 1)
  assert.match(errors, /^The server cannot listen on 127\.0\.0\.1:\d+ \(.*EADDRINUSE.*\)\n$/)
})

it("what is no HTTP is answered with a problem too (LS-7, WK-3)", async () => {
  for (const bytes of ["hello\r\n\r\n", `GET /health HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(70_000)}\r\n\r\n`]) {
    const socket = connect(Number(server.url.port), "127.0.0.1")
    let answer = ""
    socket.on("data", (data) => (answer += String(data)))
    socket.end(bytes)
    await once(socket, "close")
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.include(answer, "content-type: application/problem+json")
    assert.include(answer, "x-content-type-options: nosniff")
    assert.strictEqual(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))).status, 400)
  }
})

it("who has its token publishes to the Node example's rooms (LS-7, AI-1, AI-5)", async () => {
  const client = await new ChatClient(new URL("/rooms/api", server.url).href.replace("http", "ws")).enter()
  const url = new URL("/api/rooms/api/publications", server.url)
  const message = { _tag: "Said" as const, connection: client.id, name: "the server", text: "hello" }
  const publish = (token: string) =>
    fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ message })
    })
  assert.strictEqual((await publish("another")).status, 401)
  const response = await publish("the token")
  assert.deepStrictEqual(await response.json(), { delivered: 1, failed: 0 })
  assert.deepInclude(await client.next("Said"), message)
  await client.close()
})

it("without a token the Node example has no API (LS-7, AI-5)", async () => {
  const plain = await startNode("--port", "0")
  const response = await fetch(new URL("/api/rooms/api/connections", plain.url))
  plain.child.kill("SIGKILL")
  assert.strictEqual(response.status, 404)
})

it("Ctrl-C closes everybody with 1001 and ends the Node example (LS-5, LS-7)", async () => {
  const url = new URL("/rooms/lobby", server.url).href.replace("http", "ws")
  const clients = [await new ChatClient(url).enter(), await new ChatClient(url).enter()]
  // A connection over which nobody asks for anything does not keep it.
  const idle = connect(Number(server.url.port), "127.0.0.1")
  await once(idle, "connect")
  const ended = once(server.child, "exit")
  server.child.kill("SIGINT")
  for (const client of clients) {
    assert.deepStrictEqual(await within(5_000, client.closed, "The end of a connection"), {
      code: 1001,
      reason: "The server goes down."
    })
  }
  assert.deepStrictEqual(await within(5_000, ended, "The end of the server"), [0, null])
})
