import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AnnalsHandlers } from "../../chaos/Annals.ts"
import * as memory from "../../chaos/memory.ts"
import * as Run from "../../chaos/Run.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Journal from "../../src/services/Journal.ts"

it.live(
  "whatever happens to a room in memory, nothing is lost and nothing happens twice (CX-1)",
  () =>
    Effect.gen(function*() {
      assert.isAtLeast(yield* Run.run(memory.make(), { seed: "1", steps: 2_000 }), 2_000)
    }),
  60_000
)

// A room whose deadlines and journal lose the first statement of each life that begins like this.
const losing = (beginning: string) => {
  const lossy = Layer.effect(
    Inside,
    Inside.useSync((inside) => {
      const { storage } = inside
      let isLost = false
      const exec: typeof storage.exec = (text, ...bindings) => {
        if (isLost || !text.startsWith(beginning)) return storage.exec(text, ...bindings)
        isLost = true
        return []
      }
      return Object.assign(inside, { storage: { ...storage, exec } })
    })
  )
  return AnnalsHandlers.pipe(
    Layer.provide(Layer.merge(Deadlines.layer, Journal.layer)),
    Layer.provide(lossy)
  )
}

describe("a rule that is broken is found", () => {
  it.live.each([
    [
      "nobody is written into the journal",
      "the close of c1 did not run by itself",
      "INSERT OR IGNORE INTO dormouse_journal"
    ],
    ["nobody is struck out of the journal", "c1 had its close twice", "DELETE FROM dormouse_journal"],
    ["what has run is not deleted", "task 1 ran twice after 0 failures", "DELETE FROM dormouse_deadlines WHERE id"],
    ["what is cancelled stays", "task 1 was not there any more", "DELETE FROM dormouse_deadlines WHERE name"]
  ])("%s: its seed and a sequence of few steps are told (CX-2)", ([, problem, statement]) =>
    Effect.gen(function*() {
      const broken = memory.make(losing(statement))
      const failure = yield* Effect.flip(Run.run(broken, { seed: "1", steps: 5_000 }))
      const { lines, problems } = failure.violation
      assert.include(problems.join("\n"), problem)
      assert.isAtMost(lines.length, 3, lines.join("\n"))
      assert.include(Run.toText(failure), `--seed ${failure.seed} `)
      const again = yield* Effect.flip(Run.run(broken, { seed: failure.seed, steps: 1, shrinkFor: 0 }))
      assert.deepStrictEqual([again.seed, again.steps], [failure.seed, failure.steps])
    }), 60_000)
})
