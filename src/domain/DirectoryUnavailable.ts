/**
 * The directory of the rooms did not answer.
 */
import * as Schema from "effect/Schema"

/** No answer came from the directory. Where a fresh try could help, that failed too. */
export class DirectoryUnavailable extends Schema.TaggedError<DirectoryUnavailable>()("DirectoryUnavailable", {
  cause: Schema.Defect()
}) {
  override get message() {
    return "No answer came from the directory of the rooms"
  }
}
