import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AnnalsHandlers, Below } from "../../chaos/Annals.ts"
import * as memory from "../../chaos/memory.ts"
import * as Run from "../../chaos/Run.ts"
import { type Assembly, Inside } from "../../src/services/Assembly.ts"

it.live(
  "whatever happens to a room in memory, nothing is lost and nothing happens twice (CX-1, CX-3)",
  () =>
    Effect.gen(function*() {
      assert.isAtLeast(yield* Run.run(memory.make(), { seed: "1", steps: 2_000 }), 2_000)
    }),
  60_000
)

// A room that loses the first statement of each life that begins like this, or all of them that bind a value.
const losing = (beginning: string, value?: string) => {
  const lossy = Layer.effect(
    Inside,
    Inside.useSync((inside) => {
      const { storage } = inside
      let isLost = false
      const exec: typeof storage.exec = (text, ...bindings) => {
        if (isLost || !text.startsWith(beginning)) return storage.exec(text, ...bindings)
        if (value !== undefined && !bindings.includes(value)) return storage.exec(text, ...bindings)
        isLost = value === undefined
        return []
      }
      return Object.assign(inside, { storage: { ...storage, exec } })
    })
  )
  return AnnalsHandlers.pipe(Layer.provide(Below), Layer.provide(lossy))
}

// A room in which something is changed once its guard stands.
const changed = (change: (inside: Assembly) => void) =>
  Layer.merge(
    AnnalsHandlers,
    Layer.effectDiscard(Inside.useSync(change))
  ).pipe(Layer.provide(Below))

describe("a rule that is broken is found", () => {
  it.live.each<readonly [title: string, problem: string, live: ReturnType<typeof losing>]>([
    [
      "nobody is written into the journal",
      "the close of c1 did not run by itself",
      losing("INSERT OR IGNORE INTO dormouse_journal")
    ],
    ["nobody is struck out of the journal", "c1 had its close twice", losing("DELETE FROM dormouse_journal")],
    [
      "what has run is not deleted",
      "task 1 ran twice after 0 failures",
      losing("DELETE FROM dormouse_deadlines WHERE id")
    ],
    ["what is cancelled stays", "and it was taken back by", losing("DELETE FROM dormouse_deadlines WHERE name")],
    [
      "the end of a token is no deadline",
      "the close of c1, whose token has ended",
      losing("INSERT OR REPLACE INTO dormouse_deadlines", ":expiry")
    ],
    ["who was closed out is not written down", "c1 was let in", losing("INSERT INTO dormouse_guard")],
    [
      "every message is in time",
      "22 messages were taken, and at most 20 may be",
      changed((inside) => {
        inside.door = { ...inside.door!, messages: () => Effect.undefined }
      })
    ]
  ])("%s: its seed and a sequence of few steps are told (CX-2)", ([, problem, live]) =>
    Effect.gen(function*() {
      const broken = memory.make(live)
      const failure = yield* Effect.flip(Run.run(broken, { seed: "1", steps: 5_000 }))
      const { lines, problems } = failure.violation
      assert.include(problems.join("\n"), problem)
      assert.isAtMost(lines.length, 6, lines.join("\n"))
      assert.include(Run.toText(failure), `--seed ${failure.seed} `)
      const again = yield* Effect.flip(Run.run(broken, { seed: failure.seed, steps: 1, shrinkFor: 0 }))
      assert.deepStrictEqual([again.seed, again.steps], [failure.seed, failure.steps])
    }), 60_000)
})
