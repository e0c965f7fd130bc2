/**
 * The guestbooks on Workers without D1: each room keeps its entries in its own Durable Object.
 *
 *     npx wrangler dev
 */
import { env } from "cloudflare:workers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Bindings from "../../../src/durable/Bindings.ts"
import * as DurableRooms from "../../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import { Guestbook, GuestbookLive } from "../../guestbook/src/Guestbook.ts"
import { Routes } from "./App.ts"
import { EntriesLive } from "./Entries.ts"

declare global {
  namespace Cloudflare {
    interface Env {
      readonly OWN_GUESTBOOKS: DurableObjectNamespace<GuestbookRoom>
    }
  }
}

export class GuestbookRoom extends RoomObject.make(Guestbook, Layer.provide(GuestbookLive, EntriesLive)) {}

const RoomsLive = DurableRooms.layer(Guestbook, "OWN_GUESTBOOKS")

const { handler } = HttpRouter.toWebHandler(
  Routes.pipe(Layer.provide(RoomsLive), Layer.provide(Bindings.layer(env)))
)

export default { fetch: (request) => handler(request) } satisfies ExportedHandler
