/**
 * Closes who has been silent for too long. A ping that the runtime answers without waking the object counts as a sign of
 * life: the runtime keeps its time.
 *
 * One deadline looks at everybody. It rings when the first of them may be idle, and at most eight times within the time
 * after which somebody is: so it wakes the object that seldom, however many are there.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Assembly from "../services/Assembly.ts"
import type * as Deadlines from "../services/Deadlines.ts"
import type * as Sockets from "../services/Sockets.ts"
import * as Beside from "./Beside.ts"

const name = ":idle"

const silent = { code: CloseCode.idle, reason: "Nothing has come from you for a long time." }

/** Watches a room whose clients may be silent for so long, in milliseconds. `begin` is to be run for each newcomer. */
export const watch = Effect.fnUntraced(function*(
  assembly: Assembly.Assembly,
  { handle, moment, setAt }: Deadlines.Deadlines["Service"],
  idle: number
) {
  let isSet = false
  const set = (at: number) =>
    Effect.map(setAt(name, "", at), () => {
      isSet = true
    })

  // A time that is still to come was another clock's: from now on this one counts.
  const lastHeard = (socket: Sockets.Socket, now: number): number => {
    const beside = Beside.of(assembly, socket)
    if (beside.heardAt > now) Beside.set(assembly, socket, { ...beside, heardAt: now })
    const answeredAt = assembly.sockets.answeredAt(socket) ?? 0
    return Math.max(Math.min(beside.heardAt, now), answeredAt > now ? 0 : answeredAt)
  }

  handle(name, () =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      isSet = false
      return idle > 0 ? sweep(now) : Effect.void
    }))

  const sweep = Effect.fnUntraced(function*(now: number) {
    let next = Infinity
    for (const socket of assembly.registry.open(Audience.all)) {
      const heardAt = lastHeard(socket, now)
      if (heardAt + idle > now) {
        next = Math.min(next, heardAt + idle)
        continue
      }
      const identity = yield* Effect.result(assembly.registry.identify(socket))
      if (Result.isSuccess(identity)) {
        yield* Effect.ignore(assembly.lifecycle.disconnect(identity.success.id, silent))
      }
    }
    // It comes no later than what a newcomer may have set meanwhile.
    if (next < Infinity) yield* set(Math.max(next, now + idle / 8))
  })

  const begin = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => idle === 0 || isSet ? Effect.void : set(now + idle)
  )

  // An older version of the room may have had another time, or no guard while people came.
  if (idle > 0) {
    const now = yield* Clock.currentTimeMillis
    const known = Option.getOrUndefined(yield* Effect.orElseSucceed(moment(name, ""), Option.none))
    isSet = known !== undefined && known.at <= now + idle
    if (!isSet && (known !== undefined || assembly.registry.open(Audience.all).length > 0)) {
      yield* Effect.catch(begin, (error) => Effect.logError("Nobody looks for who is silent", error))
    }
  }
  return { begin }
})
