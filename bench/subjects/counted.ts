import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Room from "../../src/services/Room.ts"

export const options = {
  receive: Schema.TaggedUnion({ Echo: { text: Schema.String } }),
  send: Schema.TaggedUnion({ Echoed: { text: Schema.String } }),
  state: Schema.Struct({ text: Schema.String, count: Schema.Int })
}

/** A room that changes the state of whoever speaks. */
const Counted = Room.make("counted", options)

interface Speaker {
  readonly id: ConnectionId.ConnectionId
  readonly state: typeof options.state.Type
}

/** Its handlers, which are those of `journal.ts` as well. */
export const handlers = (room: typeof Counted.Service) => ({
  connect: () => Effect.succeed({ state: { text: "", count: 0 } }),
  message: ({ id, state }: Speaker, { text }: typeof options.receive.Type) =>
    Effect.andThen(
      room.setState(id, { text, count: state.count + 1 }),
      room.send(id, { _tag: "Echoed", text })
    )
})

export { Instance as Room }

class Instance extends RoomObject.make(Counted, Counted.toLayer(Effect.map(Counted, handlers))) {}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
