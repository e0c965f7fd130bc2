/**
 * The Worker that the contract is checked on, inside the real runtime.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ObjectContext from "../../src/durable/ObjectContext.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import { Probe, ProbeLive } from "../contract/Probe.ts"

export class ProbeRoom extends RoomObject.make(Probe, ProbeLive) {}

// Starts once, and is broken ever after.
const FailsLater = Layer.unwrap(Effect.gen(function*() {
  const ctx = yield* ObjectContext.ObjectContext
  if (ctx.storage.kv.get("started") === true) return Layer.effectDiscard(Effect.fail("the database is gone"))
  ctx.storage.kv.put("started", true)
  return ProbeLive
}))

export class BrokenRoom extends RoomObject.make(Probe, FailsLater) {}

export interface Env {
  readonly PROBE: DurableObjectNamespace
  readonly BROKEN: DurableObjectNamespace
}

export default { fetch: () => new Response(null, { status: 404 }) } satisfies ExportedHandler<Env>
