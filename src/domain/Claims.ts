/**
 * What whoever verified a request says about it: who the user is, say.
 *
 * Claims are no part of the request that a client wrote, no header and no query: they reach a room beside it, by a way
 * that is open to the app alone. A request that comes straight from a client claims nothing.
 */

/** Values by names. */
export type Claims = Readonly<Record<string, string>>

/** The claims of a request about which nobody says anything. */
export const none: Claims = Object.freeze({})

/**
 * Reads a claim; use it in a room's `connect`.
 *
 * **Example** (a room whose users were verified)
 *
 * ```ts
 * connect: (request) => Effect.succeed({ user: Claims.get(request, "user") }),
 * ```
 */
export const get = (request: { readonly claims: Claims }, name: string): string | undefined =>
  Object.hasOwn(request.claims, name) ? request.claims[name] : undefined
