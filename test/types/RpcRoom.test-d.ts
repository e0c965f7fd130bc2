/**
 * What must not compile about a room that speaks `effect/rpc`; see `Room.test-d.ts`.
 */
import { expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"

const Rpcs = RpcGroup.make(
  Rpc.make("Add", { payload: { by: Schema.Int }, success: Schema.Int }),
  Rpc.make("Watch", { success: Schema.Int, stream: true }),
  Rpc.make("Days", { success: Schema.Date, stream: true })
)

const Counter = RpcRoom.make("counter", Rpcs)

const Named = RpcRoom.make("named", Rpcs, { state: Schema.Struct({ name: Schema.String }) })

const Called = RpcRoom.make("called", Rpcs, { methods: [Rpc.make("tick", { success: Schema.Int })] })

class Database
  extends Context.Service<Database, { readonly path: string }>()("effect-dormouse/test/types/RpcDatabase")
{}

declare const room: (typeof Counter)["Service"]
declare const named: (typeof Named)["Service"]
declare const id: ConnectionId.ConnectionId
declare const compiles: (...calls: ReadonlyArray<unknown>) => void

const Add = ({ by }: { readonly by: number }) => Effect.succeed(by)
const Watch = () => Stream.make(1)
const Days = () => Stream.make(new Date(0))
const handlers = { Add, Watch, Days }
const CounterLive = Counter.toLayer(handlers)
const connect = () => Effect.succeed({ state: { name: "" } })

it("what is pushed is what a stream of the group carries", () => {
  compiles(
    room.push("Watch", 1, { to: Audience.user("ada"), except: id, topic: "a" }),
    room.push("Days", new Date(0)),
    room.end("Watch"),
    // @ts-expect-error: a text is no number
    room.push("Watch", "1"),
    // @ts-expect-error: a number is no date
    room.push("Days", 1),
    // @ts-expect-error: no stream
    room.push("Add", 1),
    // @ts-expect-error: not in the group
    room.push("Other", 1),
    // @ts-expect-error: no stream
    room.end("Add")
  )
})

it("a room answers what its group says, and all of it", () => {
  compiles(
    Counter.toLayer(handlers),
    Counter.toLayer(Effect.succeed(handlers), { open: () => room.push("Watch", 1) }),
    // @ts-expect-error: two are missing
    Counter.toLayer({ Add }),
    // @ts-expect-error: the result is a number
    Counter.toLayer({ Add: () => Effect.succeed("1"), Watch, Days }),
    // @ts-expect-error: the group knows no such error
    Counter.toLayer({ Add: () => Effect.fail("broken"), Watch, Days }),
    // @ts-expect-error: the messages of a room like this are calls
    Counter.toLayer(handlers, { message: () => Effect.void })
  )
})

it("a stream is pushed where one is asked for, and begins with what it carries", () => {
  compiles(
    Counter.toLayer({ Add, Watch: (_, request) => room.pushed(request, { first: Effect.succeed([1]) }), Days }),
    Counter.toLayer({
      Add,
      // @ts-expect-error: a text is no number
      Watch: (_, request) => room.pushed(request, { first: Effect.succeed(["1"]) }),
      Days
    }),
    // @ts-expect-error: the group knows no such error
    Counter.toLayer({ Add, Watch: (_, request) => room.pushed(request, { first: Effect.fail("broken") }), Days }),
    // @ts-expect-error: an answer is no stream
    Counter.toLayer({ Add: (_, request) => room.pushed(request), Watch, Days })
  )
})

it("a room that keeps a state, or is called from outside, says how", () => {
  compiles(
    named.setState(id, { name: "ada" }),
    Named.toLayer(handlers, { connect }),
    Called.toLayer(handlers, { methods: { tick: () => Effect.succeed(1) } }),
    // @ts-expect-error: no state for who enters
    Named.toLayer(handlers),
    // @ts-expect-error: no state for who enters
    Named.toLayer(handlers, {}),
    // @ts-expect-error: the state has a name
    Named.toLayer(handlers, { connect: () => Effect.succeed({ state: {} }) }),
    // @ts-expect-error: the state has a name
    named.setState(id, {}),
    // @ts-expect-error: no handlers for the methods
    Called.toLayer(handlers)
  )
  expectTypeOf(named.state(id)).toExtend<Effect.Effect<{ readonly name: string }, unknown>>()
})

it("a room's layer is of the room below, and brings what it needs", () => {
  const WithDatabase = Counter.toLayer(Effect.as(Database, handlers))
  const DatabaseLive = Layer.succeed(Database)({ path: "" })
  compiles(
    RoomObject.make(Counter.room, CounterLive),
    MemoryRoom.make(Counter.room, CounterLive),
    RoomObject.make(Counter.room, WithDatabase.pipe(Layer.provide(DatabaseLive))),
    // @ts-expect-error: no database
    RoomObject.make(Counter.room, WithDatabase),
    // @ts-expect-error: the layer of another room
    RoomObject.make(Named.room, CounterLive)
  )
})
