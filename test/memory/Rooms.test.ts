import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import type * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Lobby, LobbyLive, MoodLive, Purse } from "../contract/Lobby.ts"
import { contract } from "../contract/rooms.ts"

contract(
  "rooms in memory",
  Effect.gen(function*() {
    const lobbies = yield* Layer.build(
      MemoryRooms.layer(Lobby, LobbyLive.pipe(Layer.provide(Purse.layer), Layer.merge(MoodLive)))
    )
    const broken = yield* Layer.build(MemoryRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.broken)))
    const memory = Context.get(lobbies, MemoryRooms.key(Lobby))
    let names = 0
    return {
      // SAFETY: the key is that of the definition's name.
      rooms: (room: Room.Any) =>
        Rooms.make(room, (name) => ({
          call: (method, payload) => Effect.flatMap(memory.room(name), (room) => room.call(method, payload)),
          fetch: (request) => Context.get(lobbies, Rooms.key(Lobby)).get(name).fetch(request)
        })) as any,
      broken: Context.get(broken, Rooms.key(Lobby)),
      client: (response) => {
        const client = memory.client(response)!
        return Effect.succeed({
          send: client.sendFrame,
          received: Effect.map(client.receivedFrames, (frames) => frames.map((frame) => JSON.parse(String(frame)))),
          closed: Effect.map(client.closed, (close) => ({ code: close!.code, reason: close!.reason }))
        })
      },
      name: Effect.sync(() => `lobby-${names++}`),
      evict: (name) => Effect.flatMap(memory.room(name), (room) => room.evict)
    }
  })
)
