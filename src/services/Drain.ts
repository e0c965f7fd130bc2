/**
 * Empties a room in waves, so that a deploy does not bring everybody back in one second.
 *
 * Those who are there are closed with 4001, evenly over a time, and each is told within which window to come back: a
 * second at most, since no two waves are closer. Who enters meanwhile stays. The waves are deadlines: they go on after a
 * sleep.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as StorageError from "../domain/StorageError.ts"
import type { Assembly } from "./Assembly.ts"
import type * as Deadlines from "./Deadlines.ts"

/** How a room is emptied. */
export interface Options {
  /** The time from the first wave to the end of the last one: a day at most, also if more is given. At most one wave a second. */
  readonly over: Duration.Input
}

/** The time between two waves at least, and in which those of one come back at most, in milliseconds. */
const step = 1_000

/** As many connections are closed by one deadline: all of a crowd would not fit in a row of the storage. */
const most = 1_000

/** A day, in milliseconds. */
const longest = 86_400_000

const name = ":drain"

/**
 * Makes what drains a room, with the rest of its deadlines. Succeeds with how many will be closed.
 *
 * @internal
 */
export const make = (
  assembly: Assembly,
  handle: Deadlines.Deadlines["Service"]["handle"],
  /** Sets moments of a name in the place of those that are set, all or none. */
  replace: (
    name: string,
    moments: ReadonlyArray<{ readonly at: number; readonly payload: string }>
  ) => Effect.Effect<void, StorageError.StorageError>
): (options: Options) => Effect.Effect<number, StorageError.StorageError> => {
  handle(name, (_, payload) => {
    // SAFETY: it was written below.
    const { ids, window } = JSON.parse(payload) as Wave
    const options = { code: CloseCode.drain, reason: CloseCode.drainReason(window) }
    // Who has left meanwhile needs no close.
    return Effect.forEach(ids, (id) => Effect.ignore(assembly.lifecycle.disconnect(id, options)), { discard: true })
  })

  return Effect.fnUntraced(function*({ over }) {
    const total = Math.min(Math.max(0, Duration.toMillis(over)), longest)
    const now = yield* Clock.currentTimeMillis
    const ids: Array<ConnectionId.ConnectionId> = []
    for (const socket of assembly.registry.open(Audience.all)) {
      const identity = yield* Effect.result(assembly.registry.identify(socket))
      if (Result.isSuccess(identity)) ids.push(identity.success.id)
    }
    const waves = Math.max(1, Math.min(Math.ceil(total / step), ids.length))
    const window = Math.min(total / waves, step)
    const moments: Array<{ readonly at: number; readonly payload: string }> = []
    for (let wave = 0; wave < waves; wave++) {
      const end = Math.floor((wave + 1) * ids.length / waves)
      for (let start = Math.floor(wave * ids.length / waves); start < end; start += most) {
        const those = ids.slice(start, Math.min(start + most, end))
        moments.push({
          at: now + wave * total / waves,
          payload: JSON.stringify({ ids: those, window } satisfies Wave)
        })
      }
    }
    yield* replace(name, moments)
    return ids.length
  })
}

interface Wave {
  readonly ids: ReadonlyArray<ConnectionId.ConnectionId>
  /** In milliseconds. */
  readonly window: number
}
