import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import * as OneTurn from "../../src/services/OneTurn.ts"

const run = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.provideService(effect, Scheduler.Scheduler, OneTurn.make()))

const yields = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })

it("a timeout fires in a handler that does nothing but yield (LC-11)", async () => {
  let isOver = false
  const busy = Effect.repeat(Effect.yieldNow, { until: () => isOver })
  const exit = await run(Effect.exit(Effect.timeout(busy, "20 millis"))).finally(() => {
    isOver = true
  })
  assert.strictEqual(exit._tag, "Failure")
})

it("an event that yields now and then is one turn (LC-11)", async () => {
  const seen: Array<string> = []
  for (let event = 0; event < 100; event++) {
    const other = new Promise<void>((done) =>
      setImmediate(() => {
        seen.push("other")
        done()
      })
    )
    seen.push("begins")
    await run(Effect.andThen(yields(20), Effect.sync(() => seen.push("ends"))))
    await other
  }
  assert.deepStrictEqual(seen, Array.from({ length: 100 }, () => ["begins", "ends", "other"]).flat())
})
