/**
 * The entries of a guestbook in the SQLite database of its own object, whose table is made before the first event.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqliteClient from "../../../src/services/SqliteClient.ts"
import { Entries } from "../../guestbook/src/Entries.ts"

const migrate = Migrator.make({})({
  loader: Migrator.fromRecord({
    "1_entries": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        CREATE TABLE entries (id INTEGER PRIMARY KEY, book TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL)
      `
    })
  })
})

const DatabaseLive = Layer.effectDiscard(migrate).pipe(Layer.provideMerge(SqliteClient.layer))

export const EntriesLive = Layer.provide(Entries.layer, DatabaseLive)
