/**
 * The archive and the reminders in the room's own database.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Storage from "../../../src/services/Storage.ts"
import { Archive } from "./Archive.ts"
import { Due } from "./Due.ts"

export const ArchiveLive = Layer.effect(
  Archive,
  Storage.Storage.useSync(({ exec }) => {
    exec("CREATE TABLE IF NOT EXISTS archive (id INTEGER PRIMARY KEY, room TEXT, text TEXT)")
    return Archive.of({
      save: (room, text) => Effect.sync(() => void exec("INSERT INTO archive (room, text) VALUES (?, ?)", room, text)),
      last: (room) =>
        Effect.sync(() =>
          exec("SELECT text FROM archive WHERE room = ? ORDER BY id DESC LIMIT 20", room)
            .map(({ text }) => String(text)).toReversed()
        )
    })
  })
)

export const DueLive = Layer.effect(
  Due,
  Storage.Storage.useSync(({ exec }) => {
    exec("CREATE TABLE IF NOT EXISTS due (id INTEGER PRIMARY KEY, at INTEGER, text TEXT)")
    return Due.of({
      add: (at, text) => Effect.sync(() => void exec("INSERT INTO due (at, text) VALUES (?, ?)", at, text)),
      until: (now) =>
        Effect.sync(() =>
          exec("SELECT id, text FROM due WHERE at <= ? ORDER BY at, id", now)
            .map(({ id, text }) => ({ id: Number(id), text: String(text) }))
        ),
      remove: (id) => Effect.sync(() => void exec("DELETE FROM due WHERE id = ?", id)),
      next: Effect.sync(() => {
        const [row] = exec("SELECT min(at) AS next FROM due")
        return row?.["next"] == null ? Option.none() : Option.some(Number(row["next"]))
      })
    })
  })
)
