import { assert, it } from "@effect/vitest"
import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import type * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Sleep from "../../src/durable/Sleep.ts"
import { contract } from "../contract/sleep.ts"
import type { Sleeper } from "../contract/Sleeper.ts"
import type { TeaRoom } from "./worker.ts"
import * as World from "./world.ts"

// Some objects are held for an hour. The sockets that the tests closed are closed by then.
afterAll(async () => {
  await new Promise((done) => setTimeout(done, 50))
  await abortAllDurableObjects()
})

const touch = (stub: DurableObjectStub) => Effect.promise(() => runInDurableObject(stub, () => {}))

const subject = (stub: DurableObjectStub<RoomObject.RoomObject<typeof Sleeper>>): Sleep.Subject => ({
  evict: () => evictDurableObject(stub),
  awake: () => runInDurableObject(stub, Sleep.awake)
})

contract(
  "sleep in workerd",
  (name) =>
    Effect.sync(() => {
      const stub = env.SLEEPER.getByName(name)
      return {
        touch: touch(stub),
        say: Effect.fnUntraced(function*(text) {
          const client = yield* World.connect(stub)
          yield* client.sendFrame(text)
          yield* client.takeFrame
        }),
        assertSleeps: Sleep.assertSleeps(subject(stub))
      }
    })
)

const sleeps = (stub: DurableObjectStub<TeaRoom>) =>
  Sleep.assertSleeps({
    evict: () => evictDurableObject(stub),
    awake: () => runInDurableObject(stub, Sleep.awake)
  })

it.effect("the tea of docs/sleeping.md sleeps in workerd, too (EX-2)", () =>
  Effect.gen(function*() {
    const stub = env.TEA.getByName("tea")
    const client = yield* World.connect(stub)
    yield* client.sendFrame(JSON.stringify({ minutes: 4 }))
    yield* client.rest
    yield* sleeps(stub)
    const alarm = yield* Effect.promise(() => runInDurableObject(stub, (_, { storage }) => storage.getAlarm()))
    assert.isAbove(alarm!, Date.now())
  }))

it.effect("an object that sleeps already is not woken (SL-4)", () =>
  Effect.gen(function*() {
    const stub = env.SLEEPER.getByName("nobody")
    yield* touch(stub)
    yield* Sleep.assertSleeps(subject(stub))
    const { evict } = subject(stub)
    yield* Sleep.assertSleeps({
      evict,
      awake: () => {
        throw new Error("nobody is asked")
      }
    })
    assert.match(yield* Effect.promise(() => evict().then(String, String)), /not currently running/)
  }))

it.effect("the runtime's word counts where nothing is seen to hold an object (SL-4)", () =>
  Effect.gen(function*() {
    // A timer that is none of Effect's, and an object that nobody watches.
    const held = env.SLEEPER.getByName("a connection that is open and silent")
    yield* Effect.promise(() => runInDurableObject(held, () => void setTimeout(() => {}, 3_600_000)))
    const unwatched = env.UNWATCHED.getByName("a sleep in a fiber of the layer")
    yield* touch(unwatched)
    const subjects: ReadonlyArray<Sleep.Subject> = [
      subject(held),
      subject(unwatched),
      { evict: () => evictDurableObject(unwatched) }
    ]
    const errors = yield* Effect.forEach(
      subjects,
      (subject) => Effect.flip(Sleep.assertSleeps({ ...subject, patience: "1 second" })),
      { concurrency: "unbounded" }
    )
    for (const { awake, message } of errors) {
      assert.deepStrictEqual(awake, [])
      assert.match(message, /setTimeout/)
    }
  }))

it.effect("what a runtime says beside that is no sleep (SL-4)", () =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Sleep.assertSleeps({ evict: () => Promise.reject(new Error("no such class")) }))
    assert.include(String(exit), "no such class")
    const word = "Timed out waiting to evict Durable Object: it still has active references."
    const held = yield* Effect.flip(Sleep.assertSleeps({ evict: () => Promise.reject(new Error(word)) }))
    assert.strictEqual(held._tag, "StaysAwake")
  }))
