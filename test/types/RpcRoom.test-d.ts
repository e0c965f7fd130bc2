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
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Directory from "../../src/services/Directory.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"

const Rpcs = RpcGroup.make(
  Rpc.make("Add", { payload: { by: Schema.Int }, success: Schema.Int }),
  Rpc.make("Watch", { success: Schema.Int, stream: true }),
  Rpc.make("Days", { success: Schema.Date, stream: true })
)

const Counter = RpcRoom.make("counter", Rpcs)

const Named = RpcRoom.make("named", Rpcs, { state: Schema.Struct({ name: Schema.String }) })

const Called = RpcRoom.make("called", Rpcs, { methods: [Rpc.make("tick", { success: Schema.Int })] })

const Belled = RpcRoom.make("belled", Rpcs, { deadlines: { bell: Schema.Struct({ day: Schema.Date }) } })

const Journaled = RpcRoom.make("journaled", Rpcs, { journal: true })

const Ending = RpcRoom.make("ending", Rpcs, { lifetime: { emptyFor: "1 day" } })

const Listed = RpcRoom.make("listed", Rpcs, { directory: true })

const Plain = RpcRoom.make("plain", Rpcs, { journal: false, directory: false, deadlines: {} })

class Database
  extends Context.Service<Database, { readonly path: string }>()("effect-dormouse/test/types/RpcDatabase")
{}

declare const room: (typeof Counter)["Service"]
declare const named: (typeof Named)["Service"]
declare const belled: (typeof Belled)["Service"]
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

it("a room's deadlines carry what it declares, and each has a handler", () => {
  const deadlines = { bell: () => Effect.void }
  compiles(
    belled.deadlines.bell.set("a", "1 minute", { day: new Date(0) }),
    // @ts-expect-error: a text is no date
    belled.deadlines.bell.set("a", "1 minute", { day: "1970-01-01" }),
    // @ts-expect-error: there is no such deadline
    belled.deadlines.gong,
    // @ts-expect-error: this room has none
    room.deadlines.bell,
    Belled.toLayer(handlers, { deadlines }),
    Belled.toLayer(handlers, { deadlines: { bell: (_, { day }) => room.push("Days", day) } }),
    Belled.toLayer(handlers, Effect.succeed({ deadlines })),
    // @ts-expect-error: nobody handles them
    Belled.toLayer(handlers),
    // @ts-expect-error: nobody handles them
    Belled.toLayer(handlers, {}),
    // @ts-expect-error: a date is no number
    Belled.toLayer(handlers, { deadlines: { bell: (_, { day }) => room.push("Watch", day) } }),
    Counter.toLayer(handlers, { retire: Effect.void }),
    // @ts-expect-error: a number is no effect
    Counter.toLayer(handlers, { retire: 1 })
  )
})

it("a room's layer needs the layers that its definition asks for", () => {
  const BelledLive = Belled.toLayer(handlers, { deadlines: { bell: () => Effect.void } })
  compiles(
    RoomObject.make(Plain.room, Plain.toLayer(handlers)),
    RoomObject.make(Belled.room, Layer.provide(BelledLive, Deadlines.layer)),
    // @ts-expect-error: where are the deadlines?
    RoomObject.make(Belled.room, BelledLive),
    // @ts-expect-error: where are the deadlines?
    MemoryRoom.make(Belled.room, BelledLive),
    RoomObject.make(Journaled.room, Layer.provide(Journaled.toLayer(handlers), Journal.layer)),
    // @ts-expect-error: where is the journal?
    RoomObject.make(Journaled.room, Journaled.toLayer(handlers)),
    // @ts-expect-error: deadlines are no journal
    RoomObject.make(Journaled.room, Layer.provide(Journaled.toLayer(handlers), Deadlines.layer)),
    RoomObject.make(Ending.room, Layer.provide(Ending.toLayer(handlers), Lifetime.layer)),
    // @ts-expect-error: where is the lifetime?
    RoomObject.make(Ending.room, Ending.toLayer(handlers)),
    MemoryRoom.make(Listed.room, Layer.provide(Listed.toLayer(handlers), Directory.layer)),
    // @ts-expect-error: where is the room's layer of the directory?
    MemoryRoom.make(Listed.room, Listed.toLayer(handlers)),
    // @ts-expect-error: a lifetime says for how long
    RpcRoom.make("never", Rpcs, { lifetime: {} })
  )
  expectTypeOf<Room.HasDirectory<typeof Listed.room>>().toEqualTypeOf<true>()
  expectTypeOf<Room.HasDirectory<typeof Plain.room>>().toEqualTypeOf<false>()
})

it("a room is drained where its layer brings `Deadlines`", () => {
  const With = Layer.provideMerge(CounterLive, Deadlines.layer)
  const drain = Effect.flatMap(Counter, (counter) => counter.drain({ over: "1 minute" }))
  compiles(
    Effect.flatMap(MemoryRoom.make(Counter.room, With), ({ run }) => run(drain)),
    // @ts-expect-error: where are the deadlines?
    Effect.flatMap(MemoryRoom.make(Counter.room, CounterLive), ({ run }) => run(drain)),
    // @ts-expect-error: a drain takes its time
    Counter.useSync((counter) => counter.drain({}))
  )
})
