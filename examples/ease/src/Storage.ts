/**
 * The archive and the reminders in the SQLite database of a room's object.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ObjectContext from "../../../src/durable/ObjectContext.ts"
import { Archive } from "./Archive.ts"
import { Due, type Kept } from "./Due.ts"

export const ArchiveLive = Layer.effect(
  Archive,
  ObjectContext.ObjectContext.useSync(({ storage: { sql } }) => {
    sql.exec("CREATE TABLE IF NOT EXISTS archive (id INTEGER PRIMARY KEY, room TEXT, text TEXT)")
    return Archive.of({
      save: (room, text) =>
        Effect.sync(() => void sql.exec("INSERT INTO archive (room, text) VALUES (?, ?)", room, text)),
      last: (room) =>
        Effect.sync(() =>
          sql.exec<{ readonly text: string }>("SELECT text FROM archive WHERE room = ? ORDER BY id DESC LIMIT 20", room)
            .toArray().map(({ text }) => text).toReversed()
        )
    })
  })
)

export const DueLive = Layer.effect(
  Due,
  ObjectContext.ObjectContext.useSync(({ storage: { sql } }) => {
    sql.exec("CREATE TABLE IF NOT EXISTS due (id INTEGER PRIMARY KEY, at INTEGER, text TEXT)")
    return Due.of({
      add: (at, text) => Effect.sync(() => void sql.exec("INSERT INTO due (at, text) VALUES (?, ?)", at, text)),
      until: (now) =>
        Effect.sync(() => sql.exec<Row>("SELECT id, text FROM due WHERE at <= ? ORDER BY at, id", now).toArray()),
      remove: (id) => Effect.sync(() => void sql.exec("DELETE FROM due WHERE id = ?", id)),
      next: Effect.sync(() => {
        const { next } = sql.exec<{ readonly next: number | null }>("SELECT min(at) AS next FROM due").one()
        return Option.fromNullOr(next)
      })
    })
  })
)

type Row = Pick<Kept, "id" | "text">
