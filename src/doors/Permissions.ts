/**
 * What somebody may do in a room: one pure function for all rooms, which an app replaces. Everybody may do everything,
 * unless it does.
 *
 * `join` is asked by `Doors`, before the room is touched.
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
import * as Context from "effect/Context"
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
  { defaultValue: (): Rule => () => everything }
)

const everything: Granted = { join: true, speak: true, see: true }
