/**
 * The alarm of a Durable Object.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Alarm from "../services/Alarm.ts"

/** The alarm that an object's storage keeps. It outlives hibernation and restarts. */
export const layer = ({ storage }: DurableObjectState): Layer.Layer<Alarm.Alarm> =>
  Layer.succeed(Alarm.Alarm)({
    set: (at) => Effect.promise(() => storage.setAlarm(at)),
    get: Effect.map(Effect.promise(() => storage.getAlarm()), Option.fromNullOr),
    clear: Effect.promise(() => storage.deleteAlarm())
  })
