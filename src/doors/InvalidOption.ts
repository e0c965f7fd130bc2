/**
 * An option of the doors that cannot be. The layer that was given it is not built.
 */
import * as Data from "effect/Data"

export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly option: string
  /** What is wrong with it. It repeats no secret. */
  readonly detail: string
}> {
  override get message() {
    return `The option ${this.option}: ${this.detail}`
  }
}
