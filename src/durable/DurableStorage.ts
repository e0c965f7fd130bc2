/**
 * The storage of a Durable Object: its SQLite database.
 */
import * as Effect from "effect/Effect"
import * as Storage from "../services/Storage.ts"

/** Makes the service from the object's state. */
export const make = ({ storage }: DurableObjectState): Storage.Storage["Service"] => ({
  exec: (statements, ...bindings) => storage.sql.exec<Record<string, Storage.Value>>(statements, ...bindings).toArray(),
  transaction: (body) => storage.transactionSync(body),
  // With an older compatibility date the alarm would stay.
  clear: Effect.promise(() => Promise.all([storage.deleteAlarm(), storage.deleteAll()]))
})
