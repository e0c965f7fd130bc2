/**
 * Empties a room in waves, so that a deploy does not bring everybody back in one second.
 *
 * Those who are there are closed with 4001, evenly over a time, and each is told within which window to come back. Who
 * enters meanwhile stays. The waves are deadlines: they go on after a sleep.
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
  /** The time from the first wave to the end of the last one: a day at most. At most one wave a second. */
  readonly over: Duration.Input
}

/** The time between two waves, in milliseconds. */
const step = 1_000

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
  { drop, handle, setAt }: Pick<Deadlines.Deadlines["Service"], "drop" | "handle" | "setAt">
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
    yield* drop(name)
    const waves = Math.max(1, Math.min(Math.ceil(total / step), ids.length))
    const window = total / waves
    for (let wave = 0; wave < waves; wave++) {
      const those = ids.slice(Math.floor(wave * ids.length / waves), Math.floor((wave + 1) * ids.length / waves))
      if (those.length === 0) continue
      yield* setAt(name, String(wave), now + wave * window, JSON.stringify({ ids: those, window } satisfies Wave))
    }
    return ids.length
  })
}

interface Wave {
  readonly ids: ReadonlyArray<ConnectionId.ConnectionId>
  /** In milliseconds. */
  readonly window: number
}
