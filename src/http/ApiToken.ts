/**
 * The bearer tokens of an API, and what each of them may do.
 *
 * There may be more than one: a new token is let in beside the old one until everybody has it, and a program that only
 * publishes needs no token that closes connections.
 *
 * **Example** (the tokens of the environment)
 *
 * ```ts
 * const RoutesLive = Layer.unwrap(
 *   Effect.map(ApiToken.configured, (tokens) => RoomsApiRoutes.layer(Lobby, { authorize: ApiToken.authorize(tokens) }))
 * )
 * ```
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Problem from "../domain/Problem.ts"

/**
 * What a token may do: `publish` messages; `list` the rooms, and the connections of one; `disconnect` them, which drains
 * rooms, too.
 */
export const Scope = Schema.Literals(["publish", "list", "disconnect"])

/** What a token may do. */
export type Scope = typeof Scope.Type

/** A token, and what it may do. */
export interface ApiToken {
  readonly token: Redacted.Redacted
  readonly scopes: ReadonlyArray<Scope>
}

const VARIABLE = "API_TOKEN"

// Names of properties are told in an error, and somebody may take a token for one.
const exactly = Schema.Record(Schema.String, Schema.Json).check(
  Schema.makeFilter((entry) =>
    Object.keys(entry).every((key) => key === "token" || key === "scopes")
      ? undefined
      : "nothing but `token` and `scopes`"
  )
)

const Tokens = Schema.fromJsonString(
  Schema.NonEmptyArray(exactly.pipe(Schema.decodeTo(Schema.Struct({
    token: Schema.RedactedFromValue(
      Schema.String.check(Schema.isPattern(/^[!-~]{16,}$/, { expected: "at least 16 visible characters of ASCII" }))
    ),
    scopes: Schema.NonEmptyArray(Scope)
  })))).check(
    Schema.makeFilter((tokens) =>
      new Set(tokens.map(({ token }) => Redacted.value(token))).size === tokens.length ? undefined : "each token once"
    )
  )
)

/**
 * The tokens of the variable or secret `API_TOKEN`; none if it is not set, or empty.
 *
 * It is a JSON array, `[{ "token": "…", "scopes": ["publish"] }]`, in which a token has at least 16 visible ASCII
 * characters; or a plain text, which is one token for everything. What begins with `[` or `{` is taken for JSON: where it
 * is of another form, this fails, and the message names the place but no value. A plain token with such a beginning has
 * to be written as JSON.
 */
export const configured: Effect.Effect<ReadonlyArray<ApiToken>, Config.ConfigError> = /* @__PURE__ */ Effect.gen(
  function*() {
    const token = yield* Config.withDefault(Config.Redacted(VARIABLE), Redacted.make(""))
    const text = Redacted.value(token)
    if (/^\s*[[{]/.test(text)) return yield* Config.schema(Tokens, VARIABLE)
    return text === "" ? [] : forEverything(token)
  }
)

/**
 * Lets a request in if it has one of the tokens as `authorization: Bearer …`, and that token has the scope. Without a
 * token that is known it is refused with 401, without the scope with 403. A single token is one for everything. An empty
 * token lets nobody in. The time of an answer says nothing about the tokens.
 */
export const authorize = (tokens: Redacted.Redacted | ReadonlyArray<ApiToken>) => {
  const known = Redacted.isRedacted(tokens) ? forEverything(tokens) : tokens
  return (request: Request, _room: string, scope: Scope): Effect.Effect<void, Problem.Problem> =>
    Effect.flatMap(Effect.promise(() => find(given(request), known)), (found) => {
      if (found.length === 0) {
        return Problem.make(401, "This takes a bearer token.", { "www-authenticate": "Bearer" })
      }
      return found.some(({ scopes }) => scopes.includes(scope)) ? Effect.void : Problem.make(
        403,
        `This takes a token with the scope \`${scope}\`.`,
        { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` }
      )
    })
}

const forEverything = (token: Redacted.Redacted): ReadonlyArray<ApiToken> => [{ token, scopes: Scope.literals }]

const given = ({ headers }: Request): Redacted.Redacted =>
  Redacted.make(/^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "")

// Compares with each, whichever it is.
const find = async (given: Redacted.Redacted, tokens: ReadonlyArray<ApiToken>): Promise<ReadonlyArray<ApiToken>> => {
  const one = await digest(given)
  const others = await Promise.all(tokens.map(({ token }) => digest(token)))
  const same = others.map((other) => isSame(one, other))
  return tokens.filter(({ token }, index) => same[index] && Redacted.value(token) !== "")
}

// Digests have one length, and the place where two of them differ says nothing about the tokens.
const isSame = (one: Uint8Array, other: Uint8Array): boolean => {
  let difference = 0
  for (const [index, byte] of one.entries()) difference |= byte ^ other[index]!
  return difference === 0
}

const digest = async (text: Redacted.Redacted): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(Redacted.value(text))))
