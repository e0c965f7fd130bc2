import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { Inside } from "../../src/services/Assembly.ts"
import { contract } from "../contract/journal.ts"
import { Ledger, LedgerLive } from "../contract/Ledger.ts"
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
