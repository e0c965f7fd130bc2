/**
 * Who a client is: asked before the room is touched, and again when a client sends a new token.
 *
 * {@link layerAnonymous} knows nobody and lets everybody in, and `JwtAuthenticator` reads JSON Web Tokens. An app that
 * has sessions of its own takes their place.
 *
 * **Example** (a session in a cookie)
 *
 * ```ts
 * const SessionLive = Layer.effect(
 *   Authenticator.Authenticator,
 *   Effect.map(Sessions, ({ userOf }) =>
 *     Authenticator.Authenticator.of({
 *       authenticate: ({ headers }) =>
 *         Effect.flatMap(userOf(headers.get("cookie")), (user) =>
 *           user === undefined
 *             ? Authenticator.unauthorized("Sign in first.")
 *             : Effect.succeed({ ...Principal.anonymous, user })),
 *       verify: () => Authenticator.unauthorized("There are no tokens here.")
 *     }))
 * )
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Problem from "../domain/Problem.ts"
import type * as Bearer from "./Bearer.ts"
import * as Principal from "./Principal.ts"

export class Authenticator extends Context.Service<Authenticator, {
  /** Who sends a request. A refusal is the response: it repeats nothing of what the client sent. */
  readonly authenticate: (request: Bearer.Carrier) => Effect.Effect<Principal.Principal, Problem.Problem>
  /** Who a token is of. A room asks this when a client sends a new one. */
  readonly verify: (token: Redacted.Redacted) => Effect.Effect<Principal.Principal, Problem.Problem>
}>()("effect-dormouse/doors/Authenticator") {}

/** Lets everybody in, as somebody whom nobody knows. No token is of anybody. */
export const layerAnonymous: Layer.Layer<Authenticator> = /* @__PURE__ */ Layer.sync(Authenticator, () => ({
  authenticate: () => Effect.succeed(Principal.anonymous),
  verify: () => unauthorized("Nobody has a token here.", "invalid_token")
}))

/**
 * Refuses somebody with 401. `error` says to the client what is wrong with the token that it sent (RFC 6750), as in
 * `invalid_token`.
 */
export const unauthorized = (detail: string, error?: string): Problem.Problem =>
  Problem.make(401, detail, { "www-authenticate": error === undefined ? "Bearer" : `Bearer error="${error}"` })
