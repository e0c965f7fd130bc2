/**
 * What keeps a room awake, and what does not: the same twelve rooms in memory and in workerd.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Awake from "../../src/services/Awake.ts"
import { cases } from "./Sleeper.ts"

export interface World {
  /** A newcomer says something. Ends when the handler has begun. */
  readonly say: (text: string) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** Wakes the object if it has not started. */
  readonly touch: Effect.Effect<unknown>
  readonly assertSleeps: Effect.Effect<void, Awake.StaysAwake>
}

const summary = (awake: Awake.Awake) =>
  awake._tag === "Timer"
    ? { _tag: awake._tag, by: awake.span ?? awake.origin, durations: [awake.duration] }
    : { _tag: awake._tag, by: awake.name, durations: awake.timers.map(({ duration }) => duration) }

export const contract = (name: string, make: (room: string) => Effect.Effect<World, never, Scope.Scope>) => {
  describe(name, { concurrent: true }, () => {
    assert.strictEqual(Object.keys(cases).length, 12)

    for (const [room, { awake, message }] of Object.entries(cases)) {
      const rules = awake.length === 0 ? "lets it sleep (SL-2)" : "keeps it awake, and is named (SL-1)"
      it.effect(`${room} ${rules}`, () =>
        Effect.gen(function*() {
          const world = yield* make(room)
          yield* message === undefined ? world.touch : world.say("go")
          if (awake.length === 0) return yield* world.assertSleeps
          const error = yield* Effect.flip(world.assertSleeps)
          assert.deepStrictEqual(error.awake.map(summary), awake)
          for (const { by } of awake) assert.include(error.message, by)
          if (awake[0]?._tag !== "Handler") return
          yield* world.say("stop")
          yield* world.assertSleeps
        }))
    }
  })
}
