/**
 * The archive in the room's own database.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Storage from "../../../src/services/Storage.ts"
import { Archive } from "./Archive.ts"

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
