import { assert, it } from "vitest"
import { server, upgrade, useWorker } from "./client.ts"

const secret = "s3cr3t-s3cr3t-s3cr3t"

const worker = useWorker(server === "worker" ? { API_TOKEN: secret } : {})

const carriers = {
  authorization: `Bearer ${secret}`,
  cookie: `session=${secret}`,
  "sec-websocket-protocol": `bearer, ${secret}`,
  "user-agent": secret,
  "x-dormouse-user": secret
}

it("no message, token, header, query, path, body or reason of a close stands in a log line (LG-3)", async () => {
  const room = worker.room()
  const witness = await worker.join(room)
  const client = await worker.join(room, { name: secret, token: secret }, { headers: carriers })
  client.say(secret)
  assert.strictEqual((await witness.next("Said")).text, secret)
  await worker.sleep(room)
  const frames = [secret, `{"${secret}`, `{"_tag":"${secret}"}`, `{"_tag":"Say","text":"${secret.repeat(300)}"}`]
  for (const frame of frames) client.socket.send(frame)
  client.socket.send(Buffer.from(secret))
  for (let index = 0; index <= frames.length; index++) assert.notInclude((await client.next("Error")).message, secret)
  await client.close(4000, secret)
  assert.strictEqual((await witness.next("Left")).reason, secret)

  const raw = await worker.joinRaw(room)
  raw.send({ opcode: 0x1, payload: Buffer.from(secret), reserved: 4 })
  assert.strictEqual((await witness.next("Left")).connection, raw.id)

  const asked = [
    ["GET", `/${secret}?token=${secret}`],
    ["GET", `/rooms/${secret}%00?token=${secret}`],
    ["GET", `/rooms/${room}?name=${secret.repeat(10)}`],
    ["POST", `/rooms/${room}?token=${secret}`],
    ["GET", `/api/rooms/${room}/connections?${secret}=${secret}`],
    ["POST", `/api/rooms/${room}/publications`],
    ["GET", `/%${secret}`]
  ] as const
  for (const [method, path] of asked) {
    const body = method === "POST" ? { body: secret } : {}
    const headers = { ...carriers, ...(path.startsWith("/rooms") && upgrade), "content-type": "application/json" }
    const { status } = await worker.ask(path, { method, headers, ...body })
    assert.isTrue(status === 101 || status >= 400, `${method} ${path}: ${status}`)
  }
  // Everything that was under way has been logged by then.
  await worker.ask("/health")
  for (const line of worker.logs()) assert.notInclude(line, "s3cr3t")
})
