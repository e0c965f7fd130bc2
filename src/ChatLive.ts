/**
 * What the chat does.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { characters, Chat, Joined, Left, Said, Welcome } from "./Chat.ts"
import * as Problem from "./domain/Problem.ts"
import * as Permissions from "./doors/Permissions.ts"
import * as Deadlines from "./services/Deadlines.ts"

const Name = Schema.Trim.check(characters(1, 64))

/** The chat's handlers. It can be drained. */
export const ChatLive = Layer.provide(
  Chat.toLayer(Effect.gen(function*() {
    const room = yield* Chat
    return {
      connect: (request) =>
        Schema.decodeEffect(Name)(new URL(request.url).searchParams.get("name")?.trim() || "anonymous").pipe(
          Effect.map((name) => ({ state: { name } })),
          Effect.mapError(() => Problem.make(400, "A name has at most 64 characters."))
        ),
      open: Effect.fnUntraced(function*({ id, state: { name } }) {
        const connections = (yield* room.count()) + 1
        yield* room.send(id, new Welcome({ connection: id, name, connections }))
        yield* Permissions.broadcast(room, new Joined({ connection: id, name, connections }))
      }),
      message: ({ id, state: { name } }, { text }) => room.broadcast(new Said({ connection: id, name, text })),
      close: Effect.fnUntraced(function*({ id, state: { name } }, { code, reason }) {
        const connections = yield* room.count()
        yield* Permissions.broadcast(room, new Left({ connection: id, name, connections, code, reason }))
      })
    }
  })),
  Deadlines.layer
)
