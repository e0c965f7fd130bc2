import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Room from "../../src/services/Room.ts"
import { stateOf } from "./state.js"

/** The room as a user of Dormouse writes it: every message is decoded and encoded by its schema. */
export const Bench = Room.make("bench", {
  receive: Schema.TaggedUnion({
    Echo: { text: Schema.String },
    Broadcast: { text: Schema.String, at: Schema.Finite },
    Each: { text: Schema.String },
    Find: { by: Schema.Literals(["id", "user", "label"]), key: Schema.optionalKey(Schema.String), times: Schema.Int },
    Born: {}
  }),
  send: Schema.TaggedUnion({
    Echoed: { text: Schema.String },
    Said: { text: Schema.String, at: Schema.Finite },
    Found: { count: Schema.Int },
    Born: { id: Schema.String }
  }),
  state: Schema.NullOr(Schema.Json),
  limits: { stateBytes: 16_384 }
})

export const BenchLive = Bench.toLayer(Effect.gen(function*() {
  const room = yield* Bench
  const born = crypto.randomUUID()
  // Since the last wake, and whoever has left included: enough for a room that is full before it is spoken to.
  const ids: Array<ConnectionId.ConnectionId> = []
  return {
    connect: (request) => {
      const query = new URL(request.url).searchParams
      const state = query.get("state")
      return Effect.succeed({
        state: state === null ? null : stateOf(Number(state)),
        user: query.get("user") ?? undefined,
        labels: query.getAll("label")
      })
    },
    open: ({ id }) => Effect.sync(() => ids.push(id)),
    message: ({ id }, message) => {
      switch (message._tag) {
        case "Echo":
          return room.send(id, { _tag: "Echoed", text: message.text })
        case "Broadcast":
          return room.broadcast({ _tag: "Said", text: message.text, at: message.at })
        case "Each":
          return Effect.forEach(ids, (id, at) => room.send(id, { _tag: "Said", text: message.text, at }), {
            discard: true
          })
        case "Find":
          return Effect.gen(function*() {
            const audience = message.by === "user"
              ? Audience.user(message.key ?? "")
              : Audience.label(message.key ?? "")
            let count = 0
            for (let time = 0; time < message.times; time++) {
              if (message.by === "id") {
                yield* room.state(id)
                count = 1
              } else {
                count = yield* room.count(audience)
              }
            }
            yield* room.send(id, { _tag: "Found", count })
          })
        case "Born":
          return room.send(id, { _tag: "Born", id: born })
      }
    }
  }
}))

export { Instance as Room }

class Instance extends RoomObject.make(Bench, BenchLive) {}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
