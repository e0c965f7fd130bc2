/**
 * The Durable Object that a room lives in: its storage and its id.
 *
 * Use it in a room's layer where the room keeps data of its own: `storage.sql` is its SQLite database.
 */
import * as Context from "effect/Context"

export class ObjectContext extends Context.Service<ObjectContext, DurableObjectState>()(
  "effect-dormouse/durable/ObjectContext"
) {}
