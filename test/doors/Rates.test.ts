import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as TestClock from "effect/testing/TestClock"
import * as Rates from "../../src/doors/Rates.ts"

const make = (limits?: Rates.Limits) => Effect.provide(Rates.Rates, Rates.layerMemory(limits))

const takes = (rates: Rates.Rates["Service"], times: number, address: string, what: Rates.What = "connects") =>
  Effect.map(
    Effect.replicateEffect(rates.take(what, address), times),
    (answers) => answers.filter((seconds) => seconds === undefined).length
  )

it.effect("an address has a hundred connects and thirty new rooms a minute, and each its own (RA-1)", () =>
  Effect.gen(function*() {
    const rates = yield* make()
    assert.strictEqual(yield* takes(rates, 120, "192.0.2.1"), 100)
    assert.strictEqual(yield* rates.take("connects", "192.0.2.1"), 60)
    assert.strictEqual(yield* takes(rates, 40, "192.0.2.1", "newRooms"), 30)
    assert.strictEqual(yield* takes(rates, 1, "192.0.2.2"), 1)
    yield* TestClock.adjust("40500 millis")
    assert.strictEqual(yield* rates.take("connects", "192.0.2.1"), 20)
    yield* TestClock.adjust("19500 millis")
    assert.strictEqual(yield* takes(rates, 120, "192.0.2.1"), 100)
  }))

it.effect("the options say how many, none as well (RA-1)", () =>
  Effect.gen(function*() {
    const rates = yield* make({ connects: 2, newRooms: 0 })
    assert.strictEqual(yield* takes(rates, 5, "192.0.2.1"), 2)
    assert.strictEqual(yield* takes(rates, 5, "192.0.2.1", "newRooms"), 0)
  }))

it.effect("what is counted is forgotten when 50,000 counts were begun (RA-3)", () =>
  Effect.gen(function*() {
    const rates = yield* make({ connects: 2 })
    const flood = Effect.forEach(
      Array.from({ length: 49_998 }, (_, index) => index),
      (index) => rates.take("connects", `flood ${index}`),
      { discard: true }
    )
    assert.strictEqual(yield* takes(rates, 3, "192.0.2.1"), 2)
    yield* flood
    assert.strictEqual(yield* takes(rates, 1, "192.0.2.1"), 0)
    yield* rates.take("connects", "one more")
    assert.strictEqual(yield* takes(rates, 3, "192.0.2.1"), 2)
    // The app's own counts are others.
  }).pipe(Effect.provide(RateLimiter.layerStoreMemory)))
