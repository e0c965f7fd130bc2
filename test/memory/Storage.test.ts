import * as Effect from "effect/Effect"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Storage from "../../src/services/Storage.ts"
import { Probe, ProbeLive } from "../contract/Probe.ts"
import { contract } from "../contract/storage.ts"

contract(
  "in memory",
  Effect.map(MemoryRoom.make(Probe, ProbeLive), ({ crash, evict, run }) => ({
    run,
    restarts: { "a sleep": evict, "a crash": crash },
    bound: (pages) => run(Effect.orDie(Storage.exec(`PRAGMA max_page_count = ${pages}`)))
  })),
  ["a sleep", "a crash"]
)
