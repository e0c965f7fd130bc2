/**
 * Every opened connection gets its close, also if a crash has taken it.
 *
 * The runtime tells nobody which sockets go with a crash, a deploy or an `abort`. A room with `journal: true` writes down
 * who enters, and strikes out who has left. A second after its next start, and at the latest a minute after the crash,
 * it finds those whose socket has gone. It runs their `close` with 1006, once each, in the order in which they have
 * entered, with their last state.
 *
 * This costs a row when somebody enters and leaves, and one for each change of a state. While somebody is there, an alarm
 * wakes the room every minute: nothing else would, after a crash.
 *
 * **Example** (a room that always knows who has left)
 *
 * ```ts
 * const Desk = Room.make("desk", { receive: Schema.String, send: Schema.String, journal: true })
 *
 * const DeskLive = Desk.toLayer({
 *   close: ({ id }) => Effect.log(`${id} has left`)
 * }).pipe(Layer.provide(Journal.layer))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Identity from "../domain/Identity.ts"
import type * as Alarm from "./Alarm.ts"
import { Inside, tell } from "./Assembly.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Spans from "./Spans.ts"
import * as Storage from "./Storage.ts"
import * as Tables from "./Tables.ts"

/** Knows who has entered, and has not had its close. */
export class Journal extends Context.Service<Journal, {
  /** How many connections stand in the journal. */
  readonly count: Effect.Effect<number>
}>()("effect-dormouse/services/Journal") {}

const name = ":journal"

/** The time between two looks, in milliseconds. With a start and its settling time it is less than a minute. */
const pause = 55_000

/**
 * How long after a start somebody may be missing, in milliseconds. A socket whose close wakes the object is not listed
 * any more when the object starts, and its event is to come.
 */
const settling = 1_000

/** What marks the look after such a time. */
const settled = "settled"

/** How long the closes of one look hold each other up, and how many may go on side by side after that. */
const patience = 5_000
const most = 64

const versions = [
  `CREATE TABLE dormouse_journal (
    n INTEGER PRIMARY KEY, connection TEXT NOT NULL UNIQUE, identity TEXT NOT NULL, state TEXT
  )`
]

type Stored = {
  readonly connection: ConnectionId.ConnectionId
  readonly identity: string
  readonly state: string | null
}

const make = Effect.gen(function*() {
  const assembly = yield* Inside
  const { handle, moment, setAt } = yield* Deadlines.Deadlines
  const { room, storage } = assembly

  const { newer } = yield* Tables.opened(storage, "journal", versions)
  if (newer !== undefined) {
    yield* Effect.logError("The room keeps no journal", Cause.fail(newer))
    return Journal.of({ count: Effect.succeed(0) })
  }

  const count = (): number => {
    const [row] = storage.exec("SELECT count(*) AS n FROM dormouse_journal")
    // SAFETY: it is a count.
    return row?.["n"] as number
  }

  const write = ({ id, labels, protocol, state, user }: ConnectionRegistry.Connection) => {
    const encoded = Result.getOrThrow(room.state.encode(state))
    storage.exec(
      "INSERT OR IGNORE INTO dormouse_journal (connection, identity, state) VALUES (?, ?, ?)",
      id,
      JSON.stringify({ user, labels, protocol }),
      encoded === undefined ? null : JSON.stringify(encoded)
    )
  }

  // Whether the next look is set.
  let isWatching = Option.isSome(yield* Effect.orElseSucceed(moment(name, ""), Option.none))

  const lookIn = (millis: number, payload?: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => setAt(name, "", now + millis, payload)).pipe(
      Effect.map(() => {
        isWatching = true
      })
    )

  // Looks again after a while, as long as somebody stands in the journal.
  const watch = Effect.suspend(() => {
    isWatching = false
    return count() > 0 ? lookIn(pause) : Effect.void
  })

  // A start that follows another one at once does not put off its look.
  const settle = Effect.flatMap(
    moment(name, ""),
    (set) => Option.isSome(set) && set.value.payload === settled ? Effect.void : lookIn(settling, settled)
  )

  // While a socket is closing, the close of its connection is to come, unless an earlier life has seen it.
  const isLost = ({ connection }: Stored) => {
    if (assembly.leaving.has(connection)) return false
    const sockets = assembly.sockets.list(Identity.connectionTag(connection))
    return sockets.every((socket) => assembly.registry.isForgotten(socket))
  }

  const connectionOf = ({ connection, identity, state }: Stored): ConnectionRegistry.Connection => {
    // SAFETY: `write` has written it.
    const { labels, protocol, user } = JSON.parse(identity) as Identity.Identity
    return {
      id: connection,
      user,
      labels,
      protocol,
      get state() {
        return Result.getOrThrow(room.state.decode(state === null ? undefined : JSON.parse(state)))
      }
    }
  }

  const close = Effect.fnUntraced(function*(stored: Stored) {
    const { handlers, tracer } = assembly
    if (handlers === undefined) return
    const { connection: id } = stored
    assembly.leaving.add(id)
    yield* tell(assembly, ({ left }) => left?.(id))
    const closing = Effect.suspend(() => handlers.close(connectionOf(stored), CloseCode.brokenOff))
    const attributes = { room: assembly.name, connection: id }
    const handling = (tracer === undefined ? closing : Spans.within(tracer, "Room.close", { attributes }, closing))
      .pipe(
        Effect.catchCause((cause) =>
          Effect.annotateLogs(Effect.logError("The room's handler failed", cause), { event: "close", connection: id })
        )
      )
    // It may have interrupted its own fiber.
    yield* Effect.onExitPrimitive(handling, () => {
      assembly.leaving.delete(id)
      return tell(assembly, ({ closed }) => closed?.(id))
    })
  })

  // Those who close in their own time hold the others up for a while only, and are not closed again meanwhile.
  const closeInTurn = Effect.fnUntraced(function*(stored: Stored, until: number) {
    const closing = assembly.fork(close(stored))
    if (closing.pollUnsafe() !== undefined) return
    const now = yield* Clock.currentTimeMillis
    const wait = assembly.leaving.size < most ? until - now : patience
    if (wait > 0) yield* Effect.timeoutOption(Fiber.await(closing), wait)
  })

  // Who has had its close, and could not be struck out.
  const closed = new Set<ConnectionId.ConnectionId>()

  const strikeOut = (id: ConnectionId.ConnectionId) =>
    Storage.attempt(() => {
      storage.exec("DELETE FROM dormouse_journal WHERE connection = ?", id)
      closed.delete(id)
    }).pipe(
      Effect.catchCause((cause) => {
        closed.add(id)
        return Effect.andThen(
          Effect.logError("The journal still has who has left", cause),
          Effect.ignoreCause(lookIn(settling))
        )
      })
    )

  let isLooking = false

  // Most often it holds those who are there, and nobody else.
  const isRight = () => count() === assembly.registry.open(Audience.all).length

  const look = Effect.suspend(() => {
    if (isLooking || isRight()) return Effect.void
    isLooking = true
    return Effect.gen(function*() {
      const lost = yield* Storage.attempt(() =>
        // SAFETY: these are columns of the table.
        (storage.exec("SELECT connection, identity, state FROM dormouse_journal ORDER BY n") as ReadonlyArray<Stored>)
          .filter(isLost)
      )
      const until = (yield* Clock.currentTimeMillis) + patience
      for (const stored of lost) {
        yield* closed.has(stored.connection) ? strikeOut(stored.connection) : closeInTurn(stored, until)
      }
    }).pipe(
      Effect.ensuring(Effect.sync(() => {
        isLooking = false
      }))
    )
  }).pipe(Effect.catchCause((cause) => Effect.logError("The journal was not read", cause)))

  const startedAt = yield* Clock.currentTimeMillis

  // A look may take longer than a deadline may, so it goes on by itself. The next one is set, if it has not ended.
  handle(name, (_, payload) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (payload !== settled && now >= startedAt && now < startedAt + settling && !isRight()) return settle
      assembly.fork(look)
      return watch
    }))

  // Who was there before the room had a journal, or could not be written down.
  if (assembly.registry.open(Audience.all).length > count()) {
    yield* assembly.registry.list({ limit: Infinity }).pipe(
      Effect.tap((connections) => Storage.attempt(() => connections.forEach(write))),
      Effect.catchCause((cause) => Effect.logError("The journal begins without those who are there", cause))
    )
  }

  // Nobody is sent away because the next look could not be set. The next one who comes sets it.
  const unwatched = (cause: Cause.Cause<unknown>) => Effect.logError("Nobody looks at the journal", cause)
  const watching = Effect.suspend(() => isWatching ? Effect.void : watch).pipe(Effect.catchCause(unwatched))

  assembly.keepers = [...assembly.keepers, {
    // Its `open` may have changed the state.
    entering: (connection) =>
      Effect.flatMap(
        assembly.registry.state(connection.id),
        (state) => Storage.attempt(() => write({ ...connection, state }))
      ).pipe(
        Effect.andThen(watching)
      ),
    // A transaction that fails does not take the state back, so it is written after it.
    changed: (id, state) =>
      Storage.afterwards(() =>
        void assembly.fork(
          Storage.attempt(() =>
            storage.exec("UPDATE dormouse_journal SET state = ? WHERE connection = ?", state ?? null, id)
          ).pipe(Effect.catchCause((cause) => Effect.logError("The journal has an older state", cause)))
        )
      ),
    closed: strikeOut,
    // A close is to come for everybody who stands in it.
    isBusy: () => count() > 0,
    finish: look,
    started: Effect.suspend(() => isRight() ? watching : Effect.catchCause(settle, unwatched))
  }]

  return Journal.of({ count: Effect.sync(count) })
})

/** The journal of a room, for the layer of every room that has one. It brings `Deadlines`. */
export const layer: Layer.Layer<Deadlines.Deadlines | Journal, never, Inside | Alarm.Alarm | Storage.Storage> = Layer
  .effect(Journal, make)
  .pipe(Layer.provideMerge(Deadlines.layer))
