/**
 * The room of a chaos run: whatever happens to it, it writes down in its own storage. So what it says at the end can be
 * compared with what its clients and callers were told.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as ConnectionId from "../src/domain/ConnectionId.ts"
import * as Guard from "../src/doors/Guard.ts"
import * as Deadlines from "../src/services/Deadlines.ts"
import * as Journal from "../src/services/Journal.ts"
import * as Room from "../src/services/Room.ts"
import * as Storage from "../src/services/Storage.ts"
import * as Token from "./Token.ts"

/** What the guard of the room allows. */
export const limits = { messagesPerSecond: 10, messageBurst: 20, rateViolations: 4, connectionsPerUser: 100 } as const

/** What may wait for a connection's handler, and in bytes for a client that does not read. */
export const bounds = { mailboxMessages: 12, bufferBytes: 16_384 } as const

/** What a deadline does: it takes so many milliseconds, and fails the first times. */
export const Task = Schema.Struct({ token: Schema.Int, takes: Schema.Int, fails: Schema.Int })

/** Everything that a room says of itself. */
export const Report = Schema.Struct({
  /** The connections that are open, the oldest first. */
  open: Schema.Array(Schema.Struct({ name: Schema.String, said: Schema.Int })),
  /** The connections whose `close` has begun, in order. */
  closed: Schema.Array(
    Schema.Struct({ name: Schema.String, code: Schema.Int, said: Schema.Int, at: Schema.Int })
  ),
  /** The deadlines that are set. */
  pending: Schema.Array(Schema.Struct({ key: Schema.String, token: Schema.Int, at: Schema.Int })),
  /** The deadlines that are set aside. */
  failed: Schema.Array(Schema.Struct({ token: Schema.Int, failures: Schema.Int })),
  /** The deadlines that began to run, in order, and how often each had failed by then. */
  ran: Schema.Array(Schema.Struct({ token: Schema.Int, failures: Schema.Int, at: Schema.Int })),
  /** What was written, in order. */
  wrote: Schema.Array(Schema.Struct({ token: Schema.Int, part: Schema.Int })),
  /** How many connections stand in the journal. */
  journal: Schema.Int
})

export type Report = typeof Report.Type

export const Annals = Room.make("annals", {
  /** A number, and for how many milliseconds its handler takes once it has written it down. */
  receive: Schema.Struct({ said: Schema.Int, takes: Schema.Int }),
  send: Schema.TaggedUnion({
    Welcome: { id: ConnectionId.ConnectionId },
    Heard: { said: Schema.Int },
    Shouted: { token: Schema.Int, padding: Schema.String }
  }),
  state: Schema.Struct({ name: Schema.String, said: Schema.Int, lingers: Schema.Int }),
  journal: true,
  deadlines: { task: Task },
  methods: [
    Rpc.make("set", {
      payload: {
        key: Schema.String,
        at: Schema.Int,
        task: Task,
        connection: Schema.optionalKey(ConnectionId.ConnectionId)
      },
      success: Schema.Boolean
    }),
    Rpc.make("cancel", { payload: { key: Schema.String }, success: Schema.Boolean }),
    Rpc.make("write", {
      payload: { token: Schema.Int, rows: Schema.Int, fails: Schema.Boolean },
      success: Schema.Boolean
    }),
    Rpc.make("kick", { payload: { id: ConnectionId.ConnectionId, code: Schema.Int }, success: Schema.Boolean }),
    Rpc.make("shout", { payload: { token: Schema.Int, bytes: Schema.Int } }),
    Rpc.make("look", { success: Report })
  ]
})

const tables = `
  CREATE TABLE IF NOT EXISTS closed (n INTEGER PRIMARY KEY, name TEXT, code INTEGER, said INTEGER, at INTEGER);
  CREATE TABLE IF NOT EXISTS ran (n INTEGER PRIMARY KEY, token INTEGER, failures INTEGER, at INTEGER);
  CREATE TABLE IF NOT EXISTS wrote (n INTEGER PRIMARY KEY, token INTEGER, part INTEGER)
`

/** The room's handlers; the layer of a room that works is {@link AnnalsLive}. */
export const AnnalsHandlers = Annals.toLayer(Effect.gen(function*() {
  const room = yield* Annals
  const storage = yield* Storage.Storage
  const { exec } = storage
  storage.exec(tables)
  // SAFETY: whoever reads names the columns of the statement.
  const rows = <A>(statement: string) => exec(statement) as ReadonlyArray<unknown> as ReadonlyArray<A>
  const { task } = room.deadlines

  return {
    connect: ({ url }) => {
      const query = new URL(url).searchParams
      return Effect.succeed({
        state: { name: query.get("name") ?? "", said: 0, lingers: Number(query.get("lingers")) }
      })
    },
    open: ({ id }) => room.send(id, { _tag: "Welcome", id }),
    message: Effect.fnUntraced(function*({ id, state }, { said, takes }) {
      yield* room.setState(id, { ...state, said })
      if (takes > 0) yield* Effect.sleep(takes)
      yield* room.send(id, { _tag: "Heard", said })
    }),
    close: Effect.fnUntraced(function*({ state: { lingers, name, said } }, { code }) {
      const now = yield* Clock.currentTimeMillis
      exec("INSERT INTO closed (name, code, said, at) VALUES (?, ?, ?, ?)", name, code, said, now)
      if (lingers > 0) yield* Effect.sleep(lingers)
    }),
    deadlines: {
      task: Effect.fnUntraced(function*(_, { fails, takes, token }, { failures }) {
        const now = yield* Clock.currentTimeMillis
        exec("INSERT INTO ran (token, failures, at) VALUES (?, ?, ?)", token, failures, now)
        if (takes > 0) yield* Effect.sleep(takes)
        if (failures < fails) return yield* Effect.fail("as it should")
      })
    },
    methods: {
      set: ({ at, connection, key, task: payload }) =>
        task.set(key, DateTime.makeUnsafe(at), payload, { connection }).pipe(
          Effect.as(true),
          Effect.catchReason("DeadlinesError", "UnknownConnection", () => Effect.succeed(false)),
          Effect.orDie
        ),
      cancel: ({ key }) => Effect.orDie(task.cancel(key)),
      write: ({ fails, rows, token }) =>
        Storage.transaction(Effect.gen(function*() {
          for (let part = 0; part < rows; part++) {
            exec("INSERT INTO wrote (token, part) VALUES (?, ?)", token, part)
          }
          return fails ? yield* Effect.fail("as it should") : true
        })).pipe(
          Effect.provideService(Storage.Storage, storage),
          Effect.catch((error) => error === "as it should" ? Effect.succeed(false) : Effect.die(error))
        ),
      kick: ({ code, id }) =>
        room.close(id, { code }).pipe(
          Effect.as(true),
          Effect.catchReason("RoomError", "UnknownConnection", () => Effect.succeed(false)),
          Effect.orDie
        ),
      shout: ({ bytes, token }) => Effect.orDie(room.broadcast({ _tag: "Shouted", token, padding: "x".repeat(bytes) })),
      look: () =>
        Effect.gen(function*() {
          const connections = yield* room.connections({ limit: Infinity })
          const pending = yield* task.list({ limit: 10_000 })
          const failed = yield* task.failed
          const [journal] = rows<{ readonly n: number }>("SELECT count(*) AS n FROM dormouse_journal")
          return {
            open: connections.map(({ state: { name, said } }) => ({ name, said })),
            closed: rows<Report["closed"][number]>("SELECT name, code, said, at FROM closed ORDER BY n"),
            pending: pending.map(({ at, key, payload: { token } }) => ({ key, at, token })),
            failed: failed.map(({ failures, payload }) => ({
              // SAFETY: it was set with such a payload.
              token: (payload as typeof Task.Type).token,
              failures
            })),
            ran: rows<Report["ran"][number]>("SELECT token, failures, at FROM ran ORDER BY n"),
            wrote: rows<Report["wrote"][number]>("SELECT token, part FROM wrote ORDER BY n"),
            journal: journal?.n ?? 0
          }
        }).pipe(Effect.orDie)
    }
  }
}))

/** What stands below the handlers. */
export const Below = Layer.mergeAll(Deadlines.layer, Journal.layer, Guard.layer(limits)).pipe(
  Layer.provide(Token.layer)
)

export const AnnalsLive = AnnalsHandlers.pipe(Layer.provide(Below))
