import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Problem from "../../src/domain/Problem.ts"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Doors from "../../src/doors/Doors.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as Rates from "../../src/doors/Rates.ts"
import type * as RoomLimits from "../../src/doors/RoomLimits.ts"
import * as RequestClaims from "../../src/durable/RequestClaims.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import { Bench, BenchLive } from "./dormouse.ts"

const AnybodyLive = Layer.merge(Authenticator.layerAnonymous, Rates.layerMemory())

/** The room of `dormouse.ts` with a guard in it. */
export const make = (limits: RoomLimits.Options) =>
  RoomObject.make(Bench, BenchLive.pipe(Layer.provide(Guard.layer(limits)), Layer.provide(AnybodyLive)))

const doors = Effect.runSync(Effect.provide(Doors.Doors, Doors.layer().pipe(Layer.provide(AnybodyLive))))

/** The Worker with the doors before it. */
export const worker = {
  fetch: async (request, env) => {
    const room = new URL(request.url).pathname
    const entered = await Effect.runPromise(Effect.result(doors.enter(request, room)))
    return Result.isFailure(entered)
      ? Problem.toResponse(entered.failure)
      : env.ROOM.getByName(room).fetch(RequestClaims.attach(doors.strip(request), entered.success))
  }
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>

/** The limits are those that hold where nobody says otherwise. */
export class Room extends make({}) {}

export default worker
