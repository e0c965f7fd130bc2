/**
 * Knows clients by a JSON Web Token that another server has signed.
 *
 * It takes the user from the claim `sub`, and labels and rooms from two more. It needs the package `jose`, which nothing
 * else imports. Times are read from Effect's `Clock`.
 *
 * **Example** (a shared secret)
 *
 * ```ts
 * const AuthenticatorLive = Layer.unwrap(
 *   Effect.map(Config.Redacted("TOKEN_SECRET"), (secret) =>
 *     JwtAuthenticator.layer({ secret, audience: "rooms" }))
 * )
 * ```
 *
 * **Example** (the public keys of an identity provider)
 *
 * ```ts
 * const ProviderLive = JwtAuthenticator.layer({
 *   jwks: new URL("https://id.example/.well-known/jwks.json"),
 *   algorithms: ["RS256"],
 *   issuer: "https://id.example/",
 *   audience: "https://rooms.example",
 *   labels: "https://id.example/roles"
 * })
 * ```
 */
import type * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey
} from "jose"
import * as Limits from "../domain/Limits.ts"
import * as Problem from "../domain/Problem.ts"
import * as Authenticator from "./Authenticator.ts"
import * as Bearer from "./Bearer.ts"
import { InvalidOption } from "./InvalidOption.ts"
import type * as Principal from "./Principal.ts"

/** With which key tokens are signed: `HS256` with a shared secret, or another algorithm with a public key. */
export type Options = Claims & (Secret | PublicKeys)

/** Tokens that are signed with `HS256`, and no others. */
export interface Secret {
  /** At least 32 bytes of UTF-8. */
  readonly secret: Redacted.Redacted
  readonly jwks?: undefined
}

/** Tokens that are signed with a private key. */
export interface PublicKeys {
  readonly secret?: undefined
  /**
   * The public keys, or where they are: an `https:` address, or one of this machine. Keys from there are kept for ten minutes, and asked for again
   * when a token names an unknown one, at most every thirty seconds. Where they do not come, the answer is 503.
   */
  readonly jwks: URL | JSONWebKeySet
  /** The algorithms that are taken. All three, unless given. */
  readonly algorithms?: ReadonlyArray<"RS256" | "ES256" | "EdDSA"> | undefined
  /** How long the keys may take to come: 5 seconds, unless given. */
  readonly timeout?: Duration.Input | undefined
}

/** What a token must say, and where. */
export interface Claims {
  /** Who must have issued it: one of these. Anybody who has the key, unless given. */
  readonly issuer?: string | ReadonlyArray<string> | undefined
  /** Whom it must be for: one of these. Anybody, unless given; give it where an issuer serves more than one audience. */
  readonly audience?: string | ReadonlyArray<string> | undefined
  /** By how much the clocks of servers may differ: 5 seconds, unless given. A token is good for that much longer. */
  readonly skew?: Duration.Input | undefined
  /** Also takes tokens that never expire. */
  readonly unexpiring?: boolean | undefined
  /** The claim with the labels, a list of texts: `labels`, unless given. A token without it has none. */
  readonly labels?: string | undefined
  /** The claim with the rooms, as in `Principal`: `rooms`, unless given. A token without it is for all rooms. */
  readonly rooms?: string | undefined
}

/** Lets in who has a good token, and nobody else. */
export const layer = (options: Options): Layer.Layer<Authenticator.Authenticator, InvalidOption> =>
  Layer.effect(Authenticator.Authenticator, Effect.suspend(() => make(options)))

const secretBytes = 32

const asymmetric: ReadonlyArray<"RS256" | "ES256" | "EdDSA"> = ["RS256", "ES256", "EdDSA"]

/** The keys did not come, or are none. */
class KeysUnavailable extends Error {}

const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  Authenticator.Authenticator["Service"],
  InvalidOption
> {
  const skew = Option.match(Duration.fromInput(options.skew ?? "5 seconds"), {
    onNone: () => NaN,
    onSome: Duration.toSeconds
  })
  if (!Number.isFinite(skew)) return yield* new InvalidOption({ option: "skew", detail: "It is no finite time." })
  const { algorithms, key } = yield* keyOf(options)
  const { audience, issuer } = options
  const settings = {
    algorithms: [...algorithms],
    clockTolerance: skew,
    ...(audience !== undefined && { audience: [audience].flat() }),
    ...(issuer !== undefined && { issuer: [issuer].flat() })
  }

  const verify = Effect.fnUntraced(function*(token: Redacted.Redacted) {
    const currentDate = yield* DateTime.nowAsDate
    const { payload } = yield* Effect.tryPromise(() =>
      jwtVerify(Redacted.value(token), key, { ...settings, currentDate })
    ).pipe(Effect.catch(refuse))
    const claims = read(payload, options)
    if (Result.isFailure(claims)) return yield* invalid("The token does not fit: its claims have another form.")
    const { exp, iat, labels = [], rooms, sub } = claims.success
    if (exp === undefined && options.unexpiring !== true) return yield* invalid("The token never expires.")
    if (iat !== undefined && iat > currentDate.getTime() / 1_000 + skew) {
      return yield* invalid("The token is not valid yet.")
    }
    return {
      user: sub,
      labels: [...new Set(labels)],
      rooms,
      expiresAt: exp === undefined ? undefined : (exp + skew) * 1_000,
      issuedAt: iat === undefined ? undefined : iat * 1_000
    } satisfies Principal.Principal
  })

  return Authenticator.Authenticator.of({
    authenticate: (request) => {
      const token = Bearer.find(request)
      return token === undefined ? Authenticator.unauthorized("This takes a bearer token.") : verify(token)
    },
    verify
  })
})

const keyOf = (
  options: Secret | PublicKeys
): Effect.Effect<
  { readonly algorithms: ReadonlyArray<string>; readonly key: JWTVerifyGetKey },
  InvalidOption
> => {
  if (options.secret !== undefined) {
    const secret = new TextEncoder().encode(Redacted.value(options.secret))
    return secret.length < secretBytes
      ? new InvalidOption({ option: "secret", detail: `It has less than ${secretBytes} bytes.` })
      : Effect.succeed({ algorithms: ["HS256"], key: () => secret })
  }
  const { algorithms = asymmetric, jwks, timeout = "5 seconds" } = options
  if (algorithms.length === 0 || !algorithms.every((algorithm) => asymmetric.includes(algorithm))) {
    return new InvalidOption({ option: "algorithms", detail: `These are some of ${asymmetric.join(", ")}.` })
  }
  if (jwks instanceof URL ? !isSafe(jwks) : !(jwks?.keys?.length > 0)) {
    return new InvalidOption({ option: "jwks", detail: "This is an `https:` address, or a set with a key." })
  }
  return Effect.try({
    try: () => ({
      algorithms,
      key: available(
        jwks instanceof URL
          ? createRemoteJWKSet(jwks, { timeoutDuration: Math.ceil(Duration.toMillis(timeout)) })
          : createLocalJWKSet(jwks)
      )
    }),
    catch: (error) => new InvalidOption({ option: "jwks", detail: String(error) })
  })
}

// What comes from this machine needs no TLS.
const isSafe = ({ hostname, protocol }: URL) =>
  protocol === "https:" || protocol === "http:" && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)

// That no key fits is the token's fault. That there are none is not.
const available = (find: JWTVerifyGetKey): JWTVerifyGetKey => async (header, token) => {
  try {
    return await find(header, token)
  } catch (cause) {
    if (
      cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys ||
      cause instanceof errors.JOSENotSupported
    ) throw cause
    throw new KeysUnavailable("The keys of tokens are unavailable", { cause })
  }
}

const invalid = (detail: string) => Authenticator.unauthorized(detail, "invalid_token")

// What is wrong with a token is told in words of our own, since the error of `jose` holds its claims.
const refuse = ({ cause: error }: Cause.UnknownError): Effect.Effect<never, Problem.Problem> => {
  if (error instanceof errors.JWTExpired) return invalid("The token has expired.")
  if (error instanceof errors.JOSEError) return invalid("The token is not valid here.")
  return Effect.andThen(
    Effect.logError("No token can be verified", error),
    Problem.make(503, "No token can be verified now.", { "retry-after": "5" })
  )
}

// A user and a label are tags of a socket, behind a prefix of two bytes.
const Tag = Schema.NonEmptyString.check(
  Schema.makeFilter((text: string) => text.isWellFormed() && Limits.utf8Bytes(text) <= Limits.tagBytes - 2)
)

// Beside the labels a socket has tags for its connection, its protocol, its user, and its address.
const Labels = Schema.Array(Tag).check(
  Schema.makeFilter((labels: ReadonlyArray<string>) => new Set(labels).size <= Limits.tagsPerSocket - 4)
)

// In seconds, and no later than a `Date` can tell.
const Time = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 8_640_000_000_000 }))

const decode = Schema.decodeUnknownResult(Schema.Struct({
  sub: Tag,
  labels: Schema.optional(Labels),
  rooms: Schema.optional(Schema.Array(Schema.String)),
  exp: Schema.optional(Time),
  iat: Schema.optional(Time)
}))

const read = (payload: JWTPayload, { labels = "labels", rooms = "rooms" }: Claims) =>
  decode({
    sub: payload.sub,
    labels: payload[labels],
    rooms: payload[rooms],
    exp: payload.exp,
    iat: payload.iat
  })
