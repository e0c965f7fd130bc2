/**
 * The doors of the deployed Worker: who gets into a chat, and what one may do there. They are set by variables:
 *
 * | variable | |
 * |---|---|
 * | `LIMITS` | the limits, as JSON: see `RoomLimits` |
 * | `ORIGINS` | whose pages may enter, separated by commas: `same`, unless given |
 * | `JWT_SECRET` | the secret with which tokens are signed; or |
 * | `JWT_JWKS` | the `https:` address of the public keys. Without either, everybody may enter |
 * | `JWT_ISSUER`, `JWT_AUDIENCE` | what a token must say |
 * | `JWT_LABELS`, `JWT_ROOMS` | the claims of a token with its labels and its rooms |
 *
 * If one of them cannot be, nobody is let in, and the log says why.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Problem from "./domain/Problem.ts"
import * as Authenticator from "./doors/Authenticator.ts"
import * as Doors from "./doors/Doors.ts"
import * as Guard from "./doors/Guard.ts"
import { InvalidOption } from "./doors/InvalidOption.ts"
import * as JwtAuthenticator from "./doors/JwtAuthenticator.ts"
import * as Rates from "./doors/Rates.ts"
import * as RoomLimits from "./doors/RoomLimits.ts"
import * as Bindings from "./durable/Bindings.ts"
import * as DurableRates from "./durable/DurableRates.ts"
import * as RequestClaims from "./durable/RequestClaims.ts"
import * as LogLine from "./services/LogLine.ts"

const text = (name: string) => Config.option(Config.NonEmptyString(name))

/** What the doors need of the Worker's configuration, beside the variables. */
export interface Env {
  readonly CONNECTS: RateLimit
  readonly NEW_ROOMS: RateLimit
}

const limitsOf = (env: object): Effect.Effect<RoomLimits.Options, InvalidOption> =>
  Effect.fromResult(
    Result.mapError(
      RoomLimits.parse("LIMITS" in env ? env.LIMITS : undefined),
      ({ message }) => new InvalidOption({ option: "LIMITS", detail: message })
    )
  )

const variables = ["ORIGINS", "JWT_SECRET", "JWT_JWKS", "JWT_ISSUER", "JWT_AUDIENCE", "JWT_LABELS", "JWT_ROOMS"]

// `Config` takes what is empty, or no text, for missing. Here that would open a door.
const checked = Bindings.Bindings.use((env) => {
  const given: Readonly<Record<string, unknown>> = { ...env }
  const wrong = variables.find((name) => {
    const value = given[name]
    return value !== undefined && (typeof value !== "string" || value.trim() === "")
  })
  if (wrong !== undefined) return new InvalidOption({ option: wrong, detail: "It is empty, or no text." })
  const isKeyless = given["JWT_SECRET"] === undefined && given["JWT_JWKS"] === undefined
  const idle = isKeyless ? variables.find((name) => name.startsWith("JWT_") && given[name] !== undefined) : undefined
  return idle === undefined
    ? Effect.void
    : new InvalidOption({ option: idle, detail: "There is no JWT_SECRET and no JWT_JWKS beside it." })
})

const AuthenticatorLive = Layer.unwrap(Effect.gen(function*() {
  yield* checked
  const secret = yield* Config.option(Config.Redacted("JWT_SECRET"))
  const jwks = yield* Config.option(Config.URL("JWT_JWKS"))
  const claims = yield* Config.all({
    issuer: text("JWT_ISSUER"),
    audience: text("JWT_AUDIENCE"),
    labels: text("JWT_LABELS"),
    rooms: text("JWT_ROOMS")
  })
  const said = {
    issuer: Option.getOrUndefined(claims.issuer),
    audience: Option.getOrUndefined(claims.audience),
    labels: Option.getOrUndefined(claims.labels),
    rooms: Option.getOrUndefined(claims.rooms)
  }
  if (Option.isSome(secret) && Option.isSome(jwks)) {
    return yield* new InvalidOption({ option: "JWT_JWKS", detail: "There is a JWT_SECRET already." })
  }
  if (Option.isSome(secret)) return JwtAuthenticator.layer({ ...said, secret: secret.value })
  return Option.isSome(jwks)
    ? JwtAuthenticator.layer({ ...said, jwks: jwks.value })
    : Authenticator.layerAnonymous
}))

// The bindings count to what stands in `wrangler.toml`. To another number the isolate counts, for all its rooms: these are
// numbers in maps, and nothing that one object could wait for in another.
let isolate: Rates.Rates["Service"] | undefined

const RatesLive = Layer.effect(
  Rates.Rates,
  Bindings.Bindings.use((env) =>
    Effect.map(limitsOf(env), (options) => {
      const { connectsPerAddress: connects, newRoomsPerAddress: newRooms } = RoomLimits.make(options)
      const { connectsPerAddress, newRoomsPerAddress } = RoomLimits.defaults
      isolate ??= Effect.runSync(Rates.makeMemory({ connects, newRooms }))
      // SAFETY: the Worker has these bindings.
      const { CONNECTS, NEW_ROOMS } = env as Env & Cloudflare.Env
      const bound = DurableRates.make({ connects: CONNECTS, newRooms: NEW_ROOMS })
      const counting = {
        connects: connects === connectsPerAddress ? bound : isolate,
        newRooms: newRooms === newRoomsPerAddress ? bound : isolate
      }
      return Rates.Rates.of({ take: (what, address) => counting[what].take(what, address) })
    })
  )
)

const DoorsLive = Layer.unwrap(Effect.map(text("ORIGINS"), (origins) =>
  Doors.layer(
    Option.match(origins, {
      onNone: () => ({}),
      onSome: (list) => ({ origins: list.split(",").map((it) => it.trim()) })
    })
  )))

/** The guard of each chat. */
export const GuardLive = Layer.unwrap(Bindings.Bindings.use((env) => Effect.map(limitsOf(env), Guard.layer))).pipe(
  Layer.provide([AuthenticatorLive, RatesLive]),
  Layer.provide(Bindings.config)
)

/** Lets a request into the room of a name: gives what is to be handed to its object, or a refusal. */
export type Enter = (request: Request, room: string) => Promise<Request | Response>

/** Makes the doors before the chats. */
export const make = (env: Env): Enter => {
  const doors = Effect.runSyncExit(Doors.Doors.pipe(
    Effect.provide(DoorsLive.pipe(
      Layer.provide([AuthenticatorLive, RatesLive]),
      Layer.provide(Bindings.config),
      // SAFETY: the type of the bindings is that of whatever is compiled beside.
      Layer.provide(Bindings.layer(env as Env & Cloudflare.Env))
    ))
  ))
  if (Exit.isSuccess(doors)) return (request, room) => run(enter(doors.value, request, room))
  Effect.runSync(Effect.provide(Effect.logError("Nobody is let in", doors.cause), LoggerLive))
  return async () => Problem.toResponse(notSetUp)
}

const notSetUp = Problem.make(503, "Nobody can be let in: the log says why.", { "retry-after": "60" })

const enter = (
  { enter, strip }: Doors.Doors["Service"],
  request: Request,
  room: string
): Effect.Effect<Request | Response> =>
  Effect.match(enter(request, room), {
    onFailure: Problem.toResponse,
    onSuccess: (claims) => RequestClaims.attach(strip(request), claims)
  })

const LoggerLive = Logger.layer([LogLine.console])

const run = Effect.runPromiseWith(Context.make(Logger.CurrentLoggers, new Set([LogLine.console])))
