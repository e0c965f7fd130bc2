/**
 * How many connections a room, a user and an address may have in a room. Who is about to enter counts. In the room a
 * socket that we have closed counts until its peer answers, since the runtime keeps it as long. An address that has sent more than it may
 * stays outside for a while: what it sent before its connection was closed is still delivered, so nothing would be won if
 * it came back at once.
 *
 * @internal
 */
import * as CloseCode from "../domain/CloseCode.ts"
import * as Identity from "../domain/Identity.ts"
import * as Problem from "../domain/Problem.ts"
import type * as Assembly from "../services/Assembly.ts"
import type * as Sockets from "../services/Sockets.ts"
import type * as RoomLimits from "./RoomLimits.ts"

/** Somebody who is about to enter. */
export interface Arrival {
  /** Counts it as a user's. Gives the refusal, if it is one too many. */
  readonly as: (user: string) => Problem.Problem | undefined
  /** It has entered, or it does not come. */
  readonly end: () => void
}

/** Who comes to a room, from which address, and when, in milliseconds since 1970. */
export interface Crowd {
  /** Somebody asks to be let in. Gives a refusal if there is no place. */
  readonly arrive: (address: string | undefined, now: number) => Arrival | Problem.Problem
  /** A connection has left. */
  readonly left: (socket: Sockets.Socket, code: number, now: number) => void
}

const prefix = "a:"

/** The tag of a client's address. */
export const addressTag = (address: string): string => `${prefix}${address}`

/** With these a connection is closed that sends more than it may. */
const floods: ReadonlySet<number> = new Set([CloseCode.overrun, CloseCode.rateLimited, CloseCode.malformed])

/** In the place of a tag: everybody. */
const room = ""

/** How long a client does well to wait, in seconds. Nobody knows when somebody leaves. */
const retryAfter = { "retry-after": "30" }

/** Makes the crowd of a room. */
export const make = (
  assembly: Assembly.Assembly,
  limits: Pick<
    RoomLimits.RoomLimits,
    "connections" | "connectionsPerAddress" | "connectionsPerUser" | "lockoutSeconds"
  >
): Crowd => {
  // Those who are about to enter: all, and by their tags.
  const arriving = new Map<string, number>()

  const add = (key: string, count: 1 | -1) => {
    const sum = (arriving.get(key) ?? 0) + count
    if (sum === 0) arriving.delete(key)
    else arriving.set(key, sum)
  }

  const isFull = (key: string, limit: number) => {
    const open = key === room ? assembly.sockets.list() : assembly.registry.carrying(key)
    return open.length + (arriving.get(key) ?? 0) >= limit
  }

  // Until when, by tag, the one who was first locked out first. In memory alone: who sleeps is flooded by nobody.
  const lockouts = new Map<string, number>()
  const lockout = limits.lockoutSeconds * 1_000

  const left: Crowd["left"] = (socket, code, now) => {
    if (lockout === 0 || !floods.has(code)) return
    const tag = assembly.sockets.tags(socket).find((tag) => tag.startsWith(prefix))
    if (tag === undefined) return
    for (const [tag, until] of lockouts) {
      if (until > now) break
      lockouts.delete(tag)
    }
    lockouts.delete(tag)
    lockouts.set(tag, now + lockout)
  }

  const arrive: Crowd["arrive"] = (address, now) => {
    if (isFull(room, limits.connections)) {
      return Problem.make(503, "The room is full.", retryAfter)
    }
    const keys = [room]
    if (address !== undefined) {
      const tag = addressTag(address)
      const wait = (lockouts.get(tag) ?? 0) - now
      if (wait > 0) {
        return Problem.make(429, "Your address has sent too much.", { "retry-after": `${Math.ceil(wait / 1_000)}` })
      }
      if (isFull(tag, limits.connectionsPerAddress)) {
        return Problem.make(429, "There are too many connections from your address.", retryAfter)
      }
      keys.push(tag)
    }
    for (const key of keys) add(key, 1)
    return {
      as: (user) => {
        const key = Identity.userTag(user)
        if (isFull(key, limits.connectionsPerUser)) {
          return Problem.make(429, "You have too many connections.", retryAfter)
        }
        keys.push(key)
        add(key, 1)
        return undefined
      },
      end: () => {
        for (const key of keys) add(key, -1)
      }
    }
  }

  return { arrive, left }
}
