/**
 * Who a client is, as a door has verified it.
 *
 * An `Authenticator` makes a principal of a request. `Doors` hands it to the room as claims, which no client can write
 * (see `Claims`), and the room reads it from there.
 *
 * **Example** (a room whose users were verified)
 *
 * ```ts
 * connect: ({ claims }) => {
 *   const { labels, user } = Principal.fromClaims(claims)
 *   return Effect.succeed({ user, labels })
 * }
 * ```
 */
import * as Schema from "effect/Schema"
import type * as Claims from "../domain/Claims.ts"

/** Who was verified. */
export interface Principal {
  /** The user; `undefined` for somebody whom nobody knows. At most 254 UTF-8 bytes. */
  readonly user: string | undefined
  /** At most six, of at most 254 UTF-8 bytes each: the runtime keeps ten tags a socket, and the house takes four. */
  readonly labels: ReadonlyArray<string>
  /** The rooms that may be entered: names, or beginnings of names with a final `*`. `undefined` is all rooms. */
  readonly rooms: ReadonlyArray<string> | undefined
  /** When this ends, in milliseconds since 1970. */
  readonly expiresAt: number | undefined
  /** When this was issued, in milliseconds since 1970. */
  readonly issuedAt: number | undefined
}

/** Somebody whom nobody knows. */
export const anonymous: Principal = {
  user: undefined,
  labels: [],
  rooms: undefined,
  expiresAt: undefined,
  issuedAt: undefined
}

/** Whether `rooms` name a room. */
export const mayEnter = ({ rooms }: Pick<Principal, "rooms">, room: string): boolean =>
  rooms === undefined ||
  rooms.some((name) => name.endsWith("*") ? room.startsWith(name.slice(0, -1)) : room === name)

/**
 * The claims that say who somebody is, and from which address: `user`, `labels`, `expiresAt`, `issuedAt`, `address`. What
 * is unknown is left out, and `rooms` stay at the door.
 */
export const toClaims = (
  { expiresAt, issuedAt, labels, user }: Omit<Principal, "rooms">,
  address?: string
): Claims.Claims => ({
  ...(user !== undefined && { user }),
  ...(labels.length > 0 && { labels: JSON.stringify(labels) }),
  ...(expiresAt !== undefined && expiresAt < Infinity && { expiresAt: `${expiresAt}` }),
  ...(issuedAt !== undefined && { issuedAt: `${issuedAt}` }),
  ...(address !== undefined && { address })
})

const decode = /* @__PURE__ */ Schema.decodeUnknownSync(/* @__PURE__ */ Schema.Struct({
  user: /* @__PURE__ */ Schema.optionalKey(Schema.String),
  labels: /* @__PURE__ */ Schema.optionalKey(
    /* @__PURE__ */ Schema.fromJsonString(/* @__PURE__ */ Schema.Array(Schema.String))
  ),
  expiresAt: /* @__PURE__ */ Schema.optionalKey(Schema.FiniteFromString),
  issuedAt: /* @__PURE__ */ Schema.optionalKey(Schema.FiniteFromString),
  address: /* @__PURE__ */ Schema.optionalKey(Schema.String)
}))

/**
 * Reads {@link toClaims} back. Other claims are passed over; of these, one of another form throws, so that nobody is let
 * in by it.
 */
export const fromClaims = (claims: Claims.Claims): Principal & { readonly address: string | undefined } => ({
  ...anonymous,
  address: undefined,
  ...decode(claims)
})
