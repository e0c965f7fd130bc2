import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Doors from "../../src/doors/Doors.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as RequestClaims from "../../src/durable/RequestClaims.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import { Bench, BenchLive } from "./dormouse.ts"

/** The room of `dormouse.ts` behind doors, with a guard in it, and the limits that hold where nobody says otherwise. */
const GuardedLive = BenchLive.pipe(
  Layer.provide(Guard.layer()),
  Layer.provide([Authenticator.layerAnonymous, Rates.layerMemory()])
)

export { Instance as Room }

class Instance extends RoomObject.make(Bench, GuardedLive) {}

const DoorsLive = Doors.layer().pipe(Layer.provide([Authenticator.layerAnonymous, Rates.layerMemory()]))

const doors = Effect.runSync(Effect.provide(Doors.Doors, DoorsLive))

export default {
  fetch: async (request, env) => {
    const room = new URL(request.url).pathname
    const claims = await Effect.runPromise(Effect.result(doors.enter(request, room)))
    return claims._tag === "Failure"
      ? Problem.toResponse(claims.failure)
      : env.ROOM.getByName(room).fetch(RequestClaims.attach(doors.strip(request), claims.success))
  }
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
