/**
 * The room that the deployed Worker serves: a chat in which everybody has a name.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as ConnectionId from "./domain/ConnectionId.ts"
import * as Problem from "./domain/Problem.ts"
import * as Permissions from "./doors/Permissions.ts"
import * as Deadlines from "./services/Deadlines.ts"
import * as Room from "./services/Room.ts"

// A character is a code point. An emoji is one character, though it is stored as two UTF-16 units.
const characters = (least: number, most: number) =>
  Schema.makeFilter((text: string) => {
    if (text.length <= most) return text.length >= least ? undefined : `at least ${least} character`
    return text.length <= 2 * most && [...text].length <= most ? undefined : `at most ${most} characters`
  })

/** A client speaks. */
export class Say extends Schema.TaggedClass<Say>()("Say", {
  text: Schema.String.check(characters(1, 4_096))
}) {}

/** The newcomer is told who it is. */
export class Welcome extends Schema.TaggedClass<Welcome>()("Welcome", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  connections: Schema.Int
}) {}

/** The others are told of a newcomer. */
export class Joined extends Schema.TaggedClass<Joined>()("Joined", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  connections: Schema.Int
}) {}

/** Everybody is told what somebody said. */
export class Said extends Schema.TaggedClass<Said>()("Said", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  text: Schema.String
}) {}

/** Those who stay are told who left, and how. */
export class Left extends Schema.TaggedClass<Left>()("Left", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  connections: Schema.Int,
  code: Schema.Int,
  reason: Schema.String
}) {}

const Name = Schema.Trim.check(characters(1, 64))

/** The chat's definition. `connections` always counts those that are open, without the one that leaves. */
export const Chat = Room.make("chat", {
  receive: Say,
  send: Schema.Union([Welcome, Joined, Said, Left]),
  state: Schema.Struct({ name: Schema.String })
})

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
