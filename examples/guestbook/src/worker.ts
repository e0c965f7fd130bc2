/**
 * The guestbooks on Workers: entries in D1, rooms in Durable Objects.
 *
 *     npx wrangler d1 migrations apply guestbook --local
 *     npx wrangler dev
 */
import * as D1Client from "@effect/sql-d1/D1Client"
import { env } from "cloudflare:workers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Bindings from "../../../src/durable/Bindings.ts"
import * as DurableRooms from "../../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import { Routes } from "./App.ts"
import { Entries } from "./Entries.ts"
import { Guestbook, GuestbookLive } from "./Guestbook.ts"

declare global {
  namespace Cloudflare {
    interface Env {
      readonly GUESTBOOKS: DurableObjectNamespace<GuestbookRoom>
      readonly GUESTBOOK_DATABASE: D1Database
    }
  }
}

const DatabaseLive = Layer.unwrap(
  Bindings.Bindings.useSync(({ GUESTBOOK_DATABASE }) => D1Client.layer({ db: GUESTBOOK_DATABASE }))
)

const EntriesLive = Layer.provide(Entries.layer, DatabaseLive)

export class GuestbookRoom extends RoomObject.make(Guestbook, Layer.provide(GuestbookLive, EntriesLive)) {}

const RoomsLive = DurableRooms.layer(Guestbook, "GUESTBOOKS")

const { handler } = HttpRouter.toWebHandler(
  Routes.pipe(Layer.provide([EntriesLive, RoomsLive]), Layer.provide(Bindings.layer(env)))
)

export default { fetch: (request) => handler(request) } satisfies ExportedHandler
