/**
 * Reminders: a message is told to everybody at its own time. A reminder of the same text moves.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Deadlines from "../../../src/services/Deadlines.ts"
import * as Room from "../../../src/services/Room.ts"

export const Reminders = Room.make("reminders", {
  receive: Schema.Struct({
    text: Schema.NonEmptyString,
    seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))
  }),
  send: Schema.Struct({ text: Schema.String }),
  deadlines: { reminder: Schema.Struct({ text: Schema.String }) }
})

export const RemindersLive = Reminders.toLayer(Effect.gen(function*() {
  const room = yield* Reminders
  return {
    message: (_, { seconds, text }) => room.deadlines.reminder.set(text, Duration.seconds(seconds), { text }),
    deadlines: { reminder: (_, { text }) => room.broadcast({ text }) }
  }
})).pipe(Layer.provide(Deadlines.layer))
