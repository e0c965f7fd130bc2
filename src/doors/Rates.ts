/**
 * How often an address may do what costs: connect, and make a new room.
 *
 * {@link layerMemory} counts in the memory of this process or isolate. `DurableRates` lets Cloudflare count.
 */
import * as Clock from "effect/Clock"
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

const window = 60_000

/** How many counts may be begun before all of them are forgotten. */
const most = 50_000

/**
 * Counts in memory, for a process of Node, a test, or an isolate of a Worker. Each of them counts for itself. What has
 * been counted is forgotten every minute, or sooner, when 50,000 counts were begun: so it takes some megabytes, whoever
 * comes.
 */
export const layerMemory = ({ connects = 100, newRooms = 30 }: Limits = {}): Layer.Layer<Rates> =>
  Layer.sync(Rates, () => {
    const limits = { connects, newRooms }
    let counts: { readonly limiter: RateLimiter.RateLimiter; readonly since: number; begun: number } | undefined
    return Rates.of({
      take: Effect.fnUntraced(function*(what, address) {
        const now = yield* Clock.currentTimeMillis
        if (counts === undefined || now - counts.since >= window || counts.begun >= most) {
          counts = { limiter: yield* makeLimiter, since: now, begun: 0 }
        }
        const { limiter } = counts
        return yield* limiter.consume({ key: `${what} ${address}`, limit: limits[what], window }).pipe(
          Effect.map(({ limit, remaining }) => {
            if (remaining === limit - 1) counts!.begun++
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

const makeLimiter = Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory, { local: true })
