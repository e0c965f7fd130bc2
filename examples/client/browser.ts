/**
 * What a page carries to talk to the chat: the definition, and the client as an Effect.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Chat, Say } from "../../src/Chat.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"

const program = Effect.gen(function*() {
  const client = yield* RoomClient.key(Chat)
  yield* client.send(new Say({ text: "hello" }))
  yield* Stream.runForEach(client.messages, (message) => Effect.log(message._tag))
})

Effect.runFork(Effect.provide(program, RoomClient.layer(Chat, { url: "/rooms/lobby", query: { name: "Ada" } })))
