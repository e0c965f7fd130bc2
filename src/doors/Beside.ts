/**
 * What the guard keeps beside a socket, where no sleep loses it: numbers alone, so that it is small, and read in no time.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import type * as Assembly from "../services/Assembly.ts"
import type * as Sockets from "../services/Sockets.ts"

export interface Beside {
  /** Messages that may come at once. */
  readonly tokens: number
  /** Since when the next one is being earned, in milliseconds since 1970. */
  readonly since: number
  /** When the last frame came, in milliseconds since 1970. */
  readonly heardAt: number
  /** Frames in a row that were over the rate. */
  readonly violations: number
  /** When the connection's token expires, in milliseconds since 1970; 0 is never. */
  readonly expiresAt: number
  /** When it was issued, in milliseconds since 1970; 0 is unknown, and {@link noToken} says that there is none. */
  readonly issuedAt: number
  /** How many of the connection's labels, from the first one, are those of its token. */
  readonly labels: number
}

/** In the place of a token's time: the door knows no user. */
export const noToken = -1

/** As the registry keeps it: the same one until another one is written. */
export type Kept = ReadonlyArray<number>

export const toKept = ({ expiresAt, heardAt, issuedAt, labels, since, tokens, violations }: Beside): Kept => [
  tokens,
  since,
  heardAt,
  violations,
  expiresAt,
  issuedAt,
  labels
]

/** What is kept beside a socket, if anything is. */
export const keptOf = (assembly: Assembly.Assembly, socket: Sockets.Socket): Kept | undefined => {
  const kept = assembly.registry.beside(socket)
  // An inspector that the room had before has put its own note around it.
  const own = Predicate.hasProperty(kept, "beside") ? kept.beside : kept
  return Array.isArray(own) ? own : undefined
}

/** That of a socket. A socket that came before the room had a guard has a full bucket, and a token that never expires. */
export const of = (assembly: Assembly.Assembly, socket: Sockets.Socket): Beside => {
  const kept = keptOf(assembly, socket)
  if (kept === undefined) return strange
  // By their places: to take an array apart by a pattern runs its iterator, which costs where little is compiled yet.
  return {
    tokens: kept[0] ?? Infinity,
    since: kept[1] ?? 0,
    heardAt: kept[2] ?? 0,
    violations: kept[3] ?? 0,
    expiresAt: kept[4] ?? 0,
    issuedAt: kept[5] ?? noToken,
    labels: kept[6] ?? 0
  }
}

const strange: Beside = {
  tokens: Infinity,
  since: 0,
  heardAt: 0,
  violations: 0,
  expiresAt: 0,
  issuedAt: noToken,
  labels: 0
}

export const set = (assembly: Assembly.Assembly, socket: Sockets.Socket, beside: Beside): Kept => {
  const kept = toKept(beside)
  assembly.registry.setBeside(socket, kept)
  return kept
}
