/**
 * The one alarm of a room's object: it wakes the object at a time and runs the room's `alarm` handler.
 *
 * Use it for everything that is to happen later. A timer keeps the object awake, and billed, until it fires.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/** How often a runtime repeats an alarm that fails, before it gives it up. */
export const repetitions = 6

export class Alarm extends Context.Service<Alarm, {
  /**
   * Sets the alarm to a time in milliseconds since 1970. It replaces the one that is set. A time that has passed fires
   * at once.
   */
  readonly set: (at: number) => Effect.Effect<void>
  /** When the alarm fires, in milliseconds since 1970, if it is set. */
  readonly get: Effect.Effect<Option.Option<number>>
  /** Removes the alarm. */
  readonly clear: Effect.Effect<void>
}>()("effect-dormouse/services/Alarm") {}
