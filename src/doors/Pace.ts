/**
 * The rate of a connection's messages: a bucket of Effect's `RateLimiter`, kept beside the socket. What is kept there
 * outlives a sleep, so a sleep fills the bucket no more than its time does.
 *
 * To ask the limiter for each message, and to write down what it says, would make an echo a tenth dearer. So whoever
 * says many messages one after the other pays for ten of them at a time. What was paid, and not said, is in memory alone:
 * a sleep can only lose it. It holds as long as the bucket would not be full in any case, and goes back into it then: so
 * it allows nobody more, or less, than the bucket does.
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

/** Judges the messages of a room's connections. */
export interface Pace {
  /** Whether so many messages are paid already. If they are, they are said by that. A plain function. */
  readonly isPaid: (socket: Sockets.Socket, messages: number) => boolean
  /** What becomes of so many messages that come in one frame now, and are not paid. */
  readonly judge: (
    socket: Sockets.Socket,
    id: ConnectionId.ConnectionId,
    messages: number
  ) => Effect.Effect<Verdict>
}

/** Messages that were paid. */
interface Advance {
  left: number
  /** Until when they may be said, in milliseconds since 1970. */
  readonly until: number
}

// A bucket after a while, in milliseconds: one token more for each interval, up to the limit.
const filled = (tokens: number, since: number, now: number, limit: number, interval: number) => {
  // A clock that was set back begins the interval anew.
  const begun = Math.min(since, now)
  const earned = Math.floor((now - begun) / interval)
  const filled = Math.min(limit, tokens + earned)
  return { tokens: filled, since: filled >= limit ? now : begun + earned * interval }
}

const unused = Effect.die(new Error("The pace takes from buckets alone."))

/** Makes the pace of a room. */
export const make = Effect.fnUntraced(function*(
  assembly: Assembly.Assembly,
  { idleSeconds, messageBurst: limit, messagesPerSecond, rateViolations }: Pick<
    RoomLimits.RoomLimits,
    "idleSeconds" | "messageBurst" | "messagesPerSecond" | "rateViolations"
  >
) {
  const clock = yield* Clock.Clock
  // By what is kept beside the socket: whoever writes there anew ends the advance.
  const advances = new WeakMap<Beside.Kept, Advance>()
  // A sleep may lose a tenth of what may be said at once, and no more. Where silence counts, each message is written down.
  const advance = idleSeconds > 0 ? 0 : Math.min(20, Math.floor(limit / 5))

  // SAFETY: the keys are those of `consume`, below.
  const socketOf = (key: string) => assembly.registry.socketOf(key as ConnectionId.ConnectionId)

  const advanceOf = (socket: Sockets.Socket) => {
    const kept = Beside.keptOf(assembly, socket)
    return kept === undefined ? undefined : advances.get(kept)
  }

  const take = (socket: Sockets.Socket, taken: number, interval: number): readonly [left: number, elapsed: number] => {
    const now = clock.currentTimeMillisUnsafe()
    const beside = Beside.of(assembly, socket)
    const paid = advanceOf(socket)?.left ?? 0
    const { since, tokens } = filled(beside.tokens + paid, beside.since, now, limit, interval)
    const left = tokens - taken
    if (left < 0) {
      Beside.set(assembly, socket, { ...beside, tokens, since, heardAt: now })
    } else {
      // Whoever says little would be full again before the next message.
      const ahead = left + advance <= limit && left >= advance ? advance : 0
      const next = { ...beside, tokens: left - ahead, since, heardAt: now, violations: 0 }
      const kept = Beside.set(assembly, socket, next)
      if (ahead > 0) {
        const full = since + (limit - left) * interval
        advances.set(kept, { left: ahead, until: beside.expiresAt === 0 ? full : Math.min(full, beside.expiresAt) })
      }
    }
    return [left, now - since]
  }

  const store = RateLimiter.RateLimiterStore.of({
    tokenBucket: ({ key, refillRate, tokens }) =>
      Effect.sync(() => {
        const socket = socketOf(key)
        return socket === undefined ? [0, 0] : take(socket, tokens, Duration.toMillis(refillRate))
      }),
    fixedWindow: () => unused,
    adaptiveConsume: () => unused,
    adaptiveFeedback: () => unused
  })
  const { consume } = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store)
  const bucket = { algorithm: "token-bucket", limit, window: Duration.seconds(limit / messagesPerSecond) } as const

  return {
    isPaid: (socket, messages) => {
      const paid = advanceOf(socket)
      if (paid === undefined || paid.left < messages || clock.currentTimeMillisUnsafe() >= paid.until) return false
      paid.left -= messages
      return true
    },
    judge: (socket, key, tokens) => {
      const { expiresAt } = Beside.of(assembly, socket)
      if (expiresAt !== 0 && expiresAt <= clock.currentTimeMillisUnsafe()) return Effect.succeed("Expired")
      return Effect.match(consume({ ...bucket, key, tokens }), {
        onFailure: () => {
          const last = Beside.of(assembly, socket)
          const violations = last.violations + 1
          Beside.set(assembly, socket, { ...last, heardAt: clock.currentTimeMillisUnsafe(), violations })
          return violations < rateViolations ? "TooFast" : "TooOften"
        },
        onSuccess: () => "InTime"
      })
    }
  } satisfies Pace
})
