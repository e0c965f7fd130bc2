/**
 * Who a connection is, and the socket tags that carry it.
 *
 * The runtime keeps tags beside a sleeping socket, and nobody can change them afterwards. Each tag has a prefix of its
 * kind, so a text that a client chooses never collides with another tag:
 *
 * | tag | meaning |
 * |---|---|
 * | `c:<connection id>` | the connection; exactly one |
 * | `p:<protocol>` | the wire protocol that it speaks; exactly one |
 * | `u:<user id>` | the user behind it; at most one |
 * | `l:<label>` | a label; as many as fit in the runtime's ten tags |
 */
import * as Result from "effect/Result"
import * as ConnectionId from "./ConnectionId.ts"
import * as Limits from "./Limits.ts"
import * as RoomError from "./RoomError.ts"

/** Who a connection is. It never changes while the connection lives. */
export interface Identity {
  readonly id: ConnectionId.ConnectionId
  /** The user behind the connection, if the room's `connect` named one. */
  readonly user: string | undefined
  readonly labels: ReadonlyArray<string>
  /** The wire protocol that the connection speaks. */
  readonly protocol: string
}

/** The tag that names a connection. */
export const connectionTag = (id: ConnectionId.ConnectionId): string => `c:${id}`

/** The tag that all connections that speak a protocol carry. */
export const protocolTag = (protocol: string): string => `p:${protocol}`

/** The tag that all connections of a user carry. */
export const userTag = (user: string): string => `u:${user}`

/** The tag that all connections with a label carry. */
export const labelTag = (label: string): string => `l:${label}`

/**
 * The tags that say who a connection is, and `others`, with prefixes of their own. Repeated labels are folded into one.
 *
 * **Example** (a user with one label)
 *
 * ```ts
 * const tags = Identity.toTags({ id, user: "ada", labels: ["admin"], protocol: "plain" })
 * // Result.succeed([`c:${id}`, "p:plain", "u:ada", "l:admin"])
 * ```
 */
export const toTags = (
  identity: Identity,
  others: ReadonlyArray<string> = []
): Result.Result<ReadonlyArray<string>, RoomError.TooManyTags | RoomError.TagTooLong> => {
  const tags = [connectionTag(identity.id), protocolTag(identity.protocol)]
  if (identity.user !== undefined) tags.push(userTag(identity.user))
  for (const label of new Set(identity.labels)) tags.push(labelTag(label))
  tags.push(...others)
  if (tags.length > Limits.tagsPerSocket) {
    return Result.fail(new RoomError.TooManyTags({ count: tags.length, limit: Limits.tagsPerSocket }))
  }
  for (const tag of tags) {
    const bytes = Limits.utf8Bytes(tag)
    if (bytes > Limits.tagBytes) return Result.fail(new RoomError.TagTooLong({ tag, bytes, limit: Limits.tagBytes }))
  }
  return Result.succeed(tags)
}

/**
 * Reads an identity back from a socket's tags; `undefined` unless they name exactly one connection and one protocol.
 * Tags with other prefixes belong to somebody else, and are skipped.
 */
export const fromTags = (tags: ReadonlyArray<string>): Identity | undefined => {
  let id: string | undefined
  let protocol: string | undefined
  let user: string | undefined
  const labels: Array<string> = []
  for (const tag of tags) {
    if (tag.charAt(1) !== ":") continue
    const value = tag.slice(2)
    switch (tag.charAt(0)) {
      case "c":
        if (id !== undefined) return undefined
        id = value
        break
      case "p":
        if (protocol !== undefined) return undefined
        protocol = value
        break
      case "u":
        if (user !== undefined) return undefined
        user = value
        break
      case "l":
        labels.push(value)
    }
  }
  return ConnectionId.is(id) && protocol !== undefined ? { id, user, labels, protocol } : undefined
}
