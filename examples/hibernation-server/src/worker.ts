import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import * as Room from "../../../src/services/Room.ts"

const Hibernation = Room.make("hibernation", { format: "text", receive: Schema.String, send: Schema.String })

const HibernationLive = Hibernation.toLayer(Effect.gen(function*() {
  const room = yield* Hibernation
  return {
    message: Effect.fnUntraced(function*(_connection, message) {
      yield* room.broadcast(`[Durable Object] message: ${message}, connections: ${yield* room.count()}`)
    }),
    close: ({ id }, { code }) => Effect.log(`${id} left with ${code}`)
  }
}))

export class WebSocketHibernationServer extends RoomObject.make(Hibernation, HibernationLive) {}

export default {
  fetch: (request, env) => env.WEBSOCKET_HIBERNATION_SERVER.getByName("foo").fetch(request)
} satisfies ExportedHandler<{ readonly WEBSOCKET_HIBERNATION_SERVER: DurableObjectNamespace }>
