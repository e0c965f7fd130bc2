/**
 * What the app has verified about a request, for example who the user is.
 *
 * Claims travel beside the request, by a way that only the app can write to. They are never a header or a query, so a
 * client cannot write them. A request that comes straight from a client claims nothing.
 */

/** Values by names. */
export type Claims = Readonly<Record<string, string>>

/** The claims of a request about which the app says nothing. */
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
