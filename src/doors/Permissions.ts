/**
 * What somebody may do in a room: one pure function for all rooms, which an app replaces. Everybody may do everything,
 * unless it does.
 *
 * `join` is asked by `Doors`, before the room is touched, and `speak` by the room's `Guard`, for each message. A room that
 * tells who is there does so by {@link broadcast}.
 *
 * **Example** (readers, writers, and rooms of one's own)
 *
 * ```ts
 * const PermissionsLive = Layer.succeed(Permissions.Permissions)(({ labels, user }, room) => ({
 *   join: !room.startsWith("~") || room === `~${user}`,
 *   speak: labels.includes("writer"),
 *   see: user !== undefined
 * }))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as RoomError from "../domain/RoomError.ts"
import type * as Room from "../services/Room.ts"
import type * as Principal from "./Principal.ts"

/** What somebody may do in a room. */
export interface Granted {
  /** Enter it. */
  readonly join: boolean
  /** Send messages. */
  readonly speak: boolean
  /** See who is there. */
  readonly see: boolean
}

/** What somebody may do in the room of a name. */
export type Rule = (who: Pick<Principal.Principal, "user" | "labels">, room: string) => Granted

export const Permissions: Context.Reference<Rule> = /* @__PURE__ */ Context.Reference(
  "effect-dormouse/doors/Permissions",
  { defaultValue: () => everybody }
)

/** Everybody may do everything. */
export const everybody: Rule = () => everything

const everything: Granted = { join: true, speak: true, see: true }

/**
 * Sends a message that tells who is there, to those alone who may see that. Unless a rule is given, these are all, and
 * it is sent as by the room's own `broadcast`. With a rule, everybody is asked about.
 */
export const broadcast = Effect.fnUntraced(function*<Send>(
  { broadcast, connections, name, send }: Pick<Room.Service<Send, any>, "broadcast" | "connections" | "name" | "send">,
  message: Send
): Effect.fn.Return<void, RoomError.RoomError> {
  const rule = yield* Permissions
  if (rule === everybody) return yield* Effect.asVoid(broadcast(message))
  for (const { id, labels, user } of yield* connections({ limit: Infinity })) {
    const maySee = yield* Effect.catchDefect(
      Effect.sync(() => rule({ user, labels }, name).see),
      // A rule that fails for one of them keeps nobody else from hearing it.
      (defect) =>
        Effect.as(Effect.logError("The permissions of a connection could not be asked", Cause.die(defect)), false)
    )
    // Who has left meanwhile need not know.
    if (maySee) yield* Effect.catchReason(send(id, message), "RoomError", "UnknownConnection", () => Effect.void)
  }
})
