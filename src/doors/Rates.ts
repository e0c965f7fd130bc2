/**
 * How often an address may do what costs: connect, and make a new room.
 *
 * {@link layerMemory} counts in the memory of this process or isolate. `DurableRates` lets Cloudflare count.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"

/** What is counted. */
export type What = "connects" | "newRooms"

export class Rates extends Context.Service<Rates, {
  /** Counts one more. `undefined` grants it; else it is too many, for so many seconds. */
  readonly take: (what: What, address: string) => Effect.Effect<number | undefined>
}>()("effect-dormouse/doors/Rates") {}

/** How many an address may have in a minute. */
export interface Limits {
  /** 100, unless given. */
  readonly connects?: number | undefined
  /** 30, unless given. */
  readonly newRooms?: number | undefined
}

const window = "1 minute"

/** How many counts may be begun before all of them are forgotten. */
const most = 50_000

/**
 * Counts in memory, for a process of Node, a test, or an isolate of a Worker. Each of them counts for itself. When 50,000
 * counts were begun, all are forgotten: so it takes some megabytes, whoever comes.
 */
export const layerMemory = ({ connects = 100, newRooms = 30 }: Limits = {}): Layer.Layer<Rates> =>
  Layer.sync(Rates, () => {
    const limits = { connects, newRooms }
    let counts: { readonly limiter: RateLimiter.RateLimiter; begun: number } | undefined
    return Rates.of({
      take: Effect.fnUntraced(function*(what, address) {
        if (counts === undefined || counts.begun >= most) counts = { limiter: yield* makeLimiter, begun: 0 }
        const current = counts
        return yield* current.limiter.consume({ key: `${what} ${address}`, limit: limits[what], window }).pipe(
          Effect.map(({ limit, remaining }) => {
            if (remaining === limit - 1) current.begun++
            return undefined
          }),
          Effect.catchReason(
            "RateLimiterError",
            "RateLimitExceeded",
            ({ retryAfter }) => Effect.succeed(Math.max(1, Math.ceil(Duration.toSeconds(retryAfter))))
          ),
          // Memory does not fail.
          Effect.orDie
        )
      })
    })
  })

// Shared with nobody, neither with an app that counts in memory, too.
const makeLimiter = Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory, { local: true })
