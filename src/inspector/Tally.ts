/**
 * What the inspector keeps in the room's storage: how often the object woke, and whether somebody looks.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as StorageError from "../domain/StorageError.ts"
import * as Storage from "../services/Storage.ts"
import * as Tables from "../services/Tables.ts"
import type * as Inspection from "./Inspection.ts"

export interface Tally {
  /** Since when it counts, in milliseconds since 1970. */
  readonly since: number
  /** How many sendings in a row have failed to reach who looks; `undefined` if nobody does. */
  readonly looking: number | undefined
  readonly look: (failures: number | undefined) => Effect.Effect<unknown, StorageError.StorageError>
  /** The object woke. A wake that cannot be written down is not counted. A plain function. */
  readonly count: (cause: Inspection.Cause, at: number) => void
  readonly wakes: Effect.Effect<ReadonlyArray<Inspection.Wakes>, StorageError.StorageError>
}

const versions = [
  "CREATE TABLE dormouse_inspector (name TEXT PRIMARY KEY, n INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID"
]

// No cause of a wake is called so.
const begun = ":begun"
const looking = ":looking"

/** Opens the tally of an object. */
export const open = Effect.fnUntraced(function*(storage: Storage.Storage["Service"], now: number) {
  const { newer } = yield* Tables.opened(storage, "inspector", versions)
  if (newer !== undefined) yield* Effect.logError("The inspector counts nothing", Cause.fail(newer))

  const kept = <A>(use: () => A): Effect.Effect<A, StorageError.StorageError> =>
    newer === undefined ? Storage.attempt(use) : Effect.fail(newer)

  // SAFETY: these are the columns of the table.
  const rows = (): ReadonlyArray<{ readonly name: string; readonly n: number; readonly at: number }> =>
    storage.exec("SELECT name, n, at FROM dormouse_inspector ORDER BY name") as ReadonlyArray<any>

  const first = newer === undefined ? rows() : []
  const valueOf = (name: string) => first.find((row) => row.name === name)
  if (newer === undefined && valueOf(begun) === undefined) {
    storage.exec("INSERT INTO dormouse_inspector VALUES (?, 0, ?)", begun, now)
  }

  const tally: Tally = {
    since: valueOf(begun)?.at ?? now,
    looking: valueOf(looking)?.n,
    look: (failures) =>
      kept(() =>
        failures === undefined
          ? storage.exec("DELETE FROM dormouse_inspector WHERE name = ?", looking)
          : storage.exec("INSERT OR REPLACE INTO dormouse_inspector VALUES (?, ?, 0)", looking, failures)
      ),
    count: (cause, at) => {
      if (newer !== undefined) return
      try {
        storage.exec(
          "INSERT INTO dormouse_inspector VALUES (?, 1, ?) ON CONFLICT (name) DO UPDATE SET n = n + 1, at = excluded.at",
          cause,
          at
        )
      } catch {
        // The event itself goes on.
      }
    },
    wakes: Effect.map(kept(rows), (rows) =>
      rows.filter(({ name }) => !name.startsWith(":")).map(({ at, n, name }) => ({
        // SAFETY: `count` has written it.
        cause: name as Inspection.Cause,
        count: n,
        last: at
      })))
  }
  return tally
})
