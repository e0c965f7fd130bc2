import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

/** The room that keeps each message, with Dormouse. */
const Write = Room.make("write", {
  receive: Schema.TaggedUnion({ Broadcast: { text: Schema.String, at: Schema.Finite } }),
  send: Schema.TaggedUnion({ Said: { text: Schema.String, at: Schema.Finite } })
})

const WriteLive = Write.toLayer(Effect.gen(function*() {
  const room = yield* Write
  yield* Storage.exec("CREATE TABLE IF NOT EXISTS said (text TEXT, at REAL)")
  return {
    message: (_, { at, text }) =>
      Effect.andThen(
        Storage.exec("INSERT INTO said VALUES (?, ?)", text, at),
        room.broadcast({ _tag: "Said", text, at })
      )
  }
}))

export { Instance as Room }

class Instance extends RoomObject.make(Write, WriteLive) {}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
