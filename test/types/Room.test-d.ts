/**
 * What must not compile about a room.
 *
 * Each wrong call stands beside the same call done right, and is as short as it can be, so that no other error can pass
 * for the one that is expected. Where a wrong call compiles after all, its directive is unused, and the test fails.
 */
import { expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import * as CloseCode from "../../src/domain/CloseCode.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import type * as RoomError from "../../src/domain/RoomError.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import * as Broadcaster from "../../src/services/Broadcaster.ts"
import type * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Room from "../../src/services/Room.ts"

const Counter = Room.make("counter", {
  receive: Schema.Struct({ add: Schema.Int }),
  send: Schema.Struct({ total: Schema.Int }),
  state: Schema.Struct({ total: Schema.Int })
})

const Silent = Room.make("silent", { receive: Schema.Never, send: Schema.Never })

const Called = Room.make("called", {
  receive: Schema.Never,
  send: Schema.Never,
  methods: [Rpc.make("tick", { success: Schema.Int })]
})

const Text = Room.make("text", { format: "text", receive: Schema.String, send: Schema.String })

const Binary = Room.make("binary", { format: "binary", receive: Schema.Uint8Array, send: Schema.Uint8Array })

class Banned extends Schema.TaggedError<Banned>()("Banned", { until: Schema.Int }) {}

const Board = Room.make("board", {
  receive: Schema.Struct({ title: Schema.String }),
  send: Schema.Struct({ drawn: Schema.Int }),
  bytes: { receive: Schema.Uint8Array, send: Schema.Uint8Array },
  error: Banned
})

class Database extends Context.Service<Database, { readonly path: string }>()("effect-dormouse/test/types/Database") {}

declare const room: (typeof Counter)["Service"]
declare const board: (typeof Board)["Service"]
declare const id: ConnectionId.ConnectionId
declare const compiles: (...calls: ReadonlyArray<unknown>) => void

const connect = () => Effect.succeed({ state: { total: 0 } })

it("a room sends only what it declares", () => {
  compiles(
    room.send(id, { total: 1 }),
    room.broadcast({ total: 1 }),
    // @ts-expect-error: a text is no number
    room.send(id, { total: "1" }),
    // @ts-expect-error: this is what the room receives
    room.send(id, { add: 1 }),
    // @ts-expect-error: a text is no number
    room.broadcast({ total: "1" }),
    // @ts-expect-error: this is what the room receives
    room.broadcast({ add: 1 })
  )
})

it("a connection is reached by an id that a server minted", () => {
  compiles(
    room.close(id),
    // @ts-expect-error: any text
    room.close("0b0f6e3a-9f57-4c3a-8a55-2f3f6c3c9a10")
  )
})

it("a close takes its code and its reason by their names", () => {
  compiles(
    room.close(id, { code: CloseCode.table.slow.code, reason: "Read faster." }),
    // @ts-expect-error: a code without its name
    room.close(id, 4008),
    // @ts-expect-error: a text is no code
    room.close(id, { code: "4008" })
  )
})

it("connections are listed by pages, of an audience", () => {
  compiles(
    room.connections({ of: Audience.user("ada"), limit: 10, after: id }),
    // @ts-expect-error: no audience
    room.connections({ of: "ada" }),
    // @ts-expect-error: a page begins after a connection
    room.connections({ after: 10 }),
    // @ts-expect-error: a text is no number
    room.connections({ limit: "10" })
  )
  expectTypeOf(room.connections()).toEqualTypeOf<
    Effect.Effect<ReadonlyArray<ConnectionRegistry.Connection<{ readonly total: number }>>, RoomError.RoomError>
  >()
})

it("an audience is one of those that there are", () => {
  compiles(
    room.broadcast({ total: 1 }, { to: Audience.user("ada"), except: id }),
    // @ts-expect-error: no text
    room.broadcast({ total: 1 }, { to: "ada" }),
    // @ts-expect-error: there is no such audience
    room.broadcast({ total: 1 }, { to: { _tag: "Nobody" } }),
    // @ts-expect-error: an audience of users names one
    room.broadcast({ total: 1 }, { to: { _tag: "User" } }),
    // @ts-expect-error: not the id of a connection
    room.broadcast({ total: 1 }, { except: "ada" }),
    room.count(Audience.label("admin")),
    // @ts-expect-error: no text
    room.count("admin"),
    Audience.user("ada"),
    // @ts-expect-error: users are named by texts
    Audience.user(1)
  )
})

it("a connection's state is what the room declares", () => {
  compiles(
    room.setState(id, { total: 1 }),
    // @ts-expect-error: a text is no number
    room.setState(id, { total: "1" }),
    Counter.toLayer(Effect.succeed({ connect })),
    // @ts-expect-error: a text is no number
    Counter.toLayer(Effect.succeed({ connect: () => Effect.succeed({ state: { total: "0" } }) })),
    // @ts-expect-error: the room keeps a state
    Counter.toLayer(Effect.succeed({ connect: () => Effect.succeed({ user: "ada" }) })),
    // @ts-expect-error: nobody says what the first state is
    Counter.toLayer(Effect.succeed({})),
    Silent.toLayer(Effect.succeed({})),
    // @ts-expect-error: the room keeps none
    Silent.toLayer(Effect.succeed({ connect }))
  )
  expectTypeOf(room.state(id)).toEqualTypeOf<Effect.Effect<{ readonly total: number }, RoomError.RoomError>>()
})

it("handlers take what the room receives, and a refusal is a problem", () => {
  compiles(
    Counter.toLayer(Effect.succeed({ connect, message: ({ state }, { add }) => Effect.succeed(state.total + add) })),
    // @ts-expect-error: this is what the room sends
    Counter.toLayer(Effect.succeed({ connect, message: (_, { total }) => Effect.succeed(total) })),
    // @ts-expect-error: the state has no such field
    Counter.toLayer(Effect.succeed({ connect, message: ({ state }) => Effect.succeed(state.people) })),
    // @ts-expect-error: a text is no problem
    Counter.toLayer(Effect.succeed({ connect: () => Effect.fail("Members only.") }))
  )
})

it("handlers are a plain object, or an effect that makes one", () => {
  compiles(
    Counter.toLayer({ connect, message: ({ state }, { add }) => Effect.succeed(state.total + add) }),
    Counter.toLayer({
      connect,
      message: Effect.fnUntraced(function*({ state }, { add }) {
        yield* room.setState(id, { total: state.total + add })
      })
    }),
    Counter.toLayer(Effect.gen(function*() {
      const { path } = yield* Database
      return { connect, message: ({ state }, { add }) => Effect.log(path, state.total + add) }
    })),
    // @ts-expect-error: nobody says what the first state is
    Counter.toLayer({}),
    // @ts-expect-error: the room keeps none
    Silent.toLayer({ connect }),
    // @ts-expect-error: this is what the room sends
    Counter.toLayer({ connect, message: (_, { total }) => Effect.succeed(total) }),
    // @ts-expect-error: a handler gives an effect
    Counter.toLayer({ connect, message: () => 1 }),
    Called.toLayer({ methods: { tick: () => Effect.succeed(1) } }),
    // @ts-expect-error: nobody answers the calls
    Called.toLayer({})
  )
})

it("a handler whose name is misspelt does not compile", () => {
  compiles(
    Counter.toLayer({
      connect,
      // @ts-expect-error: it would never run
      mesage: () => Effect.void
    }),
    // @ts-expect-error: it would never run
    Counter.toLayer(Effect.succeed({ connect, mesage: () => Effect.void })),
    // @ts-expect-error: it would never run
    Counter.toLayer(Effect.gen(function*() {
      yield* Database
      return { connect, mesage: () => Effect.void }
    })),
    // @ts-expect-error: it would never run
    Silent.toLayer({ opn: () => Effect.void }),
    // @ts-expect-error: it would never run
    Silent.toLayer(Effect.succeed({ opn: () => Effect.void }))
  )
})

it("what handlers need stands in the layer's type, and a room runs only where all of it is provided", () => {
  const Taken = Counter.toLayer(Effect.as(Database, { connect }))
  const Asked = Counter.toLayer({ connect, message: () => Database })
  const AskedLater = Counter.toLayer({ connect, alarm: Effect.asVoid(Database) })
  const Answering = Called.toLayer({ methods: { tick: () => Effect.as(Database, 1) } })
  const DatabaseLive = Layer.succeed(Database)({ path: ":memory:" })
  const ofAnother = Silent.toLayer(Effect.as(Counter, {}))
  compiles(
    RoomObject.make(Counter, Layer.provide(Taken, DatabaseLive)),
    RoomObject.make(Counter, Layer.provide(Asked, DatabaseLive)),
    RoomObject.make(Counter, Layer.provide(AskedLater, DatabaseLive)),
    RoomObject.make(Called, Layer.provide(Answering, DatabaseLive)),
    MemoryRoom.make(Counter, Layer.provide(Asked, DatabaseLive)),
    // @ts-expect-error: there is no database
    RoomObject.make(Counter, Taken),
    // @ts-expect-error: there is no database
    RoomObject.make(Counter, Asked),
    // @ts-expect-error: there is no database
    RoomObject.make(Counter, AskedLater),
    // @ts-expect-error: there is no database
    RoomObject.make(Called, Answering),
    // @ts-expect-error: there is no database
    MemoryRoom.make(Counter, Taken),
    // @ts-expect-error: there is no database
    MemoryRoom.make(Counter, Asked),
    // @ts-expect-error: the handlers are another room's
    MemoryRoom.make(Silent, Counter.toLayer({ connect })),
    // @ts-expect-error: another room's services are not there
    MemoryRoom.make(Silent, ofAnother),
    // @ts-expect-error: a room is reached only inside its object
    Effect.runPromise(Effect.flatMap(Counter, (room) => room.count()))
  )
  expectTypeOf<Layer.Services<typeof Asked>>().toEqualTypeOf<Layer.Services<typeof Taken>>()
  expectTypeOf<Extract<Layer.Services<typeof Asked>, Database>>().toEqualTypeOf<Database>()
})

it("a layer may bring a service of the house", () => {
  const Own = Layer.effect(Broadcaster.Broadcaster, Broadcaster.Broadcaster)
  compiles(
    MemoryRoom.make(Silent, Layer.merge(Silent.toLayer({}), Own)),
    RoomObject.make(Silent, Layer.merge(Silent.toLayer({}), Own)),
    // @ts-expect-error: this is no broadcaster
    Layer.succeed(Broadcaster.Broadcaster)({ send: () => Effect.void })
  )
})

it("`Room.Any` takes every room, and the extractors say what it is about", () => {
  const Pushing = RpcRoom.make("pushing", RpcGroup.make(Rpc.make("Add")))
  const any = (..._rooms: ReadonlyArray<Room.Any>) => undefined
  const tell = <R extends Room.Any>(_room: R, _message: Room.Send<R>) => undefined
  compiles(
    any(Counter, Silent, Called, Text, Binary, Board, Pushing.room),
    // @ts-expect-error: its room is below
    any(Pushing),
    // @ts-expect-error: this is a service of another kind
    any(Database),
    tell(Counter, { total: 1 }),
    tell(Text, "hi"),
    // @ts-expect-error: this is what the room receives
    tell(Counter, { add: 1 }),
    // @ts-expect-error: a number is no text
    tell(Text, 1)
  )
  expectTypeOf<Room.Name<typeof Counter>>().toEqualTypeOf<"counter">()
  expectTypeOf<Room.Receive<typeof Counter>>().toEqualTypeOf<{ readonly add: number }>()
  expectTypeOf<Room.Send<typeof Counter>>().toEqualTypeOf<{ readonly total: number }>()
  expectTypeOf<Room.State<typeof Counter>>().toEqualTypeOf<{ readonly total: number }>()
  expectTypeOf<Room.State<typeof Silent>>().toEqualTypeOf<undefined>()
  expectTypeOf<Room.Methods<typeof Called>["_tag"]>().toEqualTypeOf<"tick">()
  expectTypeOf<Room.Methods<typeof Counter>>().toEqualTypeOf<never>()
})

it("a room of JSON may take and send bytes beside", () => {
  expectTypeOf<Room.Receive<typeof Board>>().toEqualTypeOf<{ readonly title: string } | Uint8Array<ArrayBufferLike>>()
  expectTypeOf<Room.Send<typeof Board>>().toEqualTypeOf<{ readonly drawn: number } | Uint8Array<ArrayBufferLike>>()
  compiles(
    board.broadcast({ drawn: 1 }),
    board.broadcast(new Uint8Array()),
    // @ts-expect-error: neither
    board.broadcast("text"),
    // @ts-expect-error: this room has no bytes
    room.broadcast(new Uint8Array()),
    Board.toLayer({ message: (_, said) => Effect.log(said instanceof Uint8Array ? said.length : said.title) }),
    // @ts-expect-error: bytes have no title
    Board.toLayer({ message: (_, said) => Effect.log(said.title) }),
    Room.make("pixels", {
      receive: Schema.Never,
      send: Schema.Never,
      bytes: { receive: Schema.Never, send: Schema.Uint8Array }
    }),
    Room.make("pixels", {
      receive: Schema.Never,
      send: Schema.Never,
      // @ts-expect-error: texts are no bytes
      bytes: { receive: Schema.Never, send: Schema.String }
    }),
    // @ts-expect-error: it speaks texts alone
    Room.make("texts", { format: "text", receive: Schema.String, send: Schema.String, bytes: Board.bytes })
  )
})

it("a room of JSON says what it refuses messages with", () => {
  compiles(
    Board.toLayer({ message: () => Effect.fail(new Banned({ until: 1 })) }),
    // @ts-expect-error: a text is no number
    Board.toLayer({ message: () => Effect.fail(new Banned({ until: "tomorrow" })) }),
    // @ts-expect-error: no schema
    Room.make("refusing", { receive: Schema.Never, send: Schema.Never, error: "Banned" }),
    // @ts-expect-error: a room of texts has no frame for it
    Room.make("refusing", { format: "text", receive: Schema.String, send: Schema.String, error: Banned })
  )
})

it("a room of texts or of bytes declares texts or bytes", () => {
  compiles(
    Room.make("texts", { format: "text", receive: Schema.String, send: Schema.String }),
    // @ts-expect-error: a number is no text
    Room.make("texts", { format: "text", receive: Schema.Int, send: Schema.String }),
    // @ts-expect-error: a number is no text
    Room.make("texts", { format: "text", receive: Schema.String, send: Schema.Int }),
    Room.make("bytes", { format: "binary", receive: Schema.Uint8Array, send: Schema.Uint8Array }),
    // @ts-expect-error: texts are no bytes
    Room.make("bytes", { format: "binary", receive: Schema.Uint8Array, send: Schema.String })
  )
})
