/**
 * The tables of the library in a room's storage. Their names begin with `dormouse_`.
 *
 * Each part of the library counts the versions of its tables. An object may meet tables that newer code has made, after
 * a rollback say. It leaves those as they are.
 */
import * as Effect from "effect/Effect"
import * as StorageError from "../domain/StorageError.ts"
import * as Storage from "./Storage.ts"

/**
 * Makes the tables of a part, or brings them up to date: `versions` are the statements that lead from each version to the
 * next. Gives the version that was there before, 0 if there was none. Throws a `StorageError` with the reason
 * `NewerTables` if newer code has made them.
 */
export const open = (
  { exec, transaction }: Storage.Storage["Service"],
  part: string,
  versions: ReadonlyArray<string>
): number => {
  exec("CREATE TABLE IF NOT EXISTS dormouse_tables (part TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
  const [row] = exec("SELECT version FROM dormouse_tables WHERE part = ?", part)
  // SAFETY: the column holds integers alone.
  const version = (row?.["version"] ?? 0) as number
  if (version > versions.length) {
    throw new StorageError.StorageError({
      reason: new StorageError.NewerTables({ part, version, known: versions.length })
    })
  }
  if (version < versions.length) {
    transaction(() => {
      for (const statements of versions.slice(version)) exec(statements)
      exec("INSERT OR REPLACE INTO dormouse_tables VALUES (?, ?)", part, versions.length)
    })
  }
  return version
}

/**
 * The same as an effect: gives the error if newer code has made the tables. Any other failure is one of the room's start,
 * which is tried again.
 */
export const opened = (
  storage: Storage.Storage["Service"],
  part: string,
  versions: ReadonlyArray<string>
): Effect.Effect<{ readonly version: number; readonly newer: StorageError.StorageError | undefined }> =>
  Effect.catch(
    Effect.map(Storage.attempt(() => open(storage, part, versions)), (version) => ({ version, newer: undefined })),
    (error) => error.reason._tag === "NewerTables" ? Effect.succeed({ version: 0, newer: error }) : Effect.die(error)
  )
