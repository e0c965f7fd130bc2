/**
 * Claims on the way from a Worker to its object: in `request.cf`, which only Workers and the platform write.
 *
 * `DurableRooms` carries them by itself. Use this where a Worker hands a request to the stub of an object.
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

/** The request with these claims, in place of any others. */
export const attach = (request: Request, claims: Claims.Claims): Request =>
  // What Cloudflare itself says about the request goes along.
  new Request(request, { cf: { ...request.cf, [key]: claims } })

/** The claims of a request. */
export const of = (request: Request): Claims.Claims => {
  const claims = Predicate.hasProperty(request.cf, key) ? request.cf[key] : undefined
  return isClaims(claims) ? claims : Claims.none
}

const isClaims = (value: unknown): value is Claims.Claims =>
  Predicate.isObject(value) && Object.values(value).every(Predicate.isString)
