/**
 * An alarm for runtimes without one. It follows the `Clock`, and is lost with the process, unless its time is kept.
 *
 * It rings at least once, as the runtime's own does: a ring that fails is repeated after 2, 4, 8 … seconds, six times,
 * unless the alarm is set again in between.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Alarm from "./Alarm.ts"

/** Keeps the time of an alarm, in milliseconds since 1970, until it has rung. */
export interface Kept {
  readonly read: () => number | undefined
  readonly write: (at: number | undefined) => void
}

const nowhere: Kept = { read: () => undefined, write: () => undefined }

/**
 * Makes an alarm that runs `ring` at its time, or at a time that was kept. `hold` is acquired when the alarm is set, and released when `ring` has
 * ended or the alarm is removed. Closing the scope removes the alarm.
 */
export const make = Effect.fnUntraced(function*(
  ring: (repetition: number) => Effect.Effect<void, unknown>,
  hold: Effect.Effect<unknown, never, Scope.Scope> = Effect.void,
  kept: Kept = nowhere
): Effect.fn.Return<Alarm.Alarm["Service"], never, Scope.Scope> {
  const scope = yield* Effect.scope
  const surroundings = yield* Effect.context<Scope.Scope>()
  let waiting: { readonly at: number; fiber: Fiber.Fiber<void> | undefined } | undefined
  // How often somebody has set or removed the alarm: a ring after which that happened is not repeated.
  let changes = 0

  // If it cannot be kept, it rings all the same, as long as the process lives.
  const keep = (at: number | undefined) =>
    Effect.catchDefect(Effect.sync(() => kept.write(at)), (cause) => Effect.logError("The alarm was not kept", cause))

  const clear = Effect.suspend(() => {
    changes++
    const last = waiting
    waiting = undefined
    return Effect.andThen(keep(undefined), last?.fiber === undefined ? Effect.void : Fiber.interrupt(last.fiber))
  })

  // What is set first is taken back first, so that of two that are set at once the last one stays.
  const schedule = (at: number, failures: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const last = waiting
      const own: typeof waiting = { at, fiber: undefined }
      waiting = own
      const rings = Effect.suspend(() => {
        // What rings is not set any more: its own handler may set the next one.
        if (waiting === own) waiting = undefined
        const before = changes
        return Effect.flatMap(
          Effect.exit(ring(failures)),
          (exit) => {
            if (changes !== before) return Effect.void
            if (Exit.isFailure(exit) && failures < Alarm.repetitions) return repeat(failures + 1)
            return keep(undefined)
          }
        )
      })
      return hold.pipe(
        Effect.andThen(Clock.currentTimeMillis),
        Effect.flatMap((now) => Effect.sleep(Math.max(0, at - now))),
        Effect.andThen(rings),
        Effect.scoped,
        // The runtime waits for it, and not whoever sets it.
        Effect.updateContext<never, never>(() => surroundings),
        Effect.forkIn(scope),
        Effect.flatMap((fiber) => {
          own.fiber = fiber
          return last?.fiber === undefined ? Effect.void : Fiber.interrupt(last.fiber)
        })
      )
    })

  const repeat = (failures: number) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => schedule(now + 2 ** failures * 1_000, failures)
    )

  const last = kept.read()
  if (last !== undefined) yield* schedule(last, 0)

  return Alarm.Alarm.of({
    set: (at) =>
      Effect.suspend(() => {
        changes++
        return Effect.andThen(keep(at), schedule(at, 0))
      }),
    get: Effect.sync(() => Option.fromUndefinedOr(waiting?.at)),
    clear
  })
})
