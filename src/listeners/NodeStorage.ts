/**
 * The storages of the rooms of a definition: in memory, or each in a file of a directory.
 *
 * A file also keeps the name of its room and the time of its alarm. So a process that starts knows which rooms have
 * something to do, and when.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as RoomName from "../domain/RoomName.ts"
import * as SqliteStorage from "../memory/SqliteStorage.ts"
import type * as ClockAlarm from "../services/ClockAlarm.ts"
import type * as ListenerRoom from "./ListenerRoom.ts"

/** The storage of one room. */
export interface RoomStorage {
  readonly storage: ListenerRoom.KeptStorage
  /** The room has ended. What it has stored stays, and what still runs of it can store nothing. */
  readonly release: () => void
  /** Keeps the time of the room's alarm; `undefined` in memory. */
  readonly keptAlarm: ClockAlarm.Kept | undefined
}

/** The storages of the rooms of a definition, in one process. */
export interface NodeStorage {
  /** The storage of a room. Memory keeps it until it is cleared, and a directory for ever. */
  readonly of: (room: string) => RoomStorage
  /** The time of a room's alarm in milliseconds since 1970, as its file has it now. */
  readonly alarmOf: (room: string) => number | undefined
  /**
   * The rooms whose alarm is set, and its time in milliseconds since 1970: those of all files, or of one. A file that
   * cannot be read is told, and passed over.
   */
  readonly alarms: (
    unreadable: (file: string, cause: unknown) => void,
    file?: string
  ) => ReadonlyArray<{ readonly room: string; readonly at: number }>
}

/**
 * Keeps the storages of the rooms of a definition in memory, or in a folder of its own in a directory. It is made if it
 * is not there.
 */
export const make = (definition: string, directory?: string): NodeStorage =>
  directory === undefined ? inMemory() : inFiles(join(directory, fileName(definition)))

const inMemory = (): NodeStorage => {
  const rooms = new Map<string, SqliteStorage.SqliteStorage>()
  return {
    of: (room) => {
      const storage = rooms.get(room) ?? SqliteStorage.make()
      rooms.set(room, storage)
      let hasEnded = false
      const release = () => {
        hasEnded = true
        // Most rooms store nothing.
        if (!storage.isOpen()) rooms.delete(room)
      }
      return { storage: SqliteStorage.during(storage, () => hasEnded), release, keptAlarm: undefined }
    },
    alarmOf: () => undefined,
    alarms: () => []
  }
}

const inFiles = (directory: string): NodeStorage => {
  mkdirSync(directory, { recursive: true })
  const pathOf = (room: string) => join(directory, `${fileName(room)}.sqlite`)
  return {
    of: (room) => {
      const path = pathOf(room)
      const file = SqliteStorage.make(path)
      let hasEnded = false
      const storage = SqliteStorage.during(file, () => hasEnded)
      return {
        storage,
        release: () => {
          hasEnded = true
          file.close()
        },
        keptAlarm: {
          read: () => existsSync(path) ? alarmIn(storage)?.at : undefined,
          write: (at) => {
            // A room that has stored nothing needs no file.
            if (at === undefined && !existsSync(path)) return
            storage.exec("CREATE TABLE IF NOT EXISTS dormouse_room (room TEXT PRIMARY KEY, alarm REAL)")
            storage.exec("INSERT OR REPLACE INTO dormouse_room VALUES (?, ?)", room, at ?? null)
          }
        }
      }
    },
    alarmOf: (room) => {
      if (!existsSync(pathOf(room))) return undefined
      const storage = SqliteStorage.make(pathOf(room))
      try {
        return alarmIn(storage)?.at
      } finally {
        storage.close()
      }
    },
    alarms: (unreadable, only) =>
      readdirSync(directory).filter((file) => only === undefined ? file.endsWith(".sqlite") : file === only).flatMap(
        (file) => {
          const storage = SqliteStorage.make(join(directory, file))
          try {
            return alarmIn(storage) ?? []
          } catch (cause) {
            unreadable(file, cause)
            return []
          } finally {
            storage.close()
          }
        }
      )
  }
}

const alarmIn = ({ exec }: Pick<SqliteStorage.SqliteStorage, "exec">) => {
  if (exec("SELECT 1 FROM sqlite_master WHERE name = 'dormouse_room'").length === 0) return undefined
  const [kept] = exec("SELECT room, alarm AS at FROM dormouse_room WHERE alarm IS NOT NULL")
  // SAFETY: `write` has put them there.
  return kept as { readonly room: string; readonly at: number } | undefined
}

// A file system may take `Lobby` and `lobby` for the same. No room's name has an `@`, and whatever else `run` is given
// stays in the directory.
const fileName = (name: string): string => {
  if (RoomName.is(name) && name === name.toLowerCase() && !/^\.+$/.test(name)) return name
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 32)
  return RoomName.is(name) ? `${name.toLowerCase()}@${hash}` : `@${hash}`
}
