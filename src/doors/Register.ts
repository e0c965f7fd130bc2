/**
 * What the guard writes down in the room's storage: from when on the tokens of a user hold, and that the room is in use.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as StorageError from "../domain/StorageError.ts"
import * as Storage from "../services/Storage.ts"
import * as Tables from "../services/Tables.ts"

export interface Register {
  /** Whether a token of a user that was issued then, in milliseconds since 1970, does not hold any more; 0 is unknown. */
  readonly isRevoked: (user: string, issuedAt: number) => Effect.Effect<boolean, StorageError.StorageError>
  /** From a time on, in milliseconds since 1970, tokens of a user must have been issued later. */
  readonly revoke: (user: string, at: number) => Effect.Effect<void, StorageError.StorageError>
  /** Whether anybody has entered the room since it has a guard. */
  readonly isInUse: Effect.Effect<boolean, StorageError.StorageError>
  /** Writes down that somebody has. */
  readonly begin: Effect.Effect<void, StorageError.StorageError>
}

const versions = ["CREATE TABLE dormouse_guard (subject TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID"]

const room = "room"

/**
 * Opens the register. Where newer code has made its table the room goes on without it: every token holds, and the room
 * counts as in use.
 */
export const open = Effect.fnUntraced(function*(storage: Storage.Storage["Service"]): Effect.fn.Return<Register> {
  const { newer } = yield* Tables.opened(storage, "guard", versions)
  if (newer !== undefined) {
    yield* Effect.logError("The guard revokes no tokens", Cause.fail(newer))
    return {
      isRevoked: () => Effect.succeed(false),
      revoke: () => Effect.fail(newer),
      isInUse: Effect.succeed(true),
      begin: Effect.void
    }
  }

  const at = (subject: string): number | undefined => {
    const [row] = storage.exec("SELECT at FROM dormouse_guard WHERE subject = ?", subject)
    // SAFETY: the column holds integers alone.
    return row?.["at"] as number | undefined
  }

  const write = (subject: string, at: number) =>
    Storage.attempt(() => void storage.exec("INSERT OR REPLACE INTO dormouse_guard VALUES (?, ?)", subject, at))

  let isInUse = false

  return {
    isRevoked: (user, issuedAt) =>
      Storage.attempt(() => {
        const before = at(`u:${user}`)
        return before !== undefined && issuedAt <= before
      }),
    revoke: (user, at) => write(`u:${user}`, at),
    isInUse: Effect.suspend(() => isInUse ? Effect.succeed(true) : Storage.attempt(() => at(room) !== undefined)),
    begin: Effect.suspend(() => {
      if (isInUse) return Effect.void
      return Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(write(room, now), () => {
          isInUse = true
        }))
    })
  }
})
