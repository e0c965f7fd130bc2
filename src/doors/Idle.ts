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
import * as Beside from "./Beside.ts"

const name = ":idle"

const silent = { code: CloseCode.idle, reason: "Nothing has come from you for a long time." }

/** Watches a room whose clients may be silent for so long, in milliseconds. `begin` is to be run for each newcomer. */
export const watch = Effect.fnUntraced(function*(
  assembly: Assembly.Assembly,
  { handle, moment, setAt }: Deadlines.Deadlines["Service"],
  idle: number
) {
  const set = (at: number) => setAt(name, "", at)
  let isSet = Option.isSome(yield* Effect.orElseSucceed(moment(name, ""), Option.none))

  handle(name, () =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      isSet = false
      return idle > 0 ? sweep(now) : Effect.void
    }))

  const sweep = Effect.fnUntraced(function*(now: number) {
    let next = Infinity
    for (const socket of assembly.registry.open(Audience.all)) {
      const heardAt = Math.max(assembly.sockets.answeredAt(socket) ?? 0, Beside.of(assembly, socket).heardAt)
      if (heardAt + idle > now) {
        next = Math.min(next, heardAt + idle)
        continue
      }
      const identity = yield* Effect.result(assembly.registry.identify(socket))
      if (Result.isSuccess(identity)) {
        yield* Effect.ignore(assembly.lifecycle.disconnect(identity.success.id, silent))
      }
    }
    if (next === Infinity || isSet) return
    isSet = true
    yield* set(Math.max(next, now + idle / 8))
  })

  const begin = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) =>
      idle === 0 || isSet ? Effect.void : Effect.map(set(now + idle), () => {
        isSet = true
      })
  )
  return { begin }
})
