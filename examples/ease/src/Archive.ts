/**
 * A chat that remembers what was said: handlers that need a service.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Room from "../../../src/services/Room.ts"

/** Keeps what was said. */
export class Archive extends Context.Service<Archive, {
  readonly save: (room: string, text: string) => Effect.Effect<void>
  /** What was said last in a room, the oldest first. */
  readonly last: (room: string) => Effect.Effect<ReadonlyArray<string>>
}>()("effect-dormouse/examples/ease/src/Archive") {}

export const Chat = Room.make("chat", { receive: Schema.NonEmptyString, send: Schema.String })

/** The handlers ask for the archive, so the type of this layer says that it needs one. */
export const ChatLive = Chat.toLayer({
  open: Effect.fnUntraced(function*({ id }) {
    const room = yield* Chat
    const archive = yield* Archive
    for (const text of yield* archive.last(room.name)) yield* room.send(id, text)
  }),
  message: Effect.fnUntraced(function*(_, text) {
    const room = yield* Chat
    const archive = yield* Archive
    yield* archive.save(room.name, text)
    yield* room.broadcast(text)
  })
})
