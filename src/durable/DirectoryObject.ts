/**
 * The Durable Object of a directory: a part of the rooms of a definition that are occupied, in its SQLite database.
 *
 * It is the second class of objects that rooms with `directory: true` need. Nothing keeps it awake. `DurableDirectory`
 * calls it.
 *
 * **Example** (a Worker with a directory, whose binding is `DIRECTORY`)
 *
 * ```ts
 * export class LobbyDirectory extends DirectoryObject.make() {}
 *
 * const DirectoryLive = DurableDirectory.layer("DIRECTORY")
 *
 * export class LobbyRoom extends RoomObject.make(Lobby, Layer.provide(LobbyLive, DirectoryLive)) {}
 *
 * const RoomsLive = DurableRooms.layer(Lobby, "LOBBY").pipe(Layer.provide(DirectoryLive))
 * ```
 */
import { DurableObject } from "cloudflare:workers"
import * as Entries from "../services/Entries.ts"
import * as DurableStorage from "./DurableStorage.ts"

/** The object of a directory. Its methods are for `DurableDirectory`. */
export interface DirectoryObject extends DurableObject<any> {
  put(room: string, since: number): Promise<void>
  remove(room: string, since: number): Promise<void>
  page(options: Entries.PageOptions): Promise<Entries.Page>
}

/** Makes the class of a directory's objects, to be exported by a Worker and named in its configuration. */
export const make = (): new(ctx: DurableObjectState, env: any) => DirectoryObject =>
  class extends DurableObject<any> implements DirectoryObject {
    #table: Entries.Table | undefined

    // If that fails, it fails each call, and not the object.
    get #entries(): Entries.Table {
      return this.#table ??= Entries.table(DurableStorage.make(this.ctx))
    }

    async put(room: string, since: number) {
      this.#entries.put(room, since)
    }

    async remove(room: string, since: number) {
      this.#entries.remove(room, since)
    }

    async page(options: Entries.PageOptions) {
      return this.#entries.page(options)
    }
  }
