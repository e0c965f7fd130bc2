/**
 * Claims travel from a Worker to its object in `request.cf`. On Cloudflare's network only Workers and the platform can
 * write there.
 *
 * The local server (`wrangler dev`, Miniflare) takes `request.cf` from a header, and a client can send that one. A
 * request that carries it claims nothing, and {@link attach} removes it. All the same, a local server is no place for
 * clients that nobody knows.
 *
 * `DurableRooms` does this by itself. Use this module if a Worker calls `fetch` of an object's stub.
 *
 * **Example** (a Worker that has verified its user)
 *
 * ```ts
 * const enter = (request: Request, room: DurableObjectStub, user: string) =>
 *   room.fetch(RequestClaims.attach(request, { user }))
 * ```
 */
import * as Predicate from "effect/Predicate"
import * as Claims from "../domain/Claims.ts"

const key = "dormouse"

// From which Miniflare takes the `cf` of a request. It leaves the header where it is.
const localHeader = "mf-cf-blob"

/** The request with these claims. They replace any others. */
export const attach = (request: Request, claims: Claims.Claims): Request => {
  // Cloudflare's own properties of the request stay.
  const attached = new Request(request, { cf: { ...request.cf, [key]: claims } })
  attached.headers.delete(localHeader)
  return attached
}

/** The claims of a request. */
export const of = (request: Request): Claims.Claims => {
  if (request.headers.has(localHeader)) return Claims.none
  const claims = Predicate.hasProperty(request.cf, key) ? request.cf[key] : undefined
  return isClaims(claims) ? claims : Claims.none
}

const isClaims = (value: unknown): value is Claims.Claims =>
  Predicate.isObject(value) && Object.values(value).every(Predicate.isString)
