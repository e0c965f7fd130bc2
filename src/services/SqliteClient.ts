/**
 * Effect's `SqlClient` over the room's own database: the port `Storage`, in every world.
 *
 * Statements run at once, so a handler that only uses the database does not wait. What Effect has for SQL works as it
 * does elsewhere: `sql.insert`, fragments, `SqlSchema`, `SqlModel`, `Migrator`. A text, a number, null and bytes can be
 * bound; bytes come back as a `Uint8Array`. A row holds its columns by their names, `values` too: give each column a name
 * of its own, and none that is a number. A stream reads all its rows at once.
 *
 * A transaction is the database's own. Its effect must not wait: one that does so dies, and is rolled back. It and
 * `Storage.transaction` nest, and `afterCommit` waits for the outermost of them. Reactive queries know `withTransaction`
 * alone: in a `Storage.transaction` they hear of a change at once.
 *
 * **Example** (a room that writes down what is said)
 *
 * ```ts
 * const MinutesLive = Minutes.toLayer(Effect.gen(function*() {
 *   const room = yield* Minutes
 *   const sql = yield* SqlClient.SqlClient
 *   return {
 *     message: Effect.fnUntraced(function*(_, text) {
 *       yield* sql`INSERT INTO minutes ${sql.insert({ text })}`
 *       const [row] = yield* sql<{ readonly n: number }>`SELECT count(*) AS n FROM minutes`
 *       yield* room.broadcast(`${row?.n}: ${text}`)
 *     })
 *   }
 * }))
 * ```
 *
 * **Example** (its tables, made before the first event)
 *
 * ```ts
 * const migrate = Migrator.make({})({
 *   loader: Migrator.fromRecord({
 *     "1_minutes": SqlClient.SqlClient.use((sql) => sql`CREATE TABLE minutes (id INTEGER PRIMARY KEY, text TEXT)`)
 *   })
 * })
 *
 * const DatabaseLive = Layer.effectDiscard(migrate).pipe(Layer.provideMerge(SqliteClient.layer))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import * as SqlError from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import * as StorageError from "../domain/StorageError.ts"
import * as Storage from "./Storage.ts"

/** How names are written in the database, where that differs from the code. */
export interface Options {
  /** From the code's names to the database's, like `String.camelToSnake` of `effect/String`. */
  readonly transformQueryNames?: ((name: string) => string) | undefined
  /** From the database's names to the code's, like `String.snakeToCamel`. */
  readonly transformResultNames?: ((name: string) => string) | undefined
}

/**
 * Makes the client. Its errors are Effect's `SqlError`: a `UNIQUE` or a primary key that is taken is a
 * `UniqueViolation`, another constraint a `ConstraintError`, a statement that is no SQL a `SqlSyntaxError`, and
 * anything else an `UnknownError`. The `StorageError` is the `cause` of the reason.
 */
export const make = Effect.fnUntraced(function*({ transformQueryNames, transformResultNames }: Options = {}) {
  const storage = yield* Storage.Storage
  const spanAttributes = [["db.system.name", "sqlite"]] as const

  const run = (statement: string, params: ReadonlyArray<unknown>) =>
    Storage.attemptOr(() => {
      if (!params.every(isBinding)) throw new Error("Only a text, a number, null and bytes can be bound.")
      return Storage.execIn(storage, statement, params)
    }, toSqlError)
  const execute: SqlConnection.Connection["execute"] = (statement, params, transformRows) =>
    Effect.map(run(statement, params), (rows) => {
      const all = rows.map(toRow)
      return transformRows ? transformRows(all) : all
    })
  const executeValues: SqlConnection.Connection["executeValues"] = (statement, params) =>
    Effect.map(run(statement, params), (rows) => rows.map((row) => Object.values(toRow(row))))
  const connection: SqlConnection.Connection = {
    execute,
    executeUnprepared: execute,
    executeValues,
    executeValuesUnprepared: executeValues,
    executeRaw: run,
    executeStream: (...all) => Stream.unwrap(Effect.map(execute(...all), Stream.fromIterable))
  }

  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(connection),
    borrower: (use) => use(connection),
    compiler: Statement.makeCompilerSqlite(transformQueryNames),
    driver: "dormouse",
    spanAttributes,
    transformRows: transformResultNames && Statement.defaultTransforms(transformResultNames).array
  })

  // Effect's part of a transaction is what surrounds it: its span, and what waits for the commit.
  const surround = SqlClient.makeWithTransaction({
    transactionService: client.transactionService,
    spanAttributes,
    acquireConnection: () => Effect.succeed(connection),
    begin: () => Effect.void,
    savepoint: () => Effect.void,
    commit: () => Effect.void,
    rollback: () => Effect.void,
    rollbackSavepoint: () => Effect.void
  })

  const withTransaction: SqlClient.SqlClient["withTransaction"] = (effect) =>
    surround(Storage.transactionIn(storage, effect, toSqlError))

  return Object.assign(client, {
    withTransaction,
    // Around it, and in it, there may be transactions of the storage's own: that knows what has been kept.
    afterCommit: <R>(effect: Effect.Effect<void, never, R>) =>
      Storage.onCommit(
        // SAFETY: the transaction is the client's own, and no effect asks for it.
        Effect.updateContext(
          effect,
          (context) => Context.omit(client.transactionService)(context) as Context.Context<R>
        )
      )
  })
})

/** The client, with names that are translated. */
export const layerWith = (options: Options): Layer.Layer<SqlClient.SqlClient, never, Storage.Storage> =>
  Layer.provide(Layer.effect(SqlClient.SqlClient, make(options)), Reactivity.layer)

/** The client, with names as they are. */
export const layer: Layer.Layer<SqlClient.SqlClient, never, Storage.Storage> = layerWith({})

const isBinding = (value: unknown): value is Storage.Binding =>
  value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array ||
  value instanceof ArrayBuffer

// Effect's schemas know bytes as a `Uint8Array`.
const toRow = (row: Storage.Row): Record<string, Exclude<Storage.Value, ArrayBuffer> | Uint8Array> => {
  const values: ReturnType<typeof toRow> = {}
  for (const [column, value] of Object.entries(row)) {
    values[column] = value instanceof ArrayBuffer ? new Uint8Array(value) : value
  }
  return values
}

const toSqlError = (thrown: unknown): SqlError.SqlError =>
  new SqlError.SqlError({ reason: reasonOf(StorageError.from(thrown)) })

const reasonOf = (cause: StorageError.StorageError): SqlError.SqlErrorReason => {
  const { message } = cause
  switch (cause.reason._tag) {
    case "ConstraintFailed": {
      const [, constraint] = /UNIQUE constraint failed: (.*?)(?:: SQLITE_.*)?$/.exec(message) ?? []
      return constraint === undefined
        ? new SqlError.ConstraintError({ cause, message })
        : new SqlError.UniqueViolation({ cause, message, constraint })
    }
    case "StatementFailed":
      return /syntax error|unrecognized token|incomplete input/.test(message)
        ? new SqlError.SqlSyntaxError({ cause, message })
        : new SqlError.UnknownError({ cause, message })
    default:
      return new SqlError.UnknownError({ cause, message })
  }
}
