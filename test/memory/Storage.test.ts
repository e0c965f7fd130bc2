import { assert, it } from "@effect/vitest"
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

it.effect("what follows a statement that has ended its transaction is not kept (SG-4)", () =>
  Effect.gen(function*() {
    const { run } = yield* MemoryRoom.make(Probe, ProbeLive)
    yield* run(Storage.exec("CREATE TABLE t (a UNIQUE)"))
    const insert = (a: string, or = "") => Effect.exit(Storage.exec(`INSERT ${or} INTO t VALUES (?)`, a))
    const exit = yield* Effect.exit(run(Storage.transaction(Effect.gen(function*() {
      yield* insert("a")
      yield* insert("a", "OR ROLLBACK")
      yield* insert("b")
      yield* Effect.exit(Storage.transaction(insert("c")))
    }))))
    assert.strictEqual(exit._tag, "Failure")
    assert.deepStrictEqual(yield* run(Storage.exec("SELECT a FROM t")), [])
    yield* run(Storage.transaction(insert("d")))
    assert.deepStrictEqual(yield* run(Storage.exec("SELECT a FROM t")), [{ a: "d" }])
  }))
