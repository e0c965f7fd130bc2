/**
 * Claims travel from a Worker to its object in `request.cf`, which only Workers and the platform can write.
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

/** The request with these claims. They replace any others. */
export const attach = (request: Request, claims: Claims.Claims): Request =>
  // Cloudflare's own properties of the request stay.
  new Request(request, { cf: { ...request.cf, [key]: claims } })

/** The claims of a request. */
export const of = (request: Request): Claims.Claims => {
  const claims = Predicate.hasProperty(request.cf, key) ? request.cf[key] : undefined
  return isClaims(claims) ? claims : Claims.none
}

const isClaims = (value: unknown): value is Claims.Claims =>
  Predicate.isObject(value) && Object.values(value).every(Predicate.isString)
