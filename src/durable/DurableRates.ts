/**
 * The rates of `Doors`, counted by Cloudflare's rate-limit bindings: for all isolates of a location, and without any
 * memory of one's own.
 *
 * How many an address may have stands in the configuration of the bindings:
 *
 * ```toml
 * [[ratelimits]]
 * name = "CONNECTS"
 * namespace_id = "1001"
 * simple = { limit = 100, period = 60 }
 * ```
 *
 * **Example** (the binding above, and one for new rooms)
 *
 * ```ts
 * const RatesLive = DurableRates.layer({ connects: "CONNECTS", newRooms: "NEW_ROOMS" })
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rates from "../doors/Rates.ts"
import * as Bindings from "./Bindings.ts"

/** The bindings that limit rates. */
export type RateBinding = {
  [Name in keyof Cloudflare.Env]: Cloudflare.Env[Name] extends RateLimit ? Name : never
}[keyof Cloudflare.Env]

/** Which binding counts what. What has none is not counted. */
export interface Options {
  readonly connects?: RateBinding | undefined
  readonly newRooms?: RateBinding | undefined
  /** The bindings' `period`, after which who was refused may try again: 60 seconds, unless given. */
  readonly period?: Duration.Input | undefined
}

/**
 * Counts with bindings of the Worker. Where one does not answer within a second, nobody is refused, and the log has a warning: a fault of
 * the counting closes no door.
 */
export const layer = ({ period, ...bindings }: Options): Layer.Layer<
  Rates.Rates,
  never,
  Bindings.Bindings
> =>
  Layer.effect(
    Rates.Rates,
    Bindings.Bindings.useSync((env) => {
      // SAFETY: the type of the binding says that it limits rates.
      const of = (binding: RateBinding | undefined) => binding && env[binding] as RateLimit
      return make({ connects: of(bindings.connects), newRooms: of(bindings.newRooms) }, period)
    })
  )

/** How long a binding may take. */
const patience = "1 second"

/** Makes the service of the bindings themselves. */
export const make = (
  limiters: { readonly [What in Rates.What]?: RateLimit | undefined },
  period: Duration.Input = "60 seconds"
): Rates.Rates["Service"] => {
  const seconds = Math.ceil(Duration.toSeconds(period))
  return Rates.Rates.of({
    take: (what, key) => {
      const limiter = limiters[what]
      return limiter === undefined ? Effect.undefined : Effect.tryPromise(() => limiter.limit({ key })).pipe(
        Effect.timeout(patience),
        Effect.map(({ success }) => success ? undefined : seconds),
        Effect.catch((error) =>
          Effect.as(
            Effect.logWarning(`The binding for ${what} does not answer, so nobody is refused`, error),
            undefined
          )
        )
      )
    }
  })
}
