/**
 * The bearer token of an API. A client that has it may do everything.
 *
 * **Example** (the token of the environment)
 *
 * ```ts
 * const RoutesLive = Layer.unwrap(
 *   Effect.map(
 *     Config.Redacted("API_TOKEN"),
 *     (token) => RoomsApiRoutes.layer(Lobby, { authorize: ApiToken.authorize(token) })
 *   )
 * )
 * ```
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Problem from "../domain/Problem.ts"

/** The variable or secret `API_TOKEN`; none if it is not set, or empty. */
export const configured: Effect.Effect<Option.Option<Redacted.Redacted>, Config.ConfigError> = /* @__PURE__ */ Effect
  .suspend(() =>
    Effect.map(Config.option(Config.Redacted("API_TOKEN")), Option.filter((token) => Redacted.value(token) !== ""))
  )

/**
 * Lets a request in if it has this token as `authorization: Bearer …`. An empty token lets nobody in. The time of an
 * answer says nothing about the token.
 */
export const authorize = (token: Redacted.Redacted) => (request: Request): Effect.Effect<void, Problem.Problem> =>
  Effect.flatMap(
    Effect.promise(() => isSame(given(request), token)),
    (same) => same ? Effect.void : Problem.make(401, "This takes a bearer token.", { "www-authenticate": "Bearer" })
  )

const given = ({ headers }: Request): Redacted.Redacted =>
  Redacted.make(/^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "")

// Digests have one length, and the place where two of them differ says nothing about the tokens.
const isSame = async (given: Redacted.Redacted, token: Redacted.Redacted): Promise<boolean> => {
  const [one, other] = await Promise.all([digest(given), digest(token)])
  let difference = Redacted.value(token) === "" ? 1 : 0
  for (const [index, byte] of one.entries()) difference |= byte ^ other[index]!
  return difference === 0
}

const digest = async (text: Redacted.Redacted): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(Redacted.value(text))))
