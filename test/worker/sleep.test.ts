import { setTimeout as sleep } from "node:timers/promises"
import { assert, it } from "vitest"
import { useWorker } from "./client.ts"

const worker = useWorker()

it(
  "a room that nobody speaks in falls asleep by itself, and knows everybody when it wakes (ID-2, CH-5)",
  async () => {
    const room = worker.room()
    const [ada, grace] = await worker.joinAll(room, "ada", "grace")
    assert.ok(ada && grace)
    // All that keeps a room awake is behind it: a message, a complaint, and one who left.
    const joan = await worker.join(room, { name: "joan" })
    joan.socket.send("nonsense")
    await joan.next("Error")
    await joan.close()
    await ada.next("Left")
    // The runtime's ten idle seconds. Pings do not count.
    await sleep(5_000)
    assert.strictEqual(await ada.ping(10_000), "pong")
    await sleep(10_000)
    assert.isTrue(await worker.isAsleep(room))
    assert.strictEqual(await grace.ping(10_000), "pong")
    assert.isTrue(await worker.isAsleep(room))
    grace.say("good morning")
    const said = { _tag: "Said", connection: grace.id, name: "grace", text: "good morning" } as const
    assert.deepStrictEqual(await ada.next("Said"), said)
    assert.deepStrictEqual(await grace.next("Said"), said)
    await grace.close(4000, "bye")
    assert.deepStrictEqual(await ada.next("Left"), {
      _tag: "Left",
      connection: grace.id,
      name: "grace",
      connections: 1,
      code: 4000,
      reason: "bye"
    })
  }
)
