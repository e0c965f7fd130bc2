/**
 * Who the clients of a chaos run are. A token is JSON, and says nothing but the truth: a run is no place for strangers.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Claims from "../src/domain/Claims.ts"
import * as Authenticator from "../src/doors/Authenticator.ts"
import * as Principal from "../src/doors/Principal.ts"

export type Token = typeof Token.Type

/** Times are in milliseconds since 1970. */
export const Token = Schema.Struct({
  user: Schema.String,
  issuedAt: Schema.Int,
  expiresAt: Schema.optionalKey(Schema.Int)
})

const asText = Schema.fromJsonString(Token)

export const encode = Schema.encodeSync(asText)

const decode = Schema.decodeEffect(asText)

/** What a room may believe of a client that comes with a URL. */
export const claimsOf = (url: string): Claims.Claims => {
  const token = new URL(url).searchParams.get("token")
  if (token === null) return {}
  const said = Schema.decodeSync(asText)(token)
  return Principal.toClaims({ ...Principal.anonymous, ...said })
}

/** Lets clients send new tokens. */
export const layer = Layer.succeed(Authenticator.Authenticator)({
  authenticate: () => Effect.succeed(Principal.anonymous),
  verify: (token) =>
    decode(Redacted.value(token)).pipe(
      Effect.map((said) => ({ ...Principal.anonymous, ...said })),
      Effect.mapError(() => Authenticator.unauthorized("This is no token."))
    )
})
