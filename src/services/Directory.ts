/**
 * Which rooms are occupied: a room with `directory: true` stands in a directory while somebody is there.
 *
 * The room writes to it when its first connection enters and when its last one leaves, and for no connection in between.
 * Such a write is a moment of `Deadlines`: it is repeated until the directory has taken it, also after a crash. `list` of
 * `Rooms` reads the directory, and asks the rooms that it lists how many are there.
 *
 * The layer belongs below the room's own. The `Entries` that it needs come with rooms in memory and in Node. In Durable
 * Objects they are a second class of objects, which `DurableDirectory` reaches.
 *
 * **Example** (the lobbies in which somebody is)
 *
 * ```ts
 * const Lobby = Room.make("lobby", { receive: Schema.String, send: Schema.String, directory: true })
 *
 * const LobbyLive = Lobby.toLayer({}).pipe(Layer.provide(Directory.layer))
 *
 * const first = Effect.flatMap(Rooms.key(Lobby), (rooms) => rooms.list({ limit: 10 }))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Audience from "../domain/Audience.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Alarm from "./Alarm.ts"
import { Inside, type Keeper } from "./Assembly.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Entries from "./Entries.ts"
import * as Storage from "./Storage.ts"
import * as Tables from "./Tables.ts"

/** Keeps the entry of a room. */
export class Directory extends Context.Service<Directory, {
  /** Since when the room is occupied, in milliseconds since 1970; `undefined` while nobody is there. */
  readonly since: () => number | undefined
}>()("effect-dormouse/services/Directory") {}

const moment = ":directory"

const versions = [
  "CREATE TABLE dormouse_directory (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, occupied INTEGER NOT NULL)"
]

/** How often `Deadlines` try before a pause, and how long that is, in milliseconds. */
const tries = 5
const pause = 60_000

/** The room's entry in the directory, for the layer of a room with `directory: true`. It brings `Deadlines` along. */
export const layer: Layer.Layer<
  Deadlines.Deadlines | Directory,
  never,
  Inside | Alarm.Alarm | Storage.Storage | Entries.Entries
> = Layer.effect(Directory, Effect.suspend(() => make)).pipe(Layer.provideMerge(Deadlines.layer))

const make = Effect.gen(function*() {
  const assembly = yield* Inside
  const deadlines = yield* Deadlines.Deadlines
  const entries = yield* Entries.Entries
  const { name, room: { key }, storage } = assembly

  const count = () => assembly.registry.open(Audience.all).length
  const occupancy = (since: number | undefined) => Effect.sync(() => ({ connections: count(), since }))

  const { newer } = yield* Tables.opened(storage, "directory", versions)
  if (newer !== undefined) {
    yield* Effect.logError("The room stands in no directory", Cause.fail(newer))
    assembly.answers.set(":occupancy", () => occupancy(undefined))
    return Directory.of({ since: () => undefined })
  }

  const [known] = yield* Effect.orDie(
    Storage.attempt(() => storage.exec("SELECT since, occupied FROM dormouse_directory"))
  )
  // SAFETY: it is a column of integers.
  let since = (known?.["since"] ?? -Infinity) as number
  let isOccupied = known?.["occupied"] === 1

  // Each time begins later than the one before, also if the clock stands still: so the directory can tell them apart.
  const become = (occupied: boolean, wait = 1_000): Effect.Effect<void> =>
    Effect.clockWith((clock) => {
      if (occupied === isOccupied) return Effect.void
      const now = clock.currentTimeMillisUnsafe()
      isOccupied = occupied
      if (occupied) since = Math.max(now, since + 1)
      // If the object goes in between, the next start finds that what is kept is not so.
      return deadlines.setAt(moment, "", now).pipe(
        Effect.andThen(Storage.attempt(() =>
          storage.exec("INSERT OR REPLACE INTO dormouse_directory VALUES (0, ?, ?)", since, Number(isOccupied))
        )),
        Effect.catch((error) => {
          isOccupied = !occupied
          if (wait <= pause) {
            assembly.fork(Effect.delay(again(2 * wait), wait))
          }
          return Effect.logError("The directory is not told of the room", Cause.fail(error))
        })
      )
    })

  // A storage that is away may be back in a while.
  const again = (wait: number) =>
    Effect.suspend(() => assembly.deadlines === deadlines ? become(count() > 0, wait) : Effect.void)

  // What counts is how things are when this runs. After many tries it is set anew: it is never set aside.
  deadlines.handle(
    moment,
    (_, __, { failures }) =>
      Effect.suspend(() => (isOccupied ? entries.put : entries.remove)(key, name, since)).pipe(
        Effect.timeout("10 seconds"),
        Effect.catchCause((cause): Effect.Effect<void, unknown> =>
          failures < tries
            ? Effect.failCause(cause)
            : Effect.flatMap(Clock.currentTimeMillis, (now) => deadlines.setAt(moment, "", now + pause))
        )
      )
  )

  // Those who came since the room woke, and how many there are at least of those who were there before.
  const newcomers = new Set<ConnectionId.ConnectionId>()
  let others = count()

  const keeper: Keeper = {
    // What the moment would do goes with the storage. If the directory is away for longer, the next listing finds that
    // nobody is there.
    ending: Effect.suspend(() => entries.remove(key, name, since)).pipe(
      Effect.sandbox,
      Effect.retry({ schedule: Schedule.exponential("1 second"), times: 3 }),
      Effect.timeout("9 seconds")
    ),
    entering: ({ id }) => {
      newcomers.add(id)
      return become(true)
    },
    // To ask for the open connections takes the longer the more there are, so that is not done each time.
    left: (id) =>
      Effect.suspend(() => {
        if (!newcomers.delete(id)) others--
        return newcomers.size > 0 || others > 0 || (others = count()) > 0 ? Effect.void : become(false)
      })
  }
  const service = Directory.of({ since: () => isOccupied ? since : undefined })

  assembly.keepers = [...assembly.keepers, keeper]
  assembly.answers.set(":occupancy", () => occupancy(service.since()))
  // Of a crash nobody tells, nor of a directory that the room has had only since this start.
  yield* become(others > 0)
  return service
})
