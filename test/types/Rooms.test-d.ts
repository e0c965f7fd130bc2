/**
 * What must not compile about rooms that are called from outside; see `Room.test-d.ts`.
 */
import { expectTypeOf, it } from "@effect/vitest"
import { DurableObject } from "cloudflare:workers"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as RoomsError from "../../src/services/RoomsError.ts"

declare global {
  namespace Cloudflare {
    interface Env {
      readonly BANKS: DurableObjectNamespace<BankRoom>
      readonly OTHERS: DurableObjectNamespace<OtherRoom>
      readonly ECHOES: DurableObjectNamespace<Echo>
      readonly UNTYPED: DurableObjectNamespace
      readonly GREETING: string
    }
  }
}

class NotEnough extends Schema.TaggedError<NotEnough>()("NotEnough", { missing: Schema.Int }) {}

const Bank = Room.make("bank", {
  receive: Schema.Never,
  send: Schema.Struct({ rate: Schema.Finite }),
  methods: [
    Rpc.make("spend", { payload: { coins: Schema.Int }, success: Schema.Int, error: NotEnough }),
    Rpc.make("close-up")
  ]
})

const Other = Room.make("other", { receive: Schema.Never, send: Schema.Never })

class Vault extends Context.Service<Vault, { readonly coins: number }>()("effect-dormouse/test/types/Vault") {}

const spend = ({ coins }: { readonly coins: number }) => Effect.succeed(coins)
const methods = { spend, "close-up": () => Effect.void }
const BankLive = Bank.toLayer(Effect.succeed({ methods }))
const VaultBankLive = Bank.toLayer(Effect.as(Vault, { methods }))
const VaultLive = Layer.succeed(Vault)({ coins: 1 })

class BankRoom extends RoomObject.make(Bank, BankLive) {}
class OtherRoom extends RoomObject.make(Other, Other.toLayer({})) {}
class Echo extends DurableObject {}

declare const id: ConnectionId.ConnectionId
declare const compiles: (...calls: ReadonlyArray<unknown>) => void
const bank = DurableRooms.make(Bank, { getByName: () => undefined }).get("bank")

it("a call takes the payload that its schema says, and gives its answer or its error", () => {
  compiles(
    bank.spend({ coins: 1 }),
    // @ts-expect-error: a text is no number
    bank.spend({ coins: "1" }),
    // @ts-expect-error: there is no payload
    bank.spend(),
    bank["close-up"](),
    // @ts-expect-error: it takes no payload
    bank["close-up"]({ coins: 1 }),
    // @ts-expect-error: the room has no such method
    bank.earn({ coins: 1 }),
    Effect.catchTag(bank.spend({ coins: 1 }), "NotEnough", ({ missing }) => Effect.succeed(missing)),
    // @ts-expect-error: it fails with no such error
    Effect.catchTag(bank.spend({ coins: 1 }), "TooMuch", () => Effect.succeed(1)),
    // @ts-expect-error: a built-in call fails with no error of a method
    Effect.catchTag(bank.broadcast({ rate: 1 }), "NotEnough", () => Effect.succeed(1))
  )
  expectTypeOf(bank.spend({ coins: 1 })).toEqualTypeOf<Effect.Effect<number, NotEnough | RoomsError.RoomsError>>()
})

it("what is sent from outside is what the room sends", () => {
  compiles(
    bank.broadcast({ rate: 1 }, { to: Audience.user("ada") }),
    // @ts-expect-error: a text is no number
    bank.broadcast({ rate: "1" }),
    bank.send(id, { rate: 1 }),
    // @ts-expect-error: not the id of a connection
    bank.send("ada", { rate: 1 }),
    bank.close(Audience.label("late")),
    // @ts-expect-error: neither a connection nor an audience
    bank.close("ada"),
    bank.close(id, { code: 4000, reason: "Closed." }),
    // @ts-expect-error: a code without its name
    bank.close(id, 4000),
    bank.connections({ of: Audience.label("late"), limit: 10, after: id }),
    // @ts-expect-error: a page begins after a connection
    bank.connections({ after: "ada" })
  )
})

it("a method has a handler, which gives what its schemas say", () => {
  compiles(
    // @ts-expect-error: nobody answers the calls
    Bank.toLayer(Effect.succeed({})),
    // @ts-expect-error: nobody answers one of them
    Bank.toLayer(Effect.succeed({ methods: { spend } })),
    // @ts-expect-error: a text is no number
    Bank.toLayer(Effect.succeed({ methods: { ...methods, spend: () => Effect.succeed("1") } })),
    // @ts-expect-error: this is no error that the method declares
    Bank.toLayer(Effect.succeed({ methods: { ...methods, spend: () => Effect.fail("no") } })),
    Bank.toLayer(Effect.succeed({ methods: { ...methods, spend: () => Effect.fail(new NotEnough({ missing: 1 })) } })),
    // @ts-expect-error: the name is taken
    Room.make("taken", { receive: Schema.Never, send: Schema.Never, methods: [Rpc.make("broadcast")] })
  )
})

it("a room's object brings what its layer needs", () => {
  class Instance extends RoomObject.make(Bank, Layer.provideMerge(VaultBankLive, VaultLive)) {
    coins() {
      return this.run(Vault.useSync(({ coins }) => coins))
    }
  }
  class WithoutVault extends RoomObject.make(Bank, BankLive) {
    coins() {
      // @ts-expect-error: this object has no vault
      return this.run(Vault.useSync(({ coins }) => coins))
    }
  }
  compiles(
    Instance,
    WithoutVault,
    // @ts-expect-error: there is no vault
    RoomObject.make(Bank, VaultBankLive)
  )
})

it("rooms are reached where they are provided, by a binding that there is", () => {
  const call = Effect.flatMap(Rooms.key(Bank), (banks) => banks.get("bank").spend({ coins: 1 }))
  const RoomsLive = DurableRooms.layer(Bank, "BANKS")
  compiles(
    // @ts-expect-error: there are no rooms
    Effect.runPromise(call),
    Effect.runPromise(Effect.provide(call, MemoryRooms.layer(Bank, BankLive))),
    // @ts-expect-error: those are the rooms of another definition
    Effect.runPromise(Effect.provide(call, MemoryRooms.layer(Other, Layer.empty))),
    // @ts-expect-error: the rooms in memory need a vault
    Effect.runPromise(Effect.provide(call, MemoryRooms.layer(Bank, VaultBankLive))),
    // @ts-expect-error: where are the bindings?
    Effect.runPromise(Effect.provide(call, RoomsLive)),
    Effect.runPromise(Effect.provide(call, Layer.provide(RoomsLive, Bindings.layer({} as Cloudflare.Env)))),
    // @ts-expect-error: there is no such binding
    DurableRooms.layer(Bank, "BANK"),
    // @ts-expect-error: the binding is no namespace
    DurableRooms.layer(Bank, "GREETING"),
    // @ts-expect-error: nobody says whose objects these are
    DurableRooms.layer(Bank, "UNTYPED"),
    // @ts-expect-error: these objects are no rooms
    DurableRooms.layer(Bank, "ECHOES"),
    // @ts-expect-error: those are the rooms of another definition
    DurableRooms.layer(Bank, "OTHERS"),
    DurableRooms.layer(Other, "OTHERS")
  )
})

it("a namespace is made rooms of whose objects it holds, as its type says", () => {
  const { BANKS, ECHOES, OTHERS, UNTYPED } = {} as Cloudflare.Env
  compiles(
    DurableRooms.make(Bank, BANKS),
    DurableRooms.make(Other, OTHERS),
    // @ts-expect-error: these are the objects of another room
    DurableRooms.make(Bank, OTHERS),
    // @ts-expect-error: these are no objects of a room
    DurableRooms.make(Bank, ECHOES),
    // @ts-expect-error: nothing says whose objects these are
    DurableRooms.make(Bank, UNTYPED),
    // @ts-expect-error: this is no namespace
    DurableRooms.make(Bank, {})
  )
})

it("routes need their rooms, and a path with a room", () => {
  const routes = RoomRoutes.layer(Bank)
  const rooms = MemoryRooms.layer(Bank, BankLive)
  compiles(
    HttpRouter.toWebHandler(Layer.provide(routes, rooms)).handler(new Request("https://app.invalid")),
    // @ts-expect-error: there are no rooms
    HttpRouter.toWebHandler(routes),
    // @ts-expect-error: no room stands in the path
    RoomRoutes.layer(Bank, { path: "/banks" }),
    HttpRouter.toWebHandler(
      Layer.provide(RoomRoutes.layer(Bank, { authorize: () => Problem.make(403, "Closed.") }), rooms)
    ).handler(new Request("https://app.invalid")),
    // @ts-expect-error: a claim is a text
    RoomRoutes.layer(Bank, { authorize: () => Effect.succeed({ age: 3 }) })
  )
})
