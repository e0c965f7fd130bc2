/**
 * The contract of `Storage`: the same tests in every world, for what is stored and for what a restart leaves of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as StorageError from "../../src/domain/StorageError.ts"
import * as Storage from "../../src/services/Storage.ts"

export interface StorageWorld {
  /** Runs an effect inside a room. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Storage.Storage>) => Effect.Effect<A, E>
  /** What a room may go through, by its name. */
  readonly restarts: Readonly<Record<string, Effect.Effect<void>>>
  /** Lets the database grow by so many pages at most. Not every runtime can be told that. */
  readonly bound?: (pages: number) => Effect.Effect<void>
}

const reasonOf = <A, R>(effect: Effect.Effect<A, StorageError.StorageError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const count = Effect.map(
  Storage.exec<{ readonly n: number }>("SELECT count(*) AS n FROM t"),
  ([row]) => row?.n
)

const table = Storage.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")

export const contract = (
  title: string,
  makeWorld: Effect.Effect<StorageWorld, never, Scope.Scope>,
  restarts: ReadonlyArray<string>
): void => {
  const test = (title: string, body: (world: StorageWorld) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () => Effect.flatMap(makeWorld, body))

  describe(`Storage, ${title}`, () => {
    test("each type of value comes back as it was stored (SG-1)", ({ run }) =>
      run(Effect.gen(function*() {
        const values: ReadonlyArray<Storage.Value> = [
          0,
          -1,
          1.5,
          2 ** 53,
          -(2 ** 53),
          5e-324,
          1.7976931348623157e308,
          "",
          "ä€😀",
          "line\nline\0nul",
          null
        ]
        yield* table
        for (const value of values) yield* Storage.exec("INSERT INTO t (b) VALUES (?)", value)
        const rows = yield* Storage.exec("SELECT b FROM t ORDER BY a")
        assert.deepStrictEqual(rows, values.map((b) => ({ b })))
      })))

    test("a blob comes back as a buffer of its own bytes alone (SG-1)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        yield* Storage.exec("INSERT INTO t (b) VALUES (?)", new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
        yield* Storage.exec("INSERT INTO t (b) VALUES (?)", new ArrayBuffer(0))
        const rows = yield* Storage.exec("SELECT b, typeof(b) AS type FROM t ORDER BY a")
        assert.deepStrictEqual(
          rows.map(({ b, type }) => [b instanceof ArrayBuffer && [...new Uint8Array(b)], type]),
          [[[2, 3], "blob"], [[], "blob"]]
        )
      })))

    test("an integer is one in a column of integers, and a number elsewhere (SG-1)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        yield* Storage.exec("INSERT INTO t VALUES (?1, ?1)", 7)
        const rows = yield* Storage.exec("SELECT a, b, typeof(a) AS ta, typeof(b) AS tb FROM t")
        assert.deepStrictEqual(rows, [{ a: 7, b: 7, ta: "integer", tb: "real" }])
      })))

    test("some statements run one after the other, and the last gives the rows (SG-2)", ({ run }) =>
      run(Effect.gen(function*() {
        const rows = yield* Storage.exec(
          "CREATE TABLE t (a, b); -- one; two?\n INSERT INTO t VALUES (1, '?;'); SELECT b, ? AS c FROM t /* ? */;",
          "x"
        )
        assert.deepStrictEqual(rows, [{ b: "?;", c: "x" }])
        assert.deepStrictEqual(yield* Storage.exec("INSERT INTO t VALUES (2, 3) RETURNING a, b"), [{ a: 2, b: 3 }])
        assert.deepStrictEqual(yield* Storage.exec("DELETE FROM t"), [])
        assert.deepStrictEqual(yield* Storage.exec(";INSERT INTO t VALUES (4, 5);; SELECT a FROM t; "), [{ a: 4 }])
      })))

    test("a statement that is wrong is a typed error (SG-2)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        for (
          const [statement, ...bindings] of [
            ["SELEC 1"],
            ["SELECT * FROM nowhere"],
            [""],
            ["-- nothing"],
            ["SELECT ?, ?", 1],
            ["SELECT ?", 1, 2],
            ["SELECT ?; SELECT ?", 1],
            ["BEGIN"],
            ["SELECT '"],
            ["SELECT 1 AS a;;"],
            ["SELECT 1 AS a; -- nothing"]
          ] as const
        ) {
          const reason = yield* reasonOf(Storage.exec(statement, ...bindings))
          assert.strictEqual(reason._tag, "StatementFailed", statement)
        }
        assert.strictEqual(yield* count, 0)
      })))

    test("what breaks a constraint is a typed error and changes nothing (SG-3)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* Storage.exec("CREATE TABLE u (a INTEGER PRIMARY KEY, b NOT NULL UNIQUE, c CHECK (c > 0))")
        yield* Storage.exec("INSERT INTO u VALUES (1, 1, 1)")
        for (const row of ["(1, 2, 2)", "(2, 1, 2)", "(2, NULL, 2)", "(2, 2, 0)", "(2, 2, 2), (3, 2, 2)"]) {
          const reason = yield* reasonOf(Storage.exec(`INSERT INTO u VALUES ${row}`))
          assert.strictEqual(reason._tag, "ConstraintFailed", row)
        }
        assert.deepStrictEqual(yield* Storage.exec("SELECT * FROM u"), [{ a: 1, b: 1, c: 1 }])
        // Those whose words are others.
        yield* Storage.exec(`
          CREATE TABLE s (a INTEGER) STRICT;
          CREATE TABLE seats (n);
          CREATE TRIGGER hall BEFORE INSERT ON seats BEGIN SELECT RAISE(ABORT, 'the hall is full'); END
        `)
        for (const statement of ["INSERT INTO s VALUES ('abc')", "INSERT INTO seats VALUES (1)"]) {
          assert.strictEqual((yield* reasonOf(Storage.exec(statement)))._tag, "ConstraintFailed", statement)
        }
      })))

    test("what a Durable Object refuses is refused everywhere (SG-2)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        for (
          const statement of [
            "PRAGMA user_version",
            "PRAGMA user_version = 3",
            "PRAGMA journal_mode",
            "SELECT * FROM pragma_user_version",
            "VACUUM",
            "VACUUM INTO '/tmp/copy'",
            "CREATE TEMP TABLE x (a)",
            "CREATE TEMP VIEW x AS SELECT 1",
            "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TABLE temp.x (a)",
            "CREATE TABLE temp.x AS SELECT 1",
            "CREATE VIEW temp.x AS SELECT 1",
            "CREATE TRIGGER temp.x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE VIRTUAL TABLE temp.x USING fts5 (a)",
            "CREATE TABLE _cf_x (a)",
            "CREATE TABLE _CF_x (a)",
            "CREATE INDEX _cf_x ON t (b)"
          ]
        ) {
          assert.strictEqual((yield* reasonOf(Storage.exec(statement)))._tag, "StatementFailed", statement)
        }
        // And what it takes is taken.
        yield* Storage.exec("CREATE VIRTUAL TABLE words USING fts5 (word); CREATE TABLE kept (_cf_x)")
        yield* Storage.exec("INSERT INTO words VALUES ('tea')")
        assert.deepStrictEqual(yield* Storage.exec("SELECT word FROM words WHERE words MATCH 'tea'"), [{ word: "tea" }])
        assert.deepStrictEqual(yield* Storage.exec("PRAGMA foreign_keys"), [{ foreign_keys: 1 }])
        assert.strictEqual((yield* Storage.exec("PRAGMA table_info (t)")).length, 2)
        yield* Storage.exec("PRAGMA optimize; ALTER TABLE t ADD COLUMN c; ALTER TABLE t RENAME TO t2; ANALYZE")
      })))

    test("a text or a blob over 2,000,000 bytes is a typed error (SG-3)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        for (const big of ["x".repeat(2_000_001), "é".repeat(1_000_001), new Uint8Array(2_000_001)]) {
          assert.strictEqual((yield* reasonOf(Storage.exec("INSERT INTO t (b) VALUES (?)", big)))._tag, "TooBig")
        }
        yield* Storage.exec("INSERT INTO t (b) VALUES (?)", "x".repeat(1_900_000))
        assert.strictEqual(yield* count, 1)
      })))

    test("a database that takes no more is a typed error, and keeps what it has (SG-3)", ({ bound, run }) =>
      Effect.gen(function*() {
        yield* run(table)
        yield* run(Storage.exec("INSERT INTO t VALUES (1, 1)"))
        const fill = Storage.exec("INSERT INTO t (b) VALUES (?)", "x".repeat(100_000))
        if (bound === undefined) {
          // Cloudflare's limit is 10 GB.
          const { reason } = StorageError.from(new Error("database or disk is full: SQLITE_FULL"))
          assert.strictEqual(reason._tag, "Full")
          return
        }
        yield* bound(20)
        assert.strictEqual((yield* reasonOf(run(fill)))._tag, "Full")
        assert.strictEqual(yield* run(count), 1)
      }))

    test("a transaction keeps everything or nothing (SG-4)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        const insert = (a: number) => Storage.exec("INSERT INTO t VALUES (?, 0)", a)
        assert.strictEqual(yield* Storage.transaction(Effect.as(Effect.andThen(insert(1), insert(2)), "both")), "both")
        assert.strictEqual(
          yield* Effect.flip(Storage.transaction(Effect.andThen(insert(3), Effect.fail("no" as const)))),
          "no"
        )
        const failed = yield* reasonOf(Effect.mapError(
          Storage.transaction(Effect.andThen(insert(4), insert(1))),
          (error) => error
        ))
        assert.strictEqual(failed._tag, "ConstraintFailed")
        const died = yield* Effect.exit(Storage.transaction(Effect.andThen(insert(5), Effect.die("dead"))))
        assert.strictEqual(died._tag, "Failure")
        assert.strictEqual(yield* count, 2)
      })))

    test("transactions nest: an inner one that fails takes nothing else with it (SG-4)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        const insert = (a: number) => Storage.exec("INSERT INTO t VALUES (?, 0)", a)
        yield* Storage.transaction(Effect.gen(function*() {
          yield* insert(1)
          yield* Effect.ignore(Storage.transaction(Effect.andThen(insert(2), Effect.fail("no"))))
          yield* Storage.transaction(insert(3))
        }))
        assert.deepStrictEqual(yield* Storage.exec("SELECT a FROM t ORDER BY a"), [{ a: 1 }, { a: 3 }])
        yield* Effect.ignore(
          Storage.transaction(Effect.andThen(Storage.transaction(insert(4)), Effect.fail("no")))
        )
        assert.strictEqual(yield* count, 2)
      })))

    test("a transaction that waits is rolled back, and does not go on (SG-4)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        const insert = (a: number) => Storage.exec("INSERT INTO t VALUES (?, 0)", a)
        const wait = Effect.promise(() => new Promise((done) => setTimeout(done, 5)))
        const exit = yield* Effect.exit(
          Storage.transaction(insert(1).pipe(Effect.andThen(wait), Effect.andThen(insert(2))))
        )
        assert.strictEqual(exit._tag, "Failure")
        yield* Effect.promise(() => new Promise((done) => setTimeout(done, 20)))
        assert.strictEqual(yield* count, 0)
        // The next one works.
        yield* Storage.transaction(insert(3))
        assert.strictEqual(yield* count, 1)
      })))

    test("what cannot be interrupted in a transaction that waits stores nothing afterwards (SG-4)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        const wait = Effect.promise(() => new Promise((done) => setTimeout(done, 5)))
        const body = Storage.exec("INSERT INTO t VALUES (1, 0)").pipe(
          Effect.andThen(wait),
          Effect.andThen(Effect.ignore(Storage.transaction(Storage.exec("INSERT INTO t VALUES (2, 0)")))),
          Effect.andThen(Storage.exec("INSERT INTO t VALUES (3, 0)")),
          Effect.uninterruptible
        )
        assert.strictEqual((yield* Effect.exit(Storage.transaction(body)))._tag, "Failure")
        yield* Effect.promise(() => new Promise((done) => setTimeout(done, 20)))
        assert.strictEqual(yield* count, 0)
      })))

    test("what waits in a transaction is interrupted (SG-4)", ({ run }) =>
      run(Effect.gen(function*() {
        let isInterrupted = false
        const waits = Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            isInterrupted = true
          }))
        assert.strictEqual((yield* Effect.exit(Storage.transaction(waits)))._tag, "Failure")
        yield* Effect.promise(() => new Promise((done) => setTimeout(done, 5)))
        assert.isTrue(isInterrupted)
      })))

    test("no statement begins or ends a transaction, whatever stands before it (SG-2)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        for (const statement of ["/**/COMMIT", ";BEGIN", "-- x\nROLLBACK", "SELECT 1; COMMIT"]) {
          const exit = yield* Effect.exit(Storage.transaction(
            Effect.andThen(Storage.exec("INSERT INTO t VALUES (1, 0)"), Storage.exec(statement))
          ))
          assert.strictEqual(exit._tag, "Failure", statement)
          assert.strictEqual(yield* count, 0, statement)
        }
      })))

    test("an integer over 2^53 comes back as a number (SG-1)", ({ run }) =>
      run(Effect.gen(function*() {
        const [row] = yield* Storage.exec("SELECT 9223372036854775807 AS n")
        assert.deepStrictEqual(row, { n: 2 ** 63 })
      })))

    test("a transaction may take thousands of steps (SG-4)", ({ run }) =>
      run(Effect.gen(function*() {
        yield* table
        yield* Storage.transaction(Effect.forEach(
          Array.from({ length: 5_000 }, (_, a) => a),
          (a) => Storage.exec("INSERT INTO t VALUES (?, 0)", a),
          { discard: true }
        ))
        assert.strictEqual(yield* count, 5_000)
      })))

    for (const restart of restarts) {
      test(`${restart} keeps what was stored (SG-5)`, ({ restarts, run }) =>
        Effect.gen(function*() {
          yield* run(table)
          yield* run(Storage.exec("INSERT INTO t VALUES (1, 'kept')"))
          yield* run(Effect.ignore(Storage.transaction(
            Effect.andThen(Storage.exec("INSERT INTO t VALUES (2, 'lost')"), Effect.fail("no"))
          )))
          yield* restarts[restart]!
          assert.deepStrictEqual(yield* run(Storage.exec("SELECT * FROM t")), [{ a: 1, b: "kept" }])
        }))
    }

    test("a storage that is cleared is empty at once, and usable (SG-6)", ({ restarts, run }) =>
      Effect.gen(function*() {
        yield* run(table)
        yield* run(Effect.andThen(Storage.Storage.use(({ clear }) => clear), table))
        yield* run(Storage.exec("INSERT INTO t VALUES (1, 'new')"))
        for (const restart of Object.values(restarts)) {
          yield* restart
          assert.deepStrictEqual(yield* run(Storage.exec("SELECT * FROM t")), [{ a: 1, b: "new" }])
        }
      }))
  })
}
