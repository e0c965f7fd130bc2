/**
 * Which rooms are occupied.
 */
import * as Context from "effect/Context"

export class Directory extends Context.Service<Directory, {
  readonly _: never
}>()("effect-dormouse/services/Directory") {}
