import { once } from "node:events"
import { afterAll, assert, beforeAll, it } from "vitest"
import { createTestHarness, type TestHarness } from "wrangler"
import WebSocket from "ws"

const root = new URL("../../examples/ease", import.meta.url).pathname

let harness: TestHarness
let url: URL

beforeAll(async () => {
  harness = createTestHarness({ root, workers: [{ configPath: "./wrangler.toml" }] })
  ;({ url } = await harness.listen())
})

afterAll(() => harness.close())

const enter = async (path: string, headers: Record<string, string> = {}) => {
  const socket = new WebSocket(new URL(path, url.href.replace(/^http/, "ws")), { headers })
  await once(socket, "open")
  return socket
}

const say = (socket: WebSocket, message: unknown) => socket.send(JSON.stringify(message))

/** The next messages of a socket. */
const hear = (socket: WebSocket, count: number) =>
  new Promise<ReadonlyArray<any>>((resolve) => {
    const heard: Array<unknown> = []
    const listen = (frame: unknown) => {
      if (heard.push(JSON.parse(String(frame))) < count) return
      socket.off("message", listen)
      resolve(heard)
    }
    socket.on("message", listen)
  })

const sleep = (object: string, name: string) =>
  harness.getWorker().evictDurableObject(object, { name, webSockets: "hibernate" })

it("who comes later hears what the room's database has, awake and asleep (EX-5)", async () => {
  const ada = await enter("/chats/hut")
  for (const text of ["hi", "still here"]) {
    const heard = hear(ada, 1)
    say(ada, text)
    assert.deepStrictEqual(await heard, [text])
    await sleep("ChatRoom", "hut")
  }
  const bob = new WebSocket(new URL("/chats/hut", url.href.replace(/^http/, "ws")))
  assert.deepStrictEqual(await hear(bob, 2), ["hi", "still here"])
  for (const socket of [ada, bob]) socket.close()
})

it("who talks too fast is refused with a typed error (EX-6)", async () => {
  const ada = await enter("/halls/hut", { cookie: "user=ada" })
  const heard = hear(ada, 4)
  for (const text of ["1", "2", "3", "4"]) say(ada, text)
  const [, , third, refusal] = await heard
  assert.deepStrictEqual(third, { user: "ada", text: "3" })
  assert.strictEqual(refusal.code, "Refused")
  assert.strictEqual(refusal.error._tag, "TooFast")
  ada.close()
})

it("several messages on one alarm are told in the order of their moments, by an object that slept (EX-7)", async () => {
  const ada = await enter("/reminders/hut")
  const heard = hear(ada, 2)
  say(ada, { text: "second", seconds: 2 })
  say(ada, { text: "first", seconds: 1 })
  await sleep("RemindersRoom", "hut")
  assert.deepStrictEqual(await heard, [{ text: "first" }, { text: "second" }])
  ada.close()
})
