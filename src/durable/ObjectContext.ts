/**
 * The Durable Object that a room lives in: its storage and its id.
 *
 * Use it in the layer of a room that keeps data of its own: `storage.sql` is its SQLite database.
 */
import * as Context from "effect/Context"

export class ObjectContext extends Context.Service<ObjectContext, DurableObjectState>()(
  "effect-dormouse/durable/ObjectContext"
) {}
