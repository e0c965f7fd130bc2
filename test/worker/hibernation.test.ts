import { assert, it } from "vitest"
import { useWorker } from "./client.ts"

const worker = useWorker()

it("a ping is answered by the runtime, and the room sleeps on (CH-5)", async () => {
  const room = worker.room()
  const [ada, grace] = await worker.joinAll(room, "ada", "grace")
  assert.ok(ada && grace)
  assert.strictEqual(await ada.ping(), "pong")
  await worker.sleep(room)
  for (let pings = 0; pings < 3; pings++) assert.strictEqual(await ada.ping(), "pong")
  assert.isTrue(await worker.isAsleep(room))
  // The proof that a message wakes it.
  ada.say("hello")
  await grace.next("Said")
  assert.isFalse(await worker.isAsleep(room))
  assert.deepStrictEqual(ada.texts, ["pong", "pong", "pong", "pong"])
  assert.deepStrictEqual(grace.texts, [])
})

it("a ping of the WebSocket protocol is answered, and the room sleeps on (CH-5)", async () => {
  const room = worker.room()
  const ada = await worker.join(room)
  await worker.sleep(room)
  const pong = new Promise<string>((resolve) => ada.socket.once("pong", (data) => resolve(data.toString())))
  ada.socket.ping("still there?")
  assert.strictEqual(await pong, "still there?")
  assert.isTrue(await worker.isAsleep(room))
})
