/**
 * What whoever verified a request tells the room about it: who the user is, say.
 *
 * Claims travel as headers of the request. From outside such headers are only asserted, so {@link attach} drops whatever a
 * request came with.
 */

/** Values by names of the letters `a`–`z`, digits and `-`. */
export type Claims = Readonly<Record<string, string>>

const prefix = "x-dormouse-"

/** Whether a header, by its name in lower case, is a claim. */
export const isClaim = (header: string): boolean => header.startsWith(prefix)

/** The headers in which claims travel. A header is Latin-1, and a claim any text. */
export const toHeaders = (claims: Claims): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(claims).map(([name, value]) => [prefix + name, encodeURIComponent(value)]))

/** The request with these claims, and no others. */
export const attach = (request: Request, claims: Claims = {}): Request => {
  const headers = new Headers(request.headers)
  for (const name of request.headers.keys()) {
    if (isClaim(name)) headers.delete(name)
  }
  for (const [name, value] of Object.entries(toHeaders(claims))) headers.set(name, value)
  return new Request(request, { headers })
}

/**
 * Reads a claim; use it in a room's `connect`.
 *
 * **Example** (a room whose users were verified)
 *
 * ```ts
 * connect: (request) => Effect.succeed({ user: Claims.get(request, "user") }),
 * ```
 */
export const get = (
  request: { readonly headers: { readonly get: (name: string) => string | null } },
  name: string
): string | undefined => {
  const value = request.headers.get(prefix + name)
  return value === null ? undefined : decodeURIComponent(value)
}
