/**
 * An alarm that is kept in memory: it follows the `Clock`, and is lost with the process.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Alarm from "../services/Alarm.ts"

/**
 * Makes an alarm that runs `ring` at its time. What `hold` acquires is held from when the alarm is set until `ring` has
 * ended, or the alarm is removed. Closing the scope removes it.
 */
export const make = Effect.fnUntraced(function*(
  ring: Effect.Effect<void>,
  hold: Effect.Effect<unknown, never, Scope.Scope> = Effect.void
): Effect.fn.Return<Alarm.Alarm["Service"], never, Scope.Scope> {
  const scope = yield* Effect.scope
  let waiting: { readonly at: number; readonly fiber: Fiber.Fiber<void> } | undefined

  const clear = Effect.suspend(() => {
    const last = waiting
    waiting = undefined
    return last === undefined ? Effect.void : Fiber.interrupt(last.fiber)
  })

  // What rings is not set any more: its own handler may set the next one.
  const rings = Effect.suspend(() => {
    waiting = undefined
    return ring
  })

  return Alarm.Alarm.of({
    set: Effect.fnUntraced(function*(at) {
      yield* clear
      const wait = Math.max(0, at - (yield* Clock.currentTimeMillis))
      const fiber = yield* hold.pipe(
        Effect.andThen(Effect.sleep(wait)),
        Effect.andThen(rings),
        Effect.scoped,
        Effect.forkIn(scope)
      )
      waiting = { at, fiber }
    }),
    get: Effect.sync(() => Option.fromUndefinedOr(waiting?.at)),
    clear
  })
})
