/**
 * The services of one room, as they work together.
 *
 * Each service looks here for the others when it needs them. If the room's own layer provides one of them,
 * `RoomRuntime` puts it here when the layer is built, and all others use it from then on.
 */
import type * as Tracer from "effect/Tracer"
import type * as Broadcaster from "./Broadcaster.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import type * as Handlers from "./Handlers.ts"
import type * as Lifecycle from "./Lifecycle.ts"
import type * as Outbox from "./Outbox.ts"
import type * as Protocol from "./Protocol.ts"
import type * as Sockets from "./Sockets.ts"

export interface Assembly {
  /** The room's own name, the one in its URL. */
  readonly name: string
  sockets: Sockets.Sockets["Service"]
  protocol: Protocol.Protocol["Service"]
  registry: ConnectionRegistry.ConnectionRegistry["Service"]
  outbox: Outbox.Outbox["Service"]
  broadcaster: Broadcaster.Broadcaster["Service"]
  lifecycle: Lifecycle.Lifecycle["Service"]
  /** The tracer that the room's app brings. Without one there are no spans. */
  tracer: Tracer.Tracer | undefined
  /** The room's handlers; `undefined` until its layer is built. */
  handlers: Handlers.Handlers | undefined
}
