/**
 * How many connections a room, a user and an address may have in a room. Who is about to enter counts, and so does a
 * socket that we have closed until its peer answers: the runtime keeps it, too.
 *
 * @internal
 */
import * as Identity from "../domain/Identity.ts"
import * as Problem from "../domain/Problem.ts"
import type * as Assembly from "../services/Assembly.ts"
import type * as RoomLimits from "./RoomLimits.ts"

/** Somebody who is about to enter. */
export interface Arrival {
  /** Counts it as a user's. Gives the refusal, if it is one too many. */
  readonly as: (user: string) => Problem.Problem | undefined
  /** It has entered, or it does not come. */
  readonly end: () => void
}

/** The tag of a client's address. */
export const addressTag = (address: string): string => `a:${address}`

/** In the place of a tag: everybody. */
const room = ""

/** How long a client does well to wait, in seconds. Nobody knows when somebody leaves. */
const retryAfter = { "retry-after": "30" }

/** Makes the counts of a room. */
export const make = (
  assembly: Assembly.Assembly,
  limits: Pick<RoomLimits.RoomLimits, "connections" | "connectionsPerAddress" | "connectionsPerUser">
): (address: string | undefined) => Arrival | Problem.Problem => {
  // Those who are about to enter: all, and by their tags.
  const arriving = new Map<string, number>()

  const add = (key: string, count: 1 | -1) => {
    const sum = (arriving.get(key) ?? 0) + count
    if (sum === 0) arriving.delete(key)
    else arriving.set(key, sum)
  }

  const isFull = (key: string, limit: number) =>
    assembly.sockets.list(key === room ? undefined : key).length + (arriving.get(key) ?? 0) >= limit

  return (address) => {
    if (isFull(room, limits.connections)) {
      return Problem.make(503, "The room is full.", retryAfter)
    }
    const keys = [room]
    if (address !== undefined) {
      const tag = addressTag(address)
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
}
