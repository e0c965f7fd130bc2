/**
 * The contract of `SqliteClient`: the same tests in every world, for statements, transactions and migrations.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlError from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as String from "effect/String"
import type * as Problem from "../../src/domain/Problem.ts"
import * as StorageError from "../../src/domain/StorageError.ts"
import * as SqliteClient from "../../src/services/SqliteClient.ts"
import * as Storage from "../../src/services/Storage.ts"
import { type Fate, fateOf } from "./Migrated.ts"
import type { StorageWorld } from "./storage.ts"

/** A room of `MigratedLive`. */
export interface MigratedWorld {
  /** A client comes in. */
  readonly connect: Effect.Effect<unknown, Problem.Problem, Scope.Scope>
  /** Runs an effect inside the room. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Storage.Storage>) => Effect.Effect<A, E>
  /** The room's layer is built anew, for the next event. */
  readonly wake: Effect.Effect<void>
  /** A second passes. */
  readonly later: Effect.Effect<void>
}

const reasonOf = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const wait = (milliseconds: number) => Effect.promise(() => new Promise((done) => setTimeout(done, milliseconds)))

let rooms = 0

export const contract = (
  title: string,
  makeWorld: Effect.Effect<Pick<StorageWorld, "run">, never, Scope.Scope>,
  makeMigrated: (name: string) => Effect.Effect<MigratedWorld, never, Scope.Scope>
): void => {
  const test = <E>(
    title: string,
    body: (sql: SqlClient.SqlClient) => Effect.Effect<void, E, Storage.Storage>,
    options: SqliteClient.Options = {}
  ) =>
    it.effect(
      title,
      () =>
        Effect.flatMap(makeWorld, ({ run }) =>
          run(SqlClient.SqlClient.use(body).pipe(Effect.provide(SqliteClient.layerWith(options)))))
    )

  const ids = (sql: SqlClient.SqlClient) =>
    Effect.map(sql<{ readonly id: number }>`SELECT id FROM t ORDER BY id`, (rows) => rows.map(({ id }) => id))

  const table = (sql: SqlClient.SqlClient) => sql`CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)`

  const insert = (sql: SqlClient.SqlClient, id: number) => sql`INSERT INTO t ${sql.insert({ id, a: "" })}`

  describe(`SqliteClient, ${title}`, () => {
    test("statements are built and run as with any client of Effect (SG-8)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const inserted = yield* sql`INSERT INTO t ${sql.insert([{ id: 1, a: "x" }, { id: 2, a: "y?" }]).returning("*")}`
        assert.deepStrictEqual(inserted, [{ id: 1, a: "x" }, { id: 2, a: "y?" }])
        yield* sql`UPDATE t SET ${sql.update({ id: 2, a: undefined }, ["id"])} WHERE id = ${2}`
        const where = sql.and([sql`id > ${0}`, sql.in("id", [1, 2, 3])])
        assert.deepStrictEqual(yield* sql`SELECT * FROM ${sql("t")} WHERE ${where} ORDER BY id DESC`, [
          { id: 2, a: null },
          { id: 1, a: "x" }
        ])
        assert.deepStrictEqual(yield* sql`SELECT a, id FROM t ORDER BY id`.values, [["x", 1], [null, 2]])
        assert.deepStrictEqual(yield* sql`SELECT id FROM t WHERE id = 1`.unprepared, [{ id: 1 }])
        assert.deepStrictEqual(yield* sql.unsafe("DELETE FROM t WHERE id = ? RETURNING a", [1]), [{ a: "x" }])
        assert.strictEqual(sql.onDialectOrElse({ sqlite: () => "sqlite", orElse: () => "another" }), "sqlite")
      }))

    test("bytes come back as a `Uint8Array`, and nothing strange is bound (SG-8)", (sql) =>
      Effect.gen(function*() {
        yield* sql`CREATE TABLE b (bytes)`
        yield* sql`INSERT INTO b VALUES (${new Uint8Array([0, 1, 2, 3]).subarray(1, 3)})`
        assert.deepStrictEqual(yield* sql`SELECT * FROM b`, [{ bytes: new Uint8Array([1, 2]) }])
        assert.deepStrictEqual(yield* sql`SELECT * FROM b`.values, [[new Uint8Array([1, 2])]])
        assert.deepStrictEqual(yield* Stream.runCollect(sql`SELECT * FROM b`.stream), [{
          bytes: new Uint8Array([1, 2])
        }])
        for (const strange of [true, 1n, new Date(0), new Int8Array(1)]) {
          const { _tag, message } = yield* reasonOf(sql`INSERT INTO b VALUES (${strange})`)
          assert.strictEqual(_tag, "UnknownError")
          assert.match(message!, /can be bound/)
        }
        assert.deepStrictEqual(yield* sql`SELECT count(*) AS n FROM b`, [{ n: 1 }])
      }))

    test("rows are a stream, which also fails with a `SqlError` (SG-8)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        for (let id = 0; id < 40; id++) yield* insert(sql, id)
        const rows = sql<{ readonly id: number }>`SELECT id FROM t ORDER BY id`.stream
        assert.deepStrictEqual(
          yield* rows.pipe(Stream.map(({ id }) => id), Stream.drop(1), Stream.take(2), Stream.runCollect),
          [1, 2]
        )
        const reason = yield* reasonOf(Stream.runCollect(sql`SELECT * FROM nowhere`.stream))
        assert.strictEqual(reason._tag, "UnknownError")
      }))

    test("names are translated, but where a statement says no (SG-8)", (sql) =>
      Effect.gen(function*() {
        yield* sql`CREATE TABLE t (first_name TEXT)`
        yield* sql`INSERT INTO t ${sql.insert({ firstName: "Ada" })}`
        assert.deepStrictEqual(yield* sql`SELECT * FROM t WHERE ${sql("firstName")} = 'Ada'`, [{ firstName: "Ada" }])
        assert.deepStrictEqual(yield* Stream.runCollect(sql`SELECT * FROM t`.stream), [{ firstName: "Ada" }])
        const plain = sql.withoutTransforms()
        assert.deepStrictEqual(
          yield* plain.withTransaction(plain`SELECT ${plain("first_name")} FROM t`),
          [{ first_name: "Ada" }]
        )
      }), { transformQueryNames: String.camelToSnake, transformResultNames: String.snakeToCamel })

    test("the client and `Storage.exec` speak to the same database (SG-8)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        yield* sql.withTransaction(Effect.andThen(insert(sql, 1), Storage.exec("INSERT INTO t VALUES (2, '')")))
        yield* Effect.ignore(
          Storage.transaction(Effect.andThen(sql.withTransaction(insert(sql, 3)), Effect.fail("no")))
        )
        assert.deepStrictEqual(yield* ids(sql), [1, 2])
      }))

    test("a statement that fails is a `SqlError` with a reason (SG-9)", (sql) =>
      Effect.gen(function*() {
        yield* sql`CREATE TABLE u (id INTEGER PRIMARY KEY, b NOT NULL UNIQUE, c CHECK (c > 0))`
        yield* sql`INSERT INTO u VALUES (1, 1, 1)`
        const constraint = (statement: Effect.Effect<unknown, SqlError.SqlError>) =>
          Effect.map(reasonOf(statement), (reason) => [reason._tag, "constraint" in reason && reason.constraint])
        assert.deepStrictEqual(yield* constraint(sql`INSERT INTO u VALUES (2, 1, 1)`), ["UniqueViolation", "u.b"])
        assert.deepStrictEqual(yield* constraint(sql`INSERT INTO u VALUES (1, 2, 1)`), ["UniqueViolation", "u.id"])
        assert.deepStrictEqual(yield* constraint(sql`INSERT INTO u VALUES (2, NULL, 1)`), ["ConstraintError", false])
        assert.deepStrictEqual(yield* constraint(sql`INSERT INTO u VALUES (2, 2, 0)`), ["ConstraintError", false])
        for (const wrong of ["SELEC 1", "SELECT 1 FROM", "SELECT '"]) {
          assert.strictEqual((yield* reasonOf(sql.unsafe(wrong)))._tag, "SqlSyntaxError", wrong)
        }
        for (const wrong of ["SELECT * FROM nowhere", "BEGIN", "SELECT ?"]) {
          assert.strictEqual((yield* reasonOf(sql.unsafe(wrong)))._tag, "UnknownError", wrong)
        }
        const big = yield* reasonOf(sql`INSERT INTO u VALUES (2, ${"x".repeat(2_000_001)}, 1)`)
        assert.instanceOf(big.cause, StorageError.StorageError)
        assert.strictEqual(big.cause.reason._tag, "TooBig")
        assert.deepStrictEqual(yield* sql`SELECT * FROM u`, [{ id: 1, b: 1, c: 1 }])
      }))

    test("a transaction keeps everything or nothing (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        assert.strictEqual(yield* sql.withTransaction(Effect.as(insert(sql, 1), "done")), "done")
        const failed = yield* Effect.flip(
          sql.withTransaction(Effect.andThen(insert(sql, 2), Effect.fail("no" as const)))
        )
        assert.strictEqual(failed, "no")
        const broken = yield* Effect.flip(sql.withTransaction(Effect.andThen(insert(sql, 3), insert(sql, 1))))
        assert.strictEqual(broken.reason._tag, "UniqueViolation")
        // An error of the app's own stays what it is.
        const own = yield* Effect.flip(
          sql.withTransaction(Effect.andThen(insert(sql, 4), Storage.exec("SELECT * FROM nowhere")))
        )
        assert.strictEqual(own._tag, "StorageError")
        const died = yield* Effect.exit(sql.withTransaction(Effect.andThen(insert(sql, 5), Effect.die("dead"))))
        assert.isTrue(died._tag === "Failure" && Cause.hasDies(died.cause))
        const interrupted = yield* Effect.exit(
          sql.withTransaction(Effect.andThen(insert(sql, 6), Effect.interrupt))
        )
        assert.isTrue(interrupted._tag === "Failure" && Cause.hasInterrupts(interrupted.cause))
        assert.deepStrictEqual(yield* ids(sql), [1])
      }))

    test("transactions nest: an inner one that fails takes nothing else with it (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const inner = (id: number, end: Effect.Effect<unknown, string>) =>
          sql.withTransaction(Effect.andThen(insert(sql, id), end))
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* insert(sql, 1)
          yield* Effect.ignore(inner(2, Effect.fail("no")))
          yield* Effect.exit(inner(3, Effect.die("dead")))
          yield* Effect.exit(inner(4, Effect.interrupt))
          // What the database itself undoes is undone alone, too.
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(insert(sql, 5), insert(sql, 1))))
          yield* inner(6, inner(7, Effect.void).pipe(Effect.orDie))
          yield* Effect.all([inner(8, Effect.void), inner(9, Effect.void)], { concurrency: "unbounded" })
        }))
        assert.deepStrictEqual(yield* ids(sql), [1, 6, 7, 8, 9])
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(inner(10, Effect.void), Effect.fail("no"))))
        assert.deepStrictEqual(yield* ids(sql), [1, 6, 7, 8, 9])
      }))

    test("a transaction that waits dies, is rolled back, and does not go on (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const waits = sql.withTransaction(insert(sql, 1).pipe(Effect.andThen(wait(5)), Effect.andThen(insert(sql, 2))))
        const sleeps = sql.withTransaction(
          insert(sql, 1).pipe(Effect.andThen(Effect.sleep(5)), Effect.andThen(insert(sql, 2)))
        )
        for (const effect of [waits, sleeps]) {
          const exit = yield* Effect.exit(effect)
          assert.isTrue(exit._tag === "Failure")
          if (exit._tag === "Failure") assert.match(Cause.pretty(exit.cause), /A transaction cannot wait/)
        }
        // An inner one ends itself alone.
        yield* sql.withTransaction(Effect.andThen(insert(sql, 3), Effect.exit(waits)))
        yield* wait(20)
        assert.deepStrictEqual(yield* ids(sql), [3])
      }))

    test("what a transaction leaves behind cannot reach the database any more (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const late: Array<string> = []
        const lately = Effect.andThen(
          wait(5),
          Effect.map(reasonOf(insert(sql, 1)), ({ message }) => void late.push(message!))
        )
        // The one cannot be interrupted, and nobody interrupts the other.
        yield* Effect.exit(sql.withTransaction(Effect.uninterruptible(lately)))
        yield* sql.withTransaction(Effect.andThen(insert(sql, 2), Effect.forkDetach(lately)))
        yield* Effect.exit(Storage.transaction(Effect.uninterruptible(lately)))
        yield* wait(30)
        assert.strictEqual(late.length, 3)
        for (const message of late) assert.match(message, /has ended/)
        assert.deepStrictEqual(yield* ids(sql), [2])
      }))

    test("a transaction may take thousands of steps (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        yield* sql.withTransaction(Effect.forEach(
          Array.from({ length: 3_000 }, (_, id) => id),
          (id) => id % 100 === 0 ? sql.withTransaction(insert(sql, id)) : insert(sql, id),
          { discard: true }
        ))
        assert.strictEqual((yield* ids(sql)).length, 3_000)
      }))

    test("what waits for the commit runs after it, and never after a rollback (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const told: Array<string> = []
        const tell = (what: string) => sql.afterCommit(Effect.sync(() => void told.push(what)))
        const after = Effect.gen(function*() {
          // It may wait, and begin a transaction of its own.
          yield* wait(1)
          yield* sql.withTransaction(insert(sql, 2))
          told.push("waited")
        })
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* insert(sql, 1)
          yield* tell("first")
          yield* sql.afterCommit(Effect.orDie(after))
          yield* sql.withTransaction(tell("inner"))
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(tell("inner, undone"), Effect.fail("no"))))
          assert.deepStrictEqual(told, [])
        }))
        assert.deepStrictEqual(told, ["first", "waited", "inner"])
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(tell("undone"), Effect.fail("no"))))
        assert.deepStrictEqual(told, ["first", "waited", "inner"])
        assert.deepStrictEqual(yield* ids(sql), [1, 2])
      }))

    test("what waits for the commit waits for that of a `Storage.transaction` around it, too (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const told: Array<string> = []
        const tell = (what: string) => sql.afterCommit(Effect.andThen(wait(1), Effect.sync(() => void told.push(what))))
        const both = Effect.gen(function*() {
          yield* sql.withTransaction(Effect.andThen(insert(sql, 1), tell("inner")))
          yield* tell("outer")
          yield* Effect.ignore(Storage.transaction(Effect.andThen(tell("undone"), Effect.fail("no"))))
          assert.deepStrictEqual(told, [])
        })
        yield* Effect.ignore(Storage.transaction(Effect.andThen(both, Effect.fail("no"))))
        assert.deepStrictEqual(told, [])
        yield* Storage.transaction(Effect.andThen(Storage.transaction(both), sql.afterCommit(Effect.die("a fault"))))
        assert.deepStrictEqual(told, ["inner", "outer"])
        assert.deepStrictEqual(yield* ids(sql), [1])
      }))

    test("what waits for the commit goes with a `Storage.transaction` within one of the client's (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const told: Array<string> = []
        const tell = (what: string) => sql.afterCommit(Effect.andThen(wait(1), Effect.sync(() => void told.push(what))))
        const both = Effect.andThen(tell("outer"), sql.withTransaction(tell("inner")))
        yield* sql.withTransaction(
          Effect.andThen(tell("kept"), Effect.exit(Storage.transaction(Effect.andThen(both, Effect.fail("no")))))
        )
        assert.deepStrictEqual(told, ["kept"])
        yield* sql.withTransaction(Storage.transaction(both))
        assert.deepStrictEqual(told, ["kept", "outer", "inner"])
      }))

    test("a reactive query hears of a change once it is committed (SG-10)", (sql) =>
      Effect.gen(function*() {
        yield* table(sql)
        const told: Array<string> = []
        const reactivity = yield* Reactivity.Reactivity
        const end = reactivity.registerUnsafe(["t"], () => void told.push("heard"))
        const change = Reactivity.mutation(insert(sql, 1), ["t"]).pipe(
          Effect.andThen(Effect.sync(() => void told.push("changed")))
        )
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(change, Effect.fail("no"))))
        yield* sql.withTransaction(change)
        end()
        assert.deepStrictEqual(told, ["changed", "changed", "heard"])
      }).pipe(Effect.provide(Reactivity.layer)))
  })

  const migrated = (
    title: string,
    begin: Partial<Fate>,
    body: (world: MigratedWorld & { readonly fate: Fate }) => Effect.Effect<void, unknown, Scope.Scope>
  ) =>
    it.effect(title, () => {
      const name = `migrated-${rooms++}`
      const fate = Object.assign(fateOf(name), begin)
      return Effect.flatMap(makeMigrated(name), (world) => body({ ...world, fate }))
    })

  const tables = Effect.map(
    Storage.exec<{ readonly name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('visits', 'notes') ORDER BY name"
    ),
    (rows) => rows.map(({ name }) => name)
  )

  const visits = Storage.exec("SELECT id, note FROM visits ORDER BY id")

  const recorded = Storage.exec("SELECT migration_id AS id, name FROM effect_sql_migrations ORDER BY id")

  describe(`Migrations, ${title}`, () => {
    migrated(
      "they run in order before the first event, and once an object (SG-11)",
      {},
      ({ connect, fate, run, wake }) =>
        Effect.gen(function*() {
          yield* connect
          assert.deepStrictEqual(fate.ran, [1, 2])
          yield* wake
          yield* connect
          yield* connect
          assert.deepStrictEqual(fate.ran, [1, 2])
          assert.deepStrictEqual(yield* run(visits), [1, 2, 3].map((id) => ({ id, note: null })))
          assert.deepStrictEqual(yield* run(recorded), [{ id: 1, name: "visits" }, { id: 2, name: "notes" }])
        })
    )

    migrated(
      "one that the code has later runs when the object wakes, alone (SG-11)",
      { known: 1 },
      ({ connect, fate, run, wake }) =>
        Effect.gen(function*() {
          yield* connect
          assert.deepStrictEqual(fate.ran, [1])
          fate.known = 2
          yield* wake
          yield* connect
          assert.deepStrictEqual(fate.ran, [1, 2])
          assert.deepStrictEqual(yield* run(visits), [{ id: 1, note: null }, { id: 2, note: null }])
        })
    )

    migrated(
      "one that fails leaves nothing, newcomers are refused, and it is tried again later (SG-11)",
      { known: 1 },
      ({ connect, fate, later, run, wake }) =>
        Effect.gen(function*() {
          yield* connect
          fate.known = 2
          fate.failing = 1
          yield* wake
          assert.strictEqual((yield* Effect.flip(connect)).status, 503)
          assert.strictEqual((yield* Effect.flip(connect)).status, 503)
          assert.deepStrictEqual(fate.ran, [1, 2])
          assert.deepStrictEqual(yield* run(tables), ["visits"])
          assert.deepStrictEqual(yield* run(recorded), [{ id: 1, name: "visits" }])
          yield* later
          yield* connect
          assert.deepStrictEqual(fate.ran, [1, 2, 2])
          assert.deepStrictEqual(yield* run(tables), ["notes", "visits"])
          assert.deepStrictEqual(yield* run(visits), [{ id: 1, note: null }, { id: 2, note: null }])
        })
    )

    migrated(
      "the first time, one that fails takes those with it that ran before it (SG-11)",
      { failing: 1 },
      ({ connect, run }) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* Effect.flip(connect)).status, 503)
          assert.deepStrictEqual(yield* run(tables), [])
          assert.deepStrictEqual(yield* run(recorded), [])
        })
    )
  })
}
