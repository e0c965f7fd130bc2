/**
 * What is written in the guestbooks.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

export class Entry extends Schema.Class<Entry>("Entry")({ name: Schema.String, text: Schema.String }) {}

/** The database did not do what it was asked. */
export class EntriesError extends Schema.TaggedError<EntriesError>()("EntriesError", { cause: Schema.Defect() }) {}

export class Entries extends Context.Service<Entries, {
  readonly add: (book: string, entry: Entry) => Effect.Effect<void, EntriesError>
  /** The last hundred entries of a book, the newest first. */
  readonly list: (book: string) => Effect.Effect<ReadonlyArray<Entry>, EntriesError>
}>()("effect-dormouse/examples/guestbook/src/Entries") {
  static readonly layer = Layer.effect(
    Entries,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const decode = Schema.decodeUnknownEffect(Schema.Array(Entry))
      const failed = Effect.mapError((cause: unknown) => new EntriesError({ cause }))
      return Entries.of({
        add: (book, { name, text }) =>
          sql`INSERT INTO entries ${sql.insert({ book, name, text })}`.pipe(Effect.asVoid, failed),
        list: (book) =>
          sql`SELECT name, text FROM entries WHERE book = ${book} ORDER BY id DESC LIMIT 100`.pipe(
            Effect.flatMap(decode),
            failed
          )
      })
    })
  )
}
