/**
 * A room that ends when nobody has been there for a while.
 */
import * as Context from "effect/Context"

export class Lifetime extends Context.Service<Lifetime, {
  readonly _: never
}>()("effect-dormouse/services/Lifetime") {}
