/**
 * The room of docs/sleeping.md, which tells everybody when the tea is ready: once without sleeping, once with.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Room from "../../src/services/Room.ts"

export const Tea = Room.make("tea", {
  receive: Schema.Struct({ minutes: Schema.Int }),
  send: Schema.Struct({ text: Schema.String })
})

export const Restless = Tea.toLayer({
  message: Effect.fnUntraced(function*(_, { minutes }) {
    const room = yield* Tea
    yield* room.broadcast({ text: "The tea is ready." }).pipe(
      Effect.delay(Duration.minutes(minutes)), // awake until then
      Effect.withSpan("steep"),
      Effect.forkDetach
    )
  })
})

export const TeaLive = Tea.toLayer(Effect.gen(function*() {
  const room = yield* Tea
  const alarm = yield* Alarm.Alarm
  return {
    message: Effect.fnUntraced(function*(_, { minutes }) {
      const now = yield* Clock.currentTimeMillis
      yield* alarm.set(now + Duration.toMillis(Duration.minutes(minutes))) // asleep until then
    }),
    alarm: room.broadcast({ text: "The tea is ready." })
  }
}))
