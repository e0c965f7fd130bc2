import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { Inside } from "../../src/services/Assembly.ts"
import { contract } from "../contract/journal.ts"
import { Ledger, LedgerLive, lines } from "../contract/Ledger.ts"
import * as World from "./world.ts"

contract(
  "in memory",
  Effect.map(World.make(Ledger, LedgerLive), (world) => ({
    ...world,
    ring: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const at = yield* world.run(Effect.flatMap(Inside, ({ port }) => port.get))
      if (Option.isNone(at)) return Infinity
      yield* TestClock.adjust(at.value - now)
      return at.value - now
    })
  }))
)

it.effect("a close that does not end runs once, and holds up the others for five seconds (JO-3)", () =>
  Effect.gen(function*() {
    const { connect, crash, elapse, run } = yield* World.make(Ledger, LedgerLive)
    for (const name of ["ada", "hangs", "bob", "eve"]) yield* connect(`?name=${name}`)
    yield* crash
    yield* elapse(1_000)
    const names = Effect.map(run(lines), (all) => all.map((line) => line.split(" ")[0]))
    assert.deepStrictEqual(yield* names, ["ada", "hangs"])
    yield* elapse(5_000)
    assert.deepStrictEqual(yield* names, ["ada", "hangs", "bob", "eve"])
    yield* elapse(600_000)
    assert.deepStrictEqual(yield* names, ["ada", "hangs", "bob", "eve"])
    // It stands there until it ends, or the next start.
    assert.strictEqual(yield* run(Effect.map(Inside, ({ leaving }) => leaving.size)), 1)
  }))
