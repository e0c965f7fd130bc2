/**
 * The name of a room, as it stands in a URL.
 */
import * as Schema from "effect/Schema"

/** 1–128 of the characters that RFC 3986 leaves unreserved: letters, digits, `.`, `_`, `~` and `-`. */
export const RoomName = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[A-Za-z0-9._~-]{1,128}$/u)),
  Schema.brand("RoomName")
)

export type RoomName = typeof RoomName.Type

/** Whether a value is a room's name. */
export const is: (value: unknown) => value is RoomName = Schema.is(RoomName)

/** Reads a name from one segment of a URL's path, percent-decoded; `undefined` if it is not a room's name. */
export const fromPathSegment = (segment: string): RoomName | undefined => {
  try {
    const name = decodeURIComponent(segment)
    return is(name) ? name : undefined
  } catch {
    // A lone `%` encodes nothing.
    return undefined
  }
}
