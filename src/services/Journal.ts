/**
 * Every opened connection gets its close, also if a crash has taken it.
 *
 * The runtime tells nobody which sockets go with a crash, a deploy or an `abort`. A room with `journal: true` writes down
 * who enters, and strikes out who has left. With its next start, and at the latest a minute later, it finds those whose
 * socket has gone. It runs their `close` with 1006, once each, in the order in which they have entered, with their last
 * state.
 *
 * This costs a row when somebody enters and leaves, and one for each change of a state. While somebody is there, an alarm
 * wakes the room every minute: nothing else would, after a crash.
 *
 * **Example** (a room that always knows who has left)
 *
 * ```ts
 * const Desk = Room.make("desk", { receive: Schema.String, send: Schema.String, journal: true })
 *
 * const DeskLive = Desk.toLayer({
 *   close: ({ id }) => Effect.log(`${id} has left`)
 * }).pipe(Layer.provide(Journal.layer))
 * ```
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** Marks a room that keeps a journal. */
export class Journal extends Context.Service<Journal, {
  /** How many connections stand in the journal. */
  readonly count: Effect.Effect<number>
}>()("effect-dormouse/services/Journal") {}
