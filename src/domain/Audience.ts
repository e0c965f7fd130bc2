/**
 * Who hears a broadcast: everybody in the room, all connections of a user, or all that carry a label.
 */
import * as Identity from "./Identity.ts"

export type Audience =
  | { readonly _tag: "All" }
  | { readonly _tag: "User"; readonly user: string }
  | { readonly _tag: "Label"; readonly label: string }

/** Everybody in the room. */
export const all: Audience = { _tag: "All" }

/** Every connection of one user. */
export const user = (user: string): Audience => ({ _tag: "User", user })

/** Every connection that carries a label. */
export const label = (label: string): Audience => ({ _tag: "Label", label })

/** The tag that the sockets of an audience share; `undefined` for everybody. */
export const toTag = (audience: Audience): string | undefined => {
  switch (audience._tag) {
    case "All":
      return undefined
    case "User":
      return Identity.userTag(audience.user)
    case "Label":
      return Identity.labelTag(audience.label)
  }
}
