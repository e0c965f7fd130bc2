/**
 * What a client of a room takes and gives, and what must not compile.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { expectTypeOf, it } from "vitest"
import { connect } from "../../src/client/Connect.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import type { RoomClientError } from "../../src/client/RoomClientError.ts"
import * as Room from "../../src/services/Room.ts"

class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}
class Banned extends Schema.TaggedError<Banned>()("Banned", {}) {}

const Say = Schema.Struct({ text: Schema.String })
const Said = Schema.Struct({ text: Schema.String, by: Schema.String })

const Wall = Room.make("wall", { receive: Say, send: Said, error: Schema.Union([Full, Banned]) })
const Plain = Room.make("plain", { receive: Say, send: Said })

class Tokens extends Context.Service<Tokens, { readonly fresh: Effect.Effect<string> }>()("test/Tokens") {}

declare const wall: RoomClient.Service<typeof Wall>
declare const plain: RoomClient.Service<typeof Plain>

it("messages are what the room sends, and send takes what it receives", () => {
  expectTypeOf(wall.messages).toEqualTypeOf<
    Stream.Stream<{ readonly text: string; readonly by: string }, RoomClientError>
  >()
  wall.send({ text: "a" })
  // @ts-expect-error: it is no message of the room.
  wall.send({ text: 3 })
  // @ts-expect-error: nor is what the room sends.
  wall.send({})
})

it("a confirmed message fails with the refusals of the room, and another one does not", () => {
  expectTypeOf(wall.send({ text: "a" })).toEqualTypeOf<Effect.Effect<void, RoomClientError>>()
  expectTypeOf(wall.send({ text: "a" }, { id: "1" })).toEqualTypeOf<
    Effect.Effect<void, Full | Banned | RoomClientError>
  >()
  expectTypeOf(plain.send({ text: "a" }, { id: "1" })).toEqualTypeOf<Effect.Effect<void, RoomClientError>>()
  // @ts-expect-error: the room declares no such refusal.
  Effect.catchTag(wall.send({ text: "a" }, { id: "1" }), "Other", () => Effect.void)
  expectTypeOf<Extract<RoomClient.Trouble<typeof Wall>, { _tag: "Refused" }>["error"]>().toEqualTypeOf<Full | Banned>()
})

it("the layer names the services that its effects need", () => {
  const live = RoomClient.layer(Wall, { url: "ws://a", token: Tokens.use((tokens) => tokens.fresh) })
  expectTypeOf(live).toEqualTypeOf<Layer.Layer<RoomClient.RoomClient<"wall">, never, Tokens>>()
  expectTypeOf(RoomClient.layer(Wall, { url: "ws://a" })).toEqualTypeOf<
    Layer.Layer<RoomClient.RoomClient<"wall">>
  >()
  const program = Effect.flatMap(RoomClient.key(Plain), (client) => client.send({ text: "a" }))
  expectTypeOf<Effect.Services<typeof program>>().toEqualTypeOf<RoomClient.RoomClient<"plain">>()
  // @ts-expect-error: the client of another room is another service.
  const provided: Effect.Effect<void, RoomClientError> = Effect.provide(
    program,
    RoomClient.layer(Wall, { url: "ws://a" })
  )
  return provided
})

it("without Effect the types are the same", () => {
  const open = () =>
    connect(Wall, {
      url: async () => "ws://a",
      onMessage: (message) => expectTypeOf(message).toEqualTypeOf<{ readonly text: string; readonly by: string }>(),
      onTrouble: (trouble) => expectTypeOf(trouble).toEqualTypeOf<RoomClient.Trouble<typeof Wall>>()
    })
  const use = async (room: ReturnType<typeof open>) => {
    await room.send({ text: "a" }, { id: "1" })
    // @ts-expect-error: it is no message of the room.
    await room.send("a")
    for await (const message of room) expectTypeOf(message.by).toEqualTypeOf<string>()
  }
  return use
})
