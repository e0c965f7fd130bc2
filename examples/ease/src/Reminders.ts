/**
 * Reminders: a message is told to everybody at its own time. Many moments share the one alarm of the room.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Alarm from "../../../src/services/Alarm.ts"
import * as Room from "../../../src/services/Room.ts"
import { Due } from "./Due.ts"

export const Reminders = Room.make("reminders", {
  receive: Schema.Struct({
    text: Schema.NonEmptyString,
    seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 86_400 }))
  }),
  send: Schema.Struct({ text: Schema.String })
})

export const RemindersLive = Reminders.toLayer(Effect.gen(function*() {
  const room = yield* Reminders
  const alarm = yield* Alarm.Alarm
  const due = yield* Due
  const rearm = Effect.flatMap(due.next, Option.match({ onNone: () => alarm.clear, onSome: alarm.set }))
  return {
    message: Effect.fnUntraced(function*(_, { seconds, text }) {
      const now = yield* Clock.currentTimeMillis
      yield* due.add(now + Duration.toMillis(Duration.seconds(seconds)), text)
      yield* rearm
    }),
    // A text is removed once it was told. Where the object goes in between, it is told again.
    alarm: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      for (const { id, text } of yield* due.until(now)) {
        yield* room.broadcast({ text })
        yield* due.remove(id)
      }
      yield* rearm
    })
  }
}))
