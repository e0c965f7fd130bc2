/**
 * A hall in which nobody may talk too fast: a rate limit for each user, with Effect's own `RateLimiter`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import * as Claims from "../../../src/domain/Claims.ts"
import * as Problem from "../../../src/domain/Problem.ts"
import * as Room from "../../../src/services/Room.ts"

/** What a user is told who talks too fast. */
export class TooFast extends Schema.TaggedError<TooFast>()("TooFast", { retryAfterMillis: Schema.Int }) {}

export const Hall = Room.make("hall", {
  receive: Schema.NonEmptyString,
  send: Schema.Struct({ user: Schema.String, text: Schema.String }),
  error: TooFast
})

/** How a client reads a refusal. */
export const Refused = Schema.fromJsonString(Schema.TaggedStruct("Error", {
  code: Schema.Literal("Refused"),
  message: Schema.String,
  error: Schema.toCodecJson(TooFast)
}))

export const HallLive = Hall.toLayer(Effect.gen(function*() {
  const room = yield* Hall
  const limiter = yield* RateLimiter.RateLimiter
  return {
    connect: (request) => {
      const user = Claims.get(request, "user")
      return user === undefined ? Problem.make(401, "Say who you are.") : Effect.succeed({ user })
    },
    message: Effect.fnUntraced(function*({ id, user = id }, text) {
      yield* limiter.consume({ key: user, limit: 3, window: "5 seconds" }).pipe(
        Effect.catchReason(
          "RateLimiterError",
          "RateLimitExceeded",
          ({ retryAfter }) => Effect.fail(new TooFast({ retryAfterMillis: Math.ceil(Duration.toMillis(retryAfter)) }))
        )
      )
      yield* room.broadcast({ user, text })
    })
  }
}))

/** Counts in memory. An object sleeps after ten seconds of silence, when the last window has long ended. */
export const LimiterLive = Layer.provide(RateLimiter.layer, RateLimiter.layerStoreMemory)
