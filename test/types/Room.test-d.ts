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
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"

const Counter = Room.make("counter", {
  receive: Schema.Struct({ add: Schema.Int }),
  send: Schema.Struct({ total: Schema.Int }),
  state: Schema.Struct({ total: Schema.Int })
})

const Silent = Room.make("silent", { receive: Schema.Never, send: Schema.Never })

class Database extends Context.Service<Database, { readonly path: string }>()("effect-dormouse/test/types/Database") {}

declare const room: (typeof Counter)["Service"]
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

it("a handler has what its layer took, and nothing else", () => {
  compiles(
    Counter.toLayer(Effect.gen(function*() {
      const { path } = yield* Database
      return { connect, message: () => Effect.log(path) }
    })),
    // @ts-expect-error: a handler cannot ask for a service
    Counter.toLayer(Effect.succeed({ connect, message: () => Database }))
  )
})

it("a room runs only where everything that it needs is provided", () => {
  const CounterLive = Counter.toLayer(Effect.as(Database, { connect }))
  const Provided = Layer.provide(CounterLive, Layer.succeed(Database)({ path: ":memory:" }))
  const ofAnother = Silent.toLayer(Effect.as(Counter, {}))
  compiles(
    RoomObject.make(Counter, Provided),
    // @ts-expect-error: there is no database
    RoomObject.make(Counter, CounterLive),
    MemoryRoom.make(Counter, Provided),
    // @ts-expect-error: there is no database
    MemoryRoom.make(Counter, CounterLive),
    // @ts-expect-error: another room's services are not there
    MemoryRoom.make(Silent, ofAnother),
    // @ts-expect-error: a room is reached only inside its object
    Effect.runPromise(Effect.flatMap(Counter, (room) => room.count()))
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
