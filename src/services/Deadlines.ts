/**
 * Many named moments on the one alarm of a room, kept in its storage.
 *
 * A room declares its deadlines with the schemas of what they carry, sets them by a key, and handles them. A deadline
 * fires at or after its time, in order of time, at least once and normally once. It outlives sleeps, crashes and
 * deploys. If its handler fails, it is tried again after 1, 2, 4 … 32 seconds. After that it is set aside: `failed` lists
 * it until it is set again or cancelled.
 *
 * The layer belongs below the room's own: {@link layer} is what the type of that one asks for.
 *
 * **Example** (a reminder)
 *
 * ```ts
 * const Reminders = Room.make("reminders", {
 *   receive: Schema.String,
 *   send: Schema.String,
 *   deadlines: { reminder: Schema.Struct({ text: Schema.String }) }
 * })
 *
 * const RemindersLive = Reminders.toLayer(Effect.gen(function*() {
 *   const room = yield* Reminders
 *   return {
 *     message: ({ id }, text) => room.deadlines.reminder.set(id, "1 hour", { text }),
 *     deadlines: { reminder: (_, { text }) => room.broadcast(text) }
 *   }
 * })).pipe(Layer.provide(Deadlines.layer))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Limits from "../domain/Limits.ts"
import * as RoomError from "../domain/RoomError.ts"
import * as StorageError from "../domain/StorageError.ts"
import * as Alarm from "./Alarm.ts"
import { Inside } from "./Assembly.ts"
import * as Drain from "./Drain.ts"
import * as Handlers from "./Handlers.ts"
import * as Spans from "./Spans.ts"
import * as Storage from "./Storage.ts"
import * as Tables from "./Tables.ts"

/** When a deadline is due: so long from now, or at a time. What has passed is due at once. */
export type When = Duration.Input | DateTime.DateTime

/** A deadline that is set. */
export interface Deadline<out Payload = unknown> {
  readonly key: string
  /** When it is due, in milliseconds since 1970. */
  readonly at: number
  readonly payload: Payload
  /** The connection that it goes with, if it belongs to one. */
  readonly connection: ConnectionId.ConnectionId | undefined
  /** How often its handler has failed. */
  readonly failures: number
}

/** A deadline that is set aside. What it carries is as it is stored, and need not fit the schema any more. */
export interface Failed extends Deadline {
  /** What the handler failed with last. */
  readonly error: string
}

/** A deadline among those of all names. */
export interface Listed extends Deadline<string> {
  readonly name: string
  /** What its handler failed with last, if it has. */
  readonly error: string | undefined
  /** When it is run, in milliseconds since 1970; `undefined` if it is set aside. */
  readonly due: number | undefined
}

/** How a deadline is set. */
export interface SetOptions {
  /** The deadline belongs to this connection, and goes when it leaves. */
  readonly connection?: ConnectionId.ConnectionId | undefined
}

/** Which deadlines are listed. */
export interface ListOptions {
  /** At most this many: 1,000, unless given, and never more than 10,000. */
  readonly limit?: number | undefined
  /** Those that come after the one of this key, which is the last of the page before. It must still be set. */
  readonly after?: string | undefined
}

/** The deadlines of one name in a room. */
export interface Named<in out Payload> {
  /** Sets the deadline of a key, of at most 1,024 characters. If it is set already, it moves. */
  readonly set: (
    key: string,
    when: When,
    payload: Payload,
    options?: SetOptions
  ) => Effect.Effect<void, DeadlinesError>
  /** The deadline of a key, if it is set. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Deadline<Payload>>, DeadlinesError>
  /** Those that are set, in order of time: the first 1,000, unless the options say otherwise. */
  readonly list: (options?: ListOptions) => Effect.Effect<ReadonlyArray<Deadline<Payload>>, DeadlinesError>
  /** Takes a deadline back, also one that is set aside. Says whether there was one. */
  readonly cancel: (key: string) => Effect.Effect<boolean, DeadlinesError>
  /** Those that are set aside, as they failed: the first 1,000. */
  readonly failed: Effect.Effect<ReadonlyArray<Failed>, DeadlinesError>
}

/** The deadlines of a room, by their names. */
export type Of<Payloads> = { readonly [Name in keyof Payloads]: Named<Payloads[Name]> }

/** What a deadline does when it is due. */
export type Handler = (key: string, payload: string, deadline: Deadline) => Effect.Effect<unknown, unknown>

export class Deadlines extends Context.Service<Deadlines, {
  /** The deadlines that the room declares, by their names. */
  readonly named: Of<any>
  /** Handles moments of the library's own. Their names begin with `:`. */
  readonly handle: (name: string, handler: Handler) => void
  /** Sets a moment of the library's own: a time in milliseconds since 1970, a text, and the connection that it goes with. */
  readonly setAt: (
    name: string,
    key: string,
    at: number,
    payload?: string,
    connection?: ConnectionId.ConnectionId
  ) => Effect.Effect<void, StorageError.StorageError>
  /** Such a moment, unless it is being handled. */
  readonly moment: (
    name: string,
    key: string
  ) => Effect.Effect<Option.Option<{ readonly at: number; readonly payload: string }>, StorageError.StorageError>
  /** Takes moments of the library's own back: that of a key, or all of a name. */
  readonly drop: (name: string, key?: string) => Effect.Effect<void, StorageError.StorageError>
  /** Whether a handler is under way, beside those of a name. */
  readonly isRunning: (except: string) => boolean
  /** Whether a handler has failed and is to be tried again, beside those of a name. */
  readonly isWaiting: (except: string) => boolean
  /**
   * Those of all names, the library's own and those that are set aside too, in order of time: at most so many. What they
   * carry is as it is stored.
   */
  readonly all: (limit: number) => Effect.Effect<ReadonlyArray<Listed>, StorageError.StorageError>
  /** Empties the room in waves. Succeeds with how many will be closed. */
  readonly drain: (options: Drain.Options) => Effect.Effect<number, StorageError.StorageError>
  /** The alarm has fired: runs what is due. Fails if the storage does. */
  readonly fire: Effect.Effect<void, unknown>
}>()("effect-dormouse/services/Deadlines") {}

/** How long a handler may take before it has failed. */
const patience = "1 minute"

/** How often a deadline is tried again. */
const retries = 6

/** Deadlines that are run before others get their turn. */
const batch = 256

/** Handlers that may go on side by side. */
const most = 64

/** Characters of a key. */
const keyLength = 1_024

/** Bytes of a row beside what a deadline carries. */
const margin = 10_000

const versions = [
  `CREATE TABLE dormouse_deadlines (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, due INTEGER, payload TEXT NOT NULL,
    connection TEXT, failures INTEGER NOT NULL DEFAULT 0, error TEXT, UNIQUE (name, key)
  );
  CREATE INDEX dormouse_deadlines_due ON dormouse_deadlines (due, id);
  CREATE INDEX dormouse_deadlines_name ON dormouse_deadlines (name, at, id);
  CREATE INDEX dormouse_deadlines_connection ON dormouse_deadlines (connection) WHERE connection IS NOT NULL`
]

interface Stored {
  readonly id: number
  readonly name: string
  readonly key: string
  readonly at: number
  readonly due: number | null
  readonly payload: string
  readonly connection: ConnectionId.ConnectionId | null
  readonly failures: number
  readonly error: string | null
}

const alarmName = ":alarm"

/**
 * The deadlines of a room, for the layer of every room that declares some, or has a journal, a lifetime or a drain. A
 * layer that sets the `Alarm` while it is built belongs above it.
 */
export const layer: Layer.Layer<Deadlines, never, Inside | Alarm.Alarm | Storage.Storage> = Layer.effect(
  Deadlines,
  Effect.suspend(() => make)
)

const make = Effect.gen(function*() {
  const assembly = yield* Inside
  const { port, room, storage } = assembly

  for (const name of Object.keys(room.deadlines)) {
    if (name.startsWith(":")) return yield* Effect.die(new Error(`${name} is no name of a deadline.`))
  }

  const { newer, version } = yield* Tables.opened(storage, "deadlines", versions)
  if (newer !== undefined) yield* Effect.logError("The room has no deadlines", Cause.fail(newer))

  const kept = <A>(use: () => A): Effect.Effect<A, StorageError.StorageError> =>
    newer === undefined ? Storage.attempt(use) : Effect.fail(newer)

  const select = (rest: string, ...bindings: ReadonlyArray<Storage.Binding>) =>
    // SAFETY: these are the columns of the table.
    storage.exec(`SELECT * FROM dormouse_deadlines ${rest}`, ...bindings) as ReadonlyArray<unknown> as ReadonlyArray<
      Stored
    >

  const number = (statement: string): number | undefined => {
    const [row] = storage.exec(`SELECT ${statement} AS n FROM dormouse_deadlines`)
    // SAFETY: it is a column of integers, or null.
    return (row?.["n"] ?? undefined) as number | undefined
  }

  const put = (name: string, key: string, at: number, payload: string, connection?: ConnectionId.ConnectionId) => {
    // A failure is written beside it.
    if (Limits.utf8Bytes(payload) > Limits.storedBytes - margin) {
      throw new StorageError.StorageError({ reason: new StorageError.TooBig({}) })
    }
    // One that moves is another one: what still runs for the old one leaves it alone.
    storage.exec(
      "INSERT OR REPLACE INTO dormouse_deadlines (name, key, at, due, payload, connection) VALUES (?, ?, ?3, ?3, ?, ?)",
      name,
      key,
      at,
      payload,
      connection ?? null
    )
  }

  // What the runtime's alarm is set to, once that is known.
  let isKnown = false
  let armed: number | undefined
  let isFiring = false
  // Whether the first ring may be of an alarm that was set before.
  let isFirst = version === 0

  const know: Effect.Effect<void> = Effect.suspend(() =>
    isKnown ? Effect.void : Effect.map(port.get, (set) => {
      if (isKnown) return
      isKnown = true
      armed = Option.getOrUndefined(set)
    })
  )

  const arm: Effect.Effect<void> = Effect.suspend(() => {
    if (isFiring || !isAlive()) return Effect.void
    return Effect.flatMap(know, () => {
      const next = number("min(due)")
      if (next === armed) return Effect.void
      armed = next
      return Effect.onExitPrimitive(next === undefined ? port.clear : port.set(next), ({ _tag }) => {
        if (_tag === "Failure") isKnown = false
        return undefined
      })
    })
  })

  const isAlive = () => assembly.deadlines === service

  // The runtime's alarm follows by itself, with what has become of a transaction.
  const rearm = Storage.afterwards(() =>
    void assembly.fork(Effect.catchCause(arm, (cause) => Effect.logError("The alarm was not set", cause)))
  )
  // One step: what is kept without an alarm would not fire.
  const changed = <A>(use: () => A) => Effect.uninterruptible(Effect.tap(kept(use), rearm))

  const codecs = new Map(Object.entries(room.deadlines).map(([name, schema]) => [name, codecOf(schema)]))

  const declared = (name: string): Handler => (key, text, deadline) => {
    const codec = codecs.get(name)
    const handle = assembly.handlers?.deadlines[name]
    if (codec === undefined || handle === undefined) {
      return Effect.die(new Error(`The room has no deadline of the name ${name}.`))
    }
    return Effect.flatMap(
      codec.decode(text),
      (payload) => Handlers.checked(handle)(key, payload, { ...deadline, payload })
    )
  }

  const own = new Map<string, Handler>([[alarmName, () => assembly.handlers!.alarm]])

  const traced = (name: string, key: string, handling: Effect.Effect<unknown, unknown>) =>
    assembly.tracer === undefined || name === alarmName
      ? handling
      : Spans.within(assembly.tracer, "Room.deadline", {
        attributes: { room: assembly.name, deadline: name, key }
      }, handling)

  // By the ids of their rows: the names of those whose handlers are under way.
  const running = new Map<number, string>()

  const handlerOf = (stored: Stored): Effect.Effect<unknown, unknown> => {
    const { key, name, payload } = stored
    // What a part of the library has left that the room has no more is dropped.
    const handler = own.get(name) ?? (name.startsWith(":") ? () => Effect.void : declared(name))
    return traced(name, key, Effect.suspend(() => handler(key, payload, toDeadline(stored))))
  }

  const settle = Effect.fnUntraced(function*(stored: Stored, exit: Exit.Exit<unknown, unknown>) {
    // The room has ended meanwhile, and its storage with it.
    if (!isAlive()) return
    const { failures, id } = stored
    if (exit._tag === "Success") {
      yield* kept(() => storage.exec("DELETE FROM dormouse_deadlines WHERE id = ?", id))
      return
    }
    const isLast = failures >= retries
    const [cause, text] = printed(exit.cause)
    const now = yield* Clock.currentTimeMillis
    yield* kept(() =>
      storage.exec(
        "UPDATE dormouse_deadlines SET failures = ?, due = ?, error = ? WHERE id = ?",
        failures + 1,
        isLast ? null : now + 1_000 * 2 ** failures,
        text.slice(0, 1_000),
        id
      )
    )
    yield* told(isLast ? "A deadline is set aside: it failed each time" : "A deadline failed", stored, cause)
  })

  const told = (what: string, { key, name }: Stored, cause: Cause.Cause<unknown>) =>
    Effect.annotateLogs(
      Effect.logError(what, cause),
      name === alarmName ? { event: "alarm" } : { event: "deadline", deadline: name, key: key.slice(0, 256) }
    ).pipe(Effect.ignoreCause)

  // It is to run again in a while, if nothing else is written.
  const postpone = (id: number) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => kept(() => storage.exec("UPDATE dormouse_deadlines SET due = ? WHERE id = ?", now + 90_000, id))
    )

  // One that cannot be settled holds no other up. A handler may have interrupted its own fiber.
  const finish = (stored: Stored, ended: Exit.Exit<Exit.Exit<unknown, unknown>>) =>
    settle(stored, ended._tag === "Success" ? ended.value : ended).pipe(
      Effect.catchCause((cause) => {
        running.delete(stored.id)
        return Effect.andThen(told("A deadline was not kept", stored, printed(cause)[0]), postpone(stored.id))
      }),
      Effect.andThen(Effect.sync(() => running.delete(stored.id)))
    )

  // Whether somebody is still there for whom the deadline was set.
  const hasOwner = ({ connection }: Stored) =>
    connection === null || assembly.registry.socketOf(connection) !== undefined

  const start = Effect.fnUntraced(function*(id: number, until: number) {
    // An earlier one may have moved it, or taken it back.
    const [stored] = select("WHERE id = ? AND due IS NOT NULL", id)
    if (stored === undefined) return
    if (!hasOwner(stored)) {
      storage.exec("DELETE FROM dormouse_deadlines WHERE id = ?", id)
      return
    }
    running.set(id, stored.name)
    const handling = assembly.fork(Effect.exit(handlerOf(stored)))
    const ended = handling.pollUnsafe()
    if (ended !== undefined) {
      yield* finish(stored, ended)
      return
    }
    // One that takes its time goes on by itself. If the object goes meanwhile, it is run again.
    const settling = assembly.fork(
      Fiber.await(handling).pipe(
        Effect.timeoutOrElse({
          duration: patience,
          // It is not waited for: it may be one that cannot be interrupted.
          orElse: () =>
            Effect.sync(() => {
              handling.interruptUnsafe()
              return Exit.die(new Error("It has taken longer than a minute."))
            })
        }),
        Effect.flatMap((ended) => finish(stored, ended)),
        // If even that is not written, it is due as before.
        Effect.ignoreCause,
        Effect.andThen(rearm)
      )
    )
    const before = yield* Clock.currentTimeMillis
    const wait = running.size < most ? Math.max(0, until - before) : Infinity
    const isSettled = yield* Effect.timeoutOption(Fiber.await(settling), wait)
    if (Option.isNone(isSettled) && isAlive()) yield* postpone(id)
  })

  // What is due while the room ends waits for that. If the room goes on, it runs.
  const isActive = () => isAlive() && assembly.handlers !== undefined

  const fireAll = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    // What rings before a deadline was ever set is an alarm of the room's own, and is not there to be read any more.
    if (isFirst && armed === undefined) yield* kept(() => put(alarmName, "", now, ""))
    isFirst = false
    // The alarm has rung, so it is not set any more.
    isKnown = true
    armed = undefined
    // What is set meanwhile has an alarm of its own.
    const last = number("max(id)") ?? 0
    const until = now + 5_000
    while (isActive()) {
      const now = yield* Clock.currentTimeMillis
      // They may carry much, so each is read in its turn.
      const due = yield* kept(() =>
        storage.exec(
          `SELECT id FROM dormouse_deadlines WHERE due <= ? AND id <= ? ORDER BY due, id LIMIT ${batch}`,
          now,
          last
        )
      )
      for (const row of due) {
        // SAFETY: it is a column of integers.
        const id = row["id"] as number
        if (running.has(id)) continue
        yield* start(id, until)
        if (!isActive()) return
      }
      if (due.length < batch) return
      yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
    }
  })

  const setNamed = (
    name: string,
    key: string,
    at: number,
    payload: string,
    connection: ConnectionId.ConnectionId | undefined
  ): Effect.Effect<void, DeadlinesError> =>
    connection !== undefined && assembly.registry.socketOf(connection) === undefined
      ? fail(new RoomError.UnknownConnection({ connection }))
      : Effect.mapError(changed(() => put(name, key, at, payload, connection)), fromStorage)

  const rowsOf = (name: string, { after, limit = 1_000 }: ListOptions) => {
    const length = Math.max(0, Math.min(Math.floor(limit) || 0, 10_000))
    if (after === undefined) return select("WHERE name = ? AND due IS NOT NULL ORDER BY at, id LIMIT ?", name, length)
    const [last] = select("WHERE name = ? AND key = ?", name, after)
    return last && select(
      "WHERE name = ? AND due IS NOT NULL AND (at, id) > (?, ?) ORDER BY at, id LIMIT ?",
      name,
      last.at,
      last.id,
      length
    )
  }

  const namedOf = (name: string, { decode, encode }: Codec): Named<unknown> => {
    const decoded = (stored: Stored): Effect.Effect<Deadline, DeadlinesError> =>
      Effect.mapBoth(decode(stored.payload), {
        onFailure: ({ message }) => invalid(name, `What ${stored.key} carries does not fit. ${message}`),
        onSuccess: (payload) => ({ ...toDeadline(stored), payload })
      })
    const read = <A>(use: () => A) => Effect.mapError(kept(use), fromStorage)
    return {
      set: Effect.fnUntraced(function*(key, when, payload, { connection } = {}) {
        const now = yield* Clock.currentTimeMillis
        const at = timeOf(when, now)
        if (at === undefined) return yield* invalid(name, "It is no time, or one that never comes.")
        if (key.length > keyLength || !key.isWellFormed()) {
          return yield* invalid(name, `A key is a text of at most ${keyLength} characters.`)
        }
        const text = yield* Effect.mapError(encode(payload), ({ message }) => invalid(name, message))
        yield* setNamed(name, key, at, text, connection)
      }),
      get: (key) =>
        Effect.flatMap(
          read(() => select("WHERE name = ? AND key = ? AND due IS NOT NULL", name, key)),
          ([stored]) => stored === undefined ? Effect.succeedNone : Effect.asSome(decoded(stored))
        ),
      list: (options = {}) =>
        Effect.flatMap(read(() => rowsOf(name, options)), (rows) =>
          rows === undefined
            ? fail(new UnknownDeadline({ name, key: options.after! }))
            : Effect.forEach(rows, decoded)),
      cancel: (key) =>
        changed(() =>
          storage.exec("DELETE FROM dormouse_deadlines WHERE name = ? AND key = ? RETURNING id", name, key).length > 0
        ).pipe(Effect.mapError(fromStorage)),
      failed: Effect.map(
        read(() => select("WHERE name = ? AND due IS NULL ORDER BY at, id LIMIT 1000", name)),
        (rows) =>
          rows.map((stored) => ({ ...toDeadline(stored), payload: JSON.parse(stored.payload), error: stored.error! }))
      )
    }
  }

  const service: Deadlines["Service"] = Deadlines.of({
    handle: (name, handler) => void own.set(name, handler),
    setAt: (name, key, at, payload = "", connection) =>
      Effect.asVoid(changed(() => put(name, key, Math.ceil(at), payload, connection))),
    moment: (name, key) =>
      kept(() =>
        Option.fromUndefinedOr(
          select("WHERE name = ? AND key = ? AND due IS NOT NULL", name, key).find(({ id }) => !running.has(id))
        )
      ),
    drop: (name, key) =>
      Effect.asVoid(changed(() =>
        key === undefined
          ? storage.exec("DELETE FROM dormouse_deadlines WHERE name = ?", name)
          : storage.exec("DELETE FROM dormouse_deadlines WHERE name = ? AND key = ?", name, key)
      )),
    all: (limit) =>
      Effect.map(
        kept(() => select("ORDER BY coalesce(due, at), id LIMIT ?", limit)),
        (rows) =>
          rows.map((stored) => ({
            ...toDeadline(stored),
            name: stored.name,
            error: stored.error ?? undefined,
            due: stored.due ?? undefined
          }))
      ),
    isRunning: (except) => [...running.values()].some((name) => name !== except),
    isWaiting: (except) =>
      storage.exec(
        "SELECT 1 FROM dormouse_deadlines WHERE failures > 0 AND due IS NOT NULL AND name <> ? LIMIT 1",
        except
      ).length > 0,
    drain: Drain.make(
      assembly,
      (name, handler) => void own.set(name, handler),
      (name, moments) =>
        changed(() =>
          storage.transaction(() => {
            storage.exec("DELETE FROM dormouse_deadlines WHERE name = ?", name)
            moments.forEach(({ at, payload }, n) => put(name, String(n), Math.ceil(at), payload))
          })
        )
    ),
    named: Object.fromEntries([...codecs].map(([name, codec]) => [name, namedOf(name, codec)])),
    fire: Effect.suspend(() => {
      if (newer !== undefined) return Effect.asVoid(assembly.handlers?.alarm ?? Effect.void)
      isFiring = true
      // If it fails, the runtime repeats the alarm.
      return Effect.onExitPrimitive(fireAll, ({ _tag }) => {
        isFiring = false
        isKnown = _tag === "Success"
        return isKnown ? arm : undefined
      })
    })
  })

  assembly.deadlines = service
  assembly.answers.set("drain", (options) => Effect.orDie(service.drain(options)))
  if (newer !== undefined) return service

  // An alarm that was set before the room had deadlines is the room's own.
  if (version === 0) {
    yield* know
    const at = armed
    if (at !== undefined) yield* Effect.orDie(kept(() => put(alarmName, "", at, "")))
  }
  // The room's own alarm is one of them.
  assembly.alarm = Alarm.Alarm.of({
    set: (at) => Effect.orDie(service.setAt(alarmName, "", at)),
    get: Effect.orDie(Effect.map(service.moment(alarmName, ""), Option.map(({ at }) => at))),
    clear: Effect.orDie(service.drop(alarmName))
  })
  // A crash has taken everybody, and nobody tells.
  if (assembly.sockets.list().length === 0) {
    yield* Effect.orDie(kept(() => storage.exec("DELETE FROM dormouse_deadlines WHERE connection IS NOT NULL")))
  }
  assembly.keepers = [...assembly.keepers, {
    left: (id) => Effect.ignore(changed(() => storage.exec("DELETE FROM dormouse_deadlines WHERE connection = ?", id)))
  }]
  // An alarm may have been given up while the room did not start. If it is one that wakes the room, it fires first.
  assembly.fork(Effect.andThen(Effect.promise(() => new Promise((resume) => setImmediate(resume))), arm))
  return service
})

const toDeadline = ({ at, connection, failures, key, payload }: Stored): Deadline<string> => ({
  key,
  at,
  payload,
  connection: connection ?? undefined,
  failures
})

// What is thrown may throw itself when it is read.
const printed = (cause: Cause.Cause<unknown>): readonly [Cause.Cause<unknown>, string] => {
  try {
    return [cause, Cause.pretty(cause)]
  } catch {
    const text = "What it failed with cannot be printed."
    return [Cause.die(new Error(text)), text]
  }
}

interface Codec {
  readonly encode: (payload: unknown) => Effect.Effect<string, Schema.SchemaError>
  readonly decode: (text: string) => Effect.Effect<unknown, Schema.SchemaError>
}

const codecOf = (schema: Schema.Codec<any, any>): Codec => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  return { encode: Schema.encodeUnknownEffect(codec), decode: Schema.decodeUnknownEffect(codec) }
}

// The last time that a JavaScript date may have.
const end = 8.64e15

const timeOf = (when: When, now: number): number | undefined => {
  // A program without types may give an object that is no time, like a `Date`: it would be one of no length.
  const isNone = typeof when === "object" && when !== null && Object.keys(when).length === 0
  if (isNone || Number.isNaN(when)) return undefined
  // The module of dates weighs 1 KiB, for one property.
  const at = Predicate.hasProperty(when, "epochMilliseconds")
    ? Number(when.epochMilliseconds)
    : Option.match(Duration.fromInput(when), {
      onNone: () => NaN,
      onSome: (duration) => now + Math.max(0, Duration.toMillis(duration))
    })
  return at <= end ? Math.ceil(at) : undefined
}

/** What a deadline should carry does not fit its schema, or its time never comes. */
export class InvalidDeadline extends Schema.TaggedError<InvalidDeadline>()("InvalidDeadline", {
  name: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The deadline ${this.name} is wrong. ${this.detail}`
  }
}

/** The deadline after which a page is to begin is not set. */
export class UnknownDeadline extends Schema.TaggedError<UnknownDeadline>()("UnknownDeadline", {
  name: Schema.String,
  key: Schema.String
}) {
  override get message() {
    return `No deadline ${this.name} of this key is set`
  }
}

/** Why a deadline was not set, or not read; `reason` tells the cases apart. */
export class DeadlinesError extends Schema.TaggedError<DeadlinesError>()("DeadlinesError", {
  reason: Schema.Union([InvalidDeadline, UnknownDeadline, RoomError.UnknownConnection, StorageError.Reason])
}) {
  override get message() {
    return this.reason.message
  }
}

const fail = (reason: DeadlinesError["reason"]) => Effect.fail(new DeadlinesError({ reason }))

const invalid = (name: string, detail: string) => new DeadlinesError({ reason: new InvalidDeadline({ name, detail }) })

const fromStorage = ({ reason }: StorageError.StorageError) => new DeadlinesError({ reason })
