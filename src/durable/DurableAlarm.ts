/**
 * The alarm of a Durable Object.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Alarm from "../services/Alarm.ts"

/** The alarm that an object's storage keeps. It outlives hibernation and restarts. */
export const layer = (ctx: DurableObjectState): Layer.Layer<Alarm.Alarm> => Layer.succeed(Alarm.Alarm)(make(ctx))

/** The runtime takes no time after the year 2188. */
const latest = 6_911_049_600_000

/** Makes the service; its layer does the same. */
export const make = ({ storage }: DurableObjectState): Alarm.Alarm["Service"] =>
  Alarm.Alarm.of({
    // The runtime takes no time before 1970. And it may lose an alarm that its own handler sets to the time that it rings
    // for: what has passed is set to the next millisecond.
    set: (at) =>
      Effect.clockWith((clock) =>
        Effect.promise(() => storage.setAlarm(Math.min(Math.max(at, clock.currentTimeMillisUnsafe() + 1), latest)))
      ),
    get: Effect.map(Effect.promise(() => storage.getAlarm()), Option.fromNullOr),
    clear: Effect.promise(() => storage.deleteAlarm())
  })
