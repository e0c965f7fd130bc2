import * as Effect from "effect/Effect"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import { Talk } from "./talk.ts"

const TalkLive = Talk.toLayer(Effect.gen(function*() {
  const room = yield* Talk
  let count = 0
  return {
    message: ({ id }, message) => {
      switch (message._tag) {
        case "Say":
          return Effect.sync(() => {
            count++
          })
        case "Count":
          return room.send(id, { _tag: "Counted", count })
        case "Talk":
          return Effect.gen(function*() {
            for (let at = 0; at < message.messages; at++) {
              yield* room.broadcast({ _tag: "Said", text: message.text, at })
            }
          })
      }
    }
  }
}))

export { Instance as Room }

class Instance extends RoomObject.make(Talk, TalkLive) {}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
