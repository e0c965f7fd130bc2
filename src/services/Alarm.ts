/**
 * The one alarm of a room's object: it wakes the object at a time and runs the room's `alarm` handler.
 *
 * Use it for whatever is to happen later. A timer would keep the object awake, and billed, until it fires.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

export class Alarm extends Context.Service<Alarm, {
  /** Sets the alarm, in place of the one that is set. A time that has passed fires at once. */
  readonly set: (at: DateTime.DateTime) => Effect.Effect<void>
  /** When the alarm fires, where one is set. */
  readonly get: Effect.Effect<Option.Option<DateTime.Utc>>
  /** Removes the alarm. */
  readonly clear: Effect.Effect<void>
}>()("effect-dormouse/services/Alarm") {}
