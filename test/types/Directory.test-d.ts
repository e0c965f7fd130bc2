/**
 * What must not compile about rooms in a directory; see `Room.test-d.ts`.
 */
import { expectTypeOf, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DirectoryObject from "../../src/durable/DirectoryObject.ts"
import * as DurableDirectory from "../../src/durable/DurableDirectory.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as RoomsApi from "../../src/http/RoomsApi.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Directory from "../../src/services/Directory.ts"
import * as Entries from "../../src/services/Entries.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"

declare global {
  namespace Cloudflare {
    interface Env {
      readonly LOBBY: DurableObjectNamespace<LobbyRoom>
      readonly DIRECTORY: DurableObjectNamespace<LobbyDirectory>
    }
  }
}

const Lobby = Room.make("lobby", { receive: Schema.String, send: Schema.String, directory: true })

const LobbyLive = Lobby.toLayer({}).pipe(Layer.provide(Directory.layer))

export class LobbyDirectory extends DirectoryObject.make() {}

const DirectoryLive = DurableDirectory.layer("DIRECTORY")

export class LobbyRoom extends RoomObject.make(Lobby, Layer.provide(LobbyLive, DirectoryLive)) {}

const RoomsLive = DurableRooms.layer(Lobby, "LOBBY").pipe(Layer.provide(DirectoryLive))

const Hidden = Room.make("hidden", {
  receive: Schema.String,
  send: Schema.String,
  directory: false,
  deadlines: { bell: Schema.String }
})

declare const compiles: (...calls: ReadonlyArray<unknown>) => void
declare const lobbies: Rooms.Service<typeof Lobby>
declare const hidden: Rooms.Service<typeof Hidden>

it("only rooms that stand in a directory are listed", () => {
  compiles(
    lobbies.list(),
    lobbies.list({ prefix: "a", after: "b", limit: 3 }),
    // @ts-expect-error: a limit is a number
    lobbies.list({ limit: "3" }),
    // @ts-expect-error: these rooms stand in no directory
    hidden.list(),
    lobbies.get("a").broadcast("hi"),
    // @ts-expect-error: a number is no text
    lobbies.get("a").broadcast(1)
  )
  expectTypeOf<Effect.Success<ReturnType<typeof lobbies.list>>>().toEqualTypeOf<ReadonlyArray<Entries.Listed>>()
  expectTypeOf<Room.HasDirectory<typeof Lobby>>().toEqualTypeOf<true>()
  expectTypeOf<Room.HasDirectory<typeof Hidden>>().toEqualTypeOf<false>()
  expectTypeOf<Room.HasDirectory<Room.Any>>().toEqualTypeOf<false>()
})

it("a room in a directory needs its layer, and in objects a place for its entries", () => {
  const list = Effect.flatMap(Rooms.key(Lobby), (rooms) => rooms.list())
  const hiddenLive = Hidden.toLayer({ deadlines: { bell: () => Effect.void } })
  compiles(
    // @ts-expect-error: where is the room's layer of the directory?
    RoomObject.make(Lobby, Lobby.toLayer({})),
    // @ts-expect-error: where are the entries kept?
    RoomObject.make(Lobby, LobbyLive),
    RoomObject.make(Hidden, Layer.provide(hiddenLive, Deadlines.layer)),
    Effect.runPromise(Effect.provide(list, MemoryRooms.layer(Lobby, LobbyLive))),
    // @ts-expect-error: where is the room's layer of the directory?
    Effect.runPromise(Effect.provide(list, MemoryRooms.layer(Lobby, Lobby.toLayer({})))),
    Effect.runPromise(Effect.provide(list, Layer.provide(RoomsLive, Bindings.layer({} as Cloudflare.Env)))),
    Effect.runPromise(
      // @ts-expect-error: where are the entries kept?
      Effect.provide(list, Layer.provide(DurableRooms.layer(Lobby, "LOBBY"), Bindings.layer({} as Cloudflare.Env)))
    ),
    DurableRooms.make(Lobby, { getByName: () => undefined }, Entries.makeMemory()),
    // @ts-expect-error: where are the entries kept?
    DurableRooms.make(Lobby, { getByName: () => undefined }),
    DurableRooms.make(Hidden, { getByName: () => undefined }),
    // @ts-expect-error: these rooms have no entries
    DurableRooms.make(Hidden, { getByName: () => undefined }, Entries.makeMemory()),
    // @ts-expect-error: there is no such binding
    DurableDirectory.layer("DIRECTORIES"),
    // @ts-expect-error: these are the objects of a room
    DurableDirectory.layer("LOBBY"),
    // @ts-expect-error: nobody says whose objects these are
    DurableDirectory.layer("UNTYPED"),
    // @ts-expect-error: the binding is no namespace
    DurableDirectory.layer("GREETING"),
    DurableDirectory.make(({} as Cloudflare.Env).DIRECTORY),
    // @ts-expect-error: these are the objects of a room
    DurableDirectory.make(({} as Cloudflare.Env).LOBBY)
  )
})

it("the API lists rooms that stand in a directory", () => {
  const options = { baseUrl: "https://app.invalid" }
  compiles(
    Effect.flatMap(HttpApiClient.make(RoomsApi.make(Lobby), options), ({ rooms }) => rooms.list({ query: {} })),
    // @ts-expect-error: these rooms stand in no directory
    Effect.flatMap(HttpApiClient.make(RoomsApi.make(Hidden), options), ({ rooms }) => rooms.list({ query: {} }))
  )
})
