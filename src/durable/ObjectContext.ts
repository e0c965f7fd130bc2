/**
 * The Durable Object that a room lives in: its storage, its id and its environment.
 *
 * Use it in a room's layer where the room keeps data of its own or calls another binding.
 */
import * as Context from "effect/Context"

export class ObjectContext extends Context.Service<ObjectContext, {
  /** The object's state; `ctx.storage.sql` is its SQLite database. */
  readonly ctx: DurableObjectState
  /** The bindings, variables and secrets of the Worker. */
  readonly env: unknown
}>()("effect-dormouse/durable/ObjectContext") {}
