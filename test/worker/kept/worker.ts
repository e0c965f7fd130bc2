/**
 * A Worker that keeps a room from its first request on.
 */
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DurableRooms from "../../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import { Lobby, LobbyLive, Purse } from "../../contract/Lobby.ts"

export class LobbyRoom extends RoomObject.make(Lobby, Layer.provide(LobbyLive, Purse.layer)) {}

const room = DurableRooms.make(Lobby, env.LOBBY).get("kept")

export default {
  fetch: async () => Response.json(await Effect.runPromise(room.earn({ coins: 1 })))
} satisfies ExportedHandler
