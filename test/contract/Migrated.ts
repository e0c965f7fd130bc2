/**
 * A probe whose layer migrates its database, and that counts who comes in it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqliteClient from "../../src/services/SqliteClient.ts"
import { Probe } from "./Probe.ts"

/** What is to happen to the room of a name, and what has. */
export interface Fate {
  /** How many of the migrations the code has. */
  known: number
  /** How often the second one is still to fail, halfway. */
  failing: number
  /** The migrations that have begun. */
  readonly ran: Array<number>
}

const fates = new Map<string, Fate>()

export const fateOf = (name: string): Fate => {
  const known = fates.get(name)
  if (known !== undefined) return known
  const made: Fate = { known: 2, failing: 0, ran: [] }
  fates.set(name, made)
  return made
}

const migrate = (fate: Fate) => {
  const migrations = [
    ["1_visits", SqlClient.SqlClient.use((sql) => sql`CREATE TABLE visits (id INTEGER PRIMARY KEY)`)],
    [
      "2_notes",
      SqlClient.SqlClient.use((sql) =>
        Effect.gen(function*() {
          yield* sql`CREATE TABLE notes (text TEXT)`
          // More steps than a fiber takes in a row.
          yield* Effect.forEach(Array.from({ length: 1_000 }), () => sql`INSERT INTO notes ${sql.insert({ text: "" })}`)
          yield* Effect.yieldNow
          if (fate.failing-- > 0) return yield* Effect.fail("halfway")
          yield* sql`ALTER TABLE visits ADD COLUMN note TEXT`
        })
      )
    ]
  ] as const
  const loader = Migrator.fromRecord(Object.fromEntries(
    migrations.slice(0, fate.known).map(([name, migration]) => [
      name,
      Effect.andThen(Effect.sync(() => void fate.ran.push(Number(name[0]))), Effect.asVoid(migration))
    ])
  ))
  return Migrator.make({})({ loader })
}

const HandlersLive = Probe.toLayer(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return {
    connect: () => sql`INSERT INTO visits DEFAULT VALUES`.pipe(Effect.as({ state: { note: "" } }), Effect.orDie)
  }
}))

export const MigratedLive = Layer.unwrap(Effect.gen(function*() {
  const { name } = yield* Probe
  const MigrationsLive = Layer.effectDiscard(migrate(fateOf(name)))
  return Layer.provide(HandlersLive, Layer.provideMerge(MigrationsLive, SqliteClient.layer))
}))
