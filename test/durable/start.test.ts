import { assert, it } from "@effect/vitest"
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { fateOf } from "./flaky.ts"
import { logged } from "./logged.ts"
import * as World from "./world.ts"

const lines = logged()

const evict = (stub: World.Stub) => Effect.promise(() => evictDurableObject(stub))

// Answers from inside the object: what was sent to it before has arrived by then.
const pass = (stub: World.Stub) =>
  Effect.promise(() => runInDurableObject(stub, () => new Promise<void>((done) => setTimeout(done, 20))))

it.live("a start that failed is tried again a second later, and a close that waited runs then (LC-17, LC-19)", () =>
  Effect.gen(function*() {
    const stub = env.FLAKY.getByName("start")
    const fate = fateOf("start")
    const [ada, bob] = [yield* World.connect(stub), yield* World.connect(stub)]
    fate.failingStarts = 1
    fate.starts = 0
    yield* evict(stub)
    const refused = Effect.promise(async () => {
      const response = await stub.fetch("https://room.invalid/", { headers: { upgrade: "websocket" } })
      await response.text()
      return [response.status, response.headers.get("retry-after"), fate.starts]
    })
    assert.deepStrictEqual(yield* refused, [503, "1", 1])
    assert.deepStrictEqual(yield* refused, [503, "1", 1])
    yield* bob.close(4000)
    assert.strictEqual((yield* bob.closed).code, 4000)
    yield* pass(stub)
    assert.deepStrictEqual(fate.left, [])
    assert.match(lines.join(), /A close waits for the room to start/)
    yield* Effect.sleep(1_000)
    yield* ada.sendFrame("back again")
    assert.strictEqual(yield* ada.takeFrame, "back again")
    yield* World.connect(stub)
    assert.strictEqual(fate.starts, 2)
    assert.deepStrictEqual(fate.left, [4000])
  }))

it.live("an alarm that fails, or finds no room, rejects, so that the runtime repeats it (LC-18)", () =>
  Effect.gen(function*() {
    const stub = env.FLAKY.getByName("alarm")
    const fate = fateOf("alarm")
    const ada = yield* World.connect(stub)
    const set = (at: number) => Effect.promise(() => runInDurableObject(stub, (_, { storage }) => storage.setAlarm(at)))
    const rings = Effect.promise(() => runDurableObjectAlarm(stub).then(String, () => "rejected"))
    yield* set(Date.UTC(2100, 0))
    fate.failingRings = 1
    assert.strictEqual(yield* rings, "rejected")
    assert.match(lines.join(), /not now/)
    yield* set(Date.UTC(2100, 0))
    fate.failingStarts = 1
    yield* evict(stub)
    assert.strictEqual(yield* rings, "rejected")
    assert.match(lines.join(), /the database is away/)
    assert.strictEqual(fate.rang, 1)
    // Left to itself, the runtime tries again two seconds later.
    yield* Effect.sleep(1_000)
    fate.failingRings = 1
    yield* set(Date.now())
    assert.strictEqual(yield* ada.takeFrame, "rang")
    assert.strictEqual(fate.rang, 3)
  }))
