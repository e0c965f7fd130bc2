import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Room from "../../src/services/Room.ts"
import { handlers, options } from "./counted.ts"

/** The room of `counted.ts`, with a journal. */
const Journaled = Room.make("counted", { ...options, journal: true })

const JournaledLive = Journaled.toLayer(Effect.map(Journaled, handlers)).pipe(Layer.provide(Journal.layer))

export { Instance as Room }

class Instance extends RoomObject.make(Journaled, JournaledLive) {}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
