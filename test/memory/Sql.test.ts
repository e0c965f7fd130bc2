import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { MigratedLive } from "../contract/Migrated.ts"
import { Probe, ProbeLive } from "../contract/Probe.ts"
import { contract } from "../contract/sql.ts"

contract(
  "in memory",
  MemoryRoom.make(Probe, ProbeLive),
  (name) =>
    Effect.map(MemoryRoom.make(Probe, MigratedLive, { name }), ({ connect, evict, run }) => ({
      connect: connect(),
      run,
      wake: evict,
      later: TestClock.adjust("1 second")
    }))
)
