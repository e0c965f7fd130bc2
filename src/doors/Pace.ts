/**
 * The rate of a connection's messages: a bucket of Effect's `RateLimiter`, kept beside the socket. What is kept there
 * outlives a sleep, so a sleep fills the bucket no more than its time does.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Assembly from "../services/Assembly.ts"
import type * as Sockets from "../services/Sockets.ts"
import * as Beside from "./Beside.ts"
import type * as RoomLimits from "./RoomLimits.ts"

/**
 * What becomes of messages: they are in time, or they come too fast, for the last time that is borne or not. Those of a
 * connection whose token has expired come too late.
 */
export type Verdict = "InTime" | "TooFast" | "TooOften" | "Expired"

// A bucket after a while, in milliseconds: one token more for each interval, up to the limit.
const filled = (
  { since, tokens }: Pick<Beside.Beside, "since" | "tokens">,
  now: number,
  limit: number,
  interval: number
) => {
  // A clock that was set back begins the interval anew.
  const begun = Math.min(since, now)
  const earned = Math.floor((now - begun) / interval)
  const filled = Math.min(limit, tokens + earned)
  return { tokens: filled, since: filled >= limit ? now : begun + earned * interval }
}

const unused = Effect.die(new Error("The pace takes from buckets alone."))

/** Makes what judges the messages of a room's connections, so many of which come in one frame. */
export const make = (
  assembly: Assembly.Assembly,
  { messageBurst: limit, messagesPerSecond, rateViolations }: Pick<
    RoomLimits.RoomLimits,
    "messageBurst" | "messagesPerSecond" | "rateViolations"
  >
): Effect.Effect<
  (socket: Sockets.Socket, id: ConnectionId.ConnectionId, messages: number) => Effect.Effect<Verdict>
> => {
  const socketOf = (key: string) => assembly.registry.socketOf(key as ConnectionId.ConnectionId)
  const store = RateLimiter.RateLimiterStore.of({
    tokenBucket: ({ key, refillRate, tokens: taken }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        // SAFETY: the keys are those of `consume`, below.
        const socket = socketOf(key)
        if (socket === undefined) return [0, 0]
        const beside = Beside.of(assembly, socket)
        const bucket = filled(beside, now, limit, Duration.toMillis(refillRate))
        const tokens = bucket.tokens - taken
        Beside.set(
          assembly,
          socket,
          tokens < 0
            ? { ...beside, ...bucket, heardAt: now }
            : { ...beside, ...bucket, heardAt: now, violations: 0, tokens }
        )
        return [tokens, now - bucket.since]
      }),
    fixedWindow: () => unused,
    adaptiveConsume: () => unused,
    adaptiveFeedback: () => unused
  })
  const bucket = { algorithm: "token-bucket", limit, window: Duration.seconds(limit / messagesPerSecond) } as const
  return Effect.map(
    Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store),
    ({ consume }) => (socket, key, tokens) =>
      Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const beside = Beside.of(assembly, socket)
        if (beside.expiresAt !== 0 && beside.expiresAt <= now) return Effect.succeed("Expired")
        return Effect.match(consume({ ...bucket, key, tokens }), {
          onFailure: () => {
            const last = Beside.of(assembly, socket)
            const violations = last.violations + 1
            Beside.set(assembly, socket, { ...last, heardAt: now, violations })
            return violations < rateViolations ? "TooFast" : "TooOften"
          },
          onSuccess: () => "InTime"
        })
      })
  )
}
