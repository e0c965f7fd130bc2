/**
 * The place where a `Directory` keeps its entries: one for each room that is occupied.
 *
 * Rooms in memory and in Node bring it along. In Durable Objects it is `DurableDirectory`. Use {@link make} for a place
 * of your own.
 *
 * An entry says since when its room is occupied. Of two for the same room the later one counts, in whatever order they
 * arrive. So what arrives late, or twice, does no harm.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as DirectoryUnavailable from "../domain/DirectoryUnavailable.ts"
import type * as Storage from "./Storage.ts"
import * as Tables from "./Tables.ts"

/** A room that is occupied, as far as the directory knows. */
export interface Entry {
  readonly name: string
  /** Since when, in milliseconds since 1970. */
  readonly since: number
}

/** A room that is occupied, as a listing tells of it. */
export interface Listed extends Entry {
  /** How many connections are open; `undefined` if the room did not say so within two seconds. */
  readonly connections: number | undefined
}

/** Which rooms are listed. */
export interface ListOptions {
  /** Those whose names begin with this: all, unless given. */
  readonly prefix?: string | undefined
  /** Those whose names come after this one, which is the last of the page before. It may have gone meanwhile. */
  readonly after?: string | undefined
  /** At most this many, as a whole number: 100 unless given, and never more than 1,000. */
  readonly limit?: number | undefined
}

/** What a room says of itself: how many are there, and since when it is occupied, if its directory knows it as such. */
export interface Occupancy {
  readonly connections: number
  readonly since?: number | undefined
}

/** Entries in the order of their names. */
export interface Page {
  readonly entries: ReadonlyArray<Entry>
  /** Whether no entries come after these. If some do, there is at least one here. */
  readonly isLast: boolean
}

/** Which entries a page is made of. */
export interface PageOptions {
  readonly prefix: string
  readonly after: string
  /** At most this many. */
  readonly limit: number
}

/** Keeps entries. Each operation names the definition of the rooms by its key: those of others are not its business. */
export interface Store {
  /** The room is occupied since then. If a later time is known already, that one stays. */
  readonly put: (
    definition: string,
    room: string,
    since: number
  ) => Effect.Effect<void, DirectoryUnavailable.DirectoryUnavailable>
  /** The room is not occupied any more since then. If a later time is known, that one stays. */
  readonly remove: (
    definition: string,
    room: string,
    since: number
  ) => Effect.Effect<void, DirectoryUnavailable.DirectoryUnavailable>
  readonly page: (
    definition: string,
    options: PageOptions
  ) => Effect.Effect<Page, DirectoryUnavailable.DirectoryUnavailable>
}

export class Entries extends Context.Service<
  Entries,
  Store & {
    /** The rooms that are occupied, in the order of their names. Each is asked how many are there. */
    readonly list: (
      definition: string,
      options: ListOptions,
      ask: (room: string) => Effect.Effect<Occupancy, unknown>
    ) => Effect.Effect<ReadonlyArray<Listed>, DirectoryUnavailable.DirectoryUnavailable>
  }
>()("effect-dormouse/services/Entries") {}

/** Rooms that are asked at a time. */
const concurrency = 32

/** Makes the service of a store. */
export const make = (store: Store): Entries["Service"] => {
  // After a crash nobody is there, and no room tells. One that says so itself is struck out. One that knows better since
  // when it is occupied has somebody who is just about to enter.
  const look = (
    definition: string,
    { name, since }: Entry,
    ask: (room: string) => Effect.Effect<Occupancy, unknown>
  ): Effect.Effect<Listed | undefined> =>
    Effect.flatMap(
      Effect.option(Effect.timeout(ask(name), "2 seconds")),
      (answer): Effect.Effect<Listed | undefined> => {
        if (Option.isNone(answer)) return Effect.succeed({ name, since, connections: undefined })
        const { connections, since: now } = answer.value
        if (connections > 0) return Effect.succeed({ name, since: now ?? since, connections })
        if (now === since) return Effect.undefined
        return Effect.as(Effect.ignore(store.remove(definition, name, since)), undefined)
      }
    )

  return {
    ...store,
    list: Effect.fnUntraced(function*(definition, { after = "", limit = 100, prefix = "" }, ask) {
      const most = Math.min(Math.floor(limit), 1_000)
      const listed: Array<Listed> = []
      let last = after
      let isLast = false
      while (!isLast && listed.length < most) {
        const missing = most - listed.length
        // Where some were gone, many may be: a crash takes whole crowds.
        const page = yield* store.page(definition, {
          prefix,
          after: last,
          limit: last === after ? missing : Math.max(missing, concurrency)
        })
        const found = yield* Effect.forEach(page.entries, (entry) => look(definition, entry, ask), { concurrency })
        for (const room of found) if (room !== undefined && listed.length < most) listed.push(room)
        isLast = page.isLast
        last = page.entries.at(-1)?.name ?? last
      }
      return listed
    })
  }
}

/** Keeps the entries in the memory of the process. */
export const makeMemory = (): Entries["Service"] => {
  const definitions = new Map<string, Map<string, number>>()
  const roomsOf = (definition: string) => {
    const rooms = definitions.get(definition) ?? new Map<string, number>()
    definitions.set(definition, rooms)
    return rooms
  }
  return make({
    put: (definition, room, since) =>
      Effect.sync(() => {
        const rooms = roomsOf(definition)
        rooms.set(room, Math.max(since, rooms.get(room) ?? since))
      }),
    remove: (definition, room, since) =>
      Effect.sync(() => {
        const rooms = roomsOf(definition)
        if (rooms.get(room)! <= since) rooms.delete(room)
      }),
    page: (definition, { after, limit, prefix }) =>
      Effect.sync(() => {
        const entries = [...roomsOf(definition)]
          .filter(([name]) => name > after && name.startsWith(prefix))
          .toSorted(([a], [b]) => a < b ? -1 : 1)
          .map(([name, since]) => ({ name, since }))
        return { entries: entries.slice(0, limit), isLast: entries.length <= limit }
      })
  })
}

/** Keeps the entries in the memory of the process. Use it for a single room in memory that needs them. */
export const layerMemory: Layer.Layer<Entries> = /* @__PURE__ */ Layer.sync(Entries)(makeMemory)

/**
 * What stands around some rooms, with entries in memory if it has none.
 *
 * @internal
 */
export const around = <R>(surroundings: Context.Context<R>): Context.Context<Entries | R> =>
  Context.add(surroundings, Entries, Option.getOrElse(Context.getOption(surroundings, Entries), makeMemory))

/** A part of the entries of one definition. */
export interface Shard {
  readonly put: (room: string, since: number) => Effect.Effect<void, DirectoryUnavailable.DirectoryUnavailable>
  readonly remove: (room: string, since: number) => Effect.Effect<void, DirectoryUnavailable.DirectoryUnavailable>
  readonly page: (options: PageOptions) => Effect.Effect<Page, DirectoryUnavailable.DirectoryUnavailable>
}

/**
 * Spreads the entries of each definition over so many shards, each with a name of its own. Throws a `RangeError` unless
 * the number is a whole one, and at least 1.
 */
export const spread = (count: number, open: (name: string) => Shard): Store => {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`A directory cannot have ${count} shards.`)
  const shards = new Map<string, Shard>()
  const shardOf = (definition: string, index: number) => {
    const name = `${definition}/${index}`
    const shard = shards.get(name) ?? open(name)
    shards.set(name, shard)
    return shard
  }
  return {
    put: (definition, room, since) => shardOf(definition, hash(room) % count).put(room, since),
    remove: (definition, room, since) => shardOf(definition, hash(room) % count).remove(room, since),
    page: Effect.fnUntraced(function*(definition, options) {
      // Names are spread evenly, so each shard has about its share of a page.
      const limit = Math.ceil(options.limit / count * 1.5) + 2
      const pages = yield* Effect.forEach(
        Array.from({ length: count }, (_, index) => shardOf(definition, index)),
        (shard) => shard.page({ ...options, limit }),
        { concurrency: "unbounded" }
      )
      const entries = pages.flatMap((page) => page.entries).toSorted((a, b) => a.name < b.name ? -1 : 1)
      // Behind the last name of a shard that has more, some may be missing.
      const ends = pages.filter((page) => !page.isLast).map((page) => page.entries.at(-1)!.name)
      const known = entries.filter(({ name }) => ends.every((end) => name <= end))
      return { entries: known.slice(0, options.limit), isLast: ends.length === 0 && known.length <= options.limit }
    })
  }
}

// FNV-1a of 32 bits. It never changes: entries would not be found again.
const hash = (name: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash
}

const versions = ["CREATE TABLE dormouse_entries (room TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID"]

/** The entries of one definition, or a part of them. */
export interface Table {
  readonly put: (room: string, since: number) => void
  readonly remove: (room: string, since: number) => void
  readonly page: (options: PageOptions) => Page
}

/**
 * Keeps entries in a table of a storage.
 *
 * @internal
 */
export const table = (storage: Storage.Storage["Service"]): Table => {
  Tables.open(storage, "entries", versions)
  return {
    put: (room, since) =>
      void storage.exec(
        "INSERT INTO dormouse_entries VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET since = max(since, excluded.since)",
        room,
        since
      ),
    remove: (room, since) =>
      void storage.exec("DELETE FROM dormouse_entries WHERE room = ? AND since <= ?", room, since),
    page: ({ after, limit, prefix }) => {
      // No character of a name comes after `~`.
      const rows = storage.exec(
        "SELECT room AS name, since FROM dormouse_entries WHERE room > ? AND room >= ? AND room < ? ORDER BY room LIMIT ?",
        after,
        prefix,
        `${prefix}\x7f`,
        limit + 1
      )
      // SAFETY: these are the columns.
      const entries = rows as ReadonlyArray<unknown> as ReadonlyArray<Entry>
      return { entries: entries.slice(0, limit), isLast: rows.length <= limit }
    }
  }
}
