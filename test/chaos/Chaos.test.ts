import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as Play from "../../chaos/Play.ts"
import * as processes from "../../chaos/processes.ts"
import * as Run from "../../chaos/Run.ts"

describe.concurrent("whatever happens to a room, and however its process is killed, nothing is lost", () => {
  it.live.each([processes.workerd, processes.node])("in $name (CX-1, CX-3)", (kind) =>
    Effect.gen(function*() {
      assert.isAtLeast(yield* Run.run(kind, { seed: "10", steps: 60 }), 60)
    }), 300_000)
})

const stalls = { _tag: "Stall", who: 0 } as const
const isClosed = { _tag: "Kick", who: 0, code: 1000 } as const
const enters = { _tag: "Connect", lingers: 0, pass: undefined } as const
const sleeps = { _tag: "Evict" } as const
const shouts = { _tag: "Shout", times: 3 } as const

describe.concurrent("a reader that stops reading is closed, stays so through every sleep, and the others lose nothing", () => {
  it.live.each([processes.workerd, processes.node])("in $name (CX-3, CR-3)", (kind) =>
    // A kernel keeps some megabytes for it.
    Play.perform(
      { ...kind, unread: 8_000_000 },
      [enters, enters, stalls, shouts, shouts, { _tag: "Look" }, stalls, isClosed, sleeps, sleeps, { _tag: "Look" }],
      0
    ), 60_000)
})

const chaos = (...options: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [new URL("../../chaos/main.ts", import.meta.url).pathname, ...options], {
    encoding: "utf8"
  })

it("a run says what it has done, and what is wrong with its options (CX-2)", () => {
  const run = chaos("--world", "memory", "--seed", "7", "--steps", "100")
  assert.match(run.stdout, /^No violation: \d+ steps in memory, seed 7, \d+ s\n$/)
  assert.strictEqual(run.status, 0)
  const wrong = chaos("--world", "moon")
  assert.match(wrong.stderr, /^There is no world "moon"/)
  assert.strictEqual(wrong.status, 2)
  assert.match(chaos("--help").stdout, /^npm run chaos -- \[options\]/)
})
