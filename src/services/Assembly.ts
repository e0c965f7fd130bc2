/**
 * The services of one room, as they work together.
 *
 * Each service looks here for the others when it needs them. If the room's own layer provides one of them,
 * `RoomRuntime` puts it here when the layer is built, and all others use it from then on. The layers of what a room may
 * have beside its handlers, like `Deadlines`, find the room here by {@link Inside}.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Limits from "../domain/Limits.ts"
import type * as Problem from "../domain/Problem.ts"
import type * as Alarm from "./Alarm.ts"
import type * as Broadcaster from "./Broadcaster.ts"
import type * as Calls from "./Calls.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import type * as Deadlines from "./Deadlines.ts"
import type * as Handlers from "./Handlers.ts"
import type * as Lifecycle from "./Lifecycle.ts"
import type * as Outbox from "./Outbox.ts"
import type * as Protocol from "./Protocol.ts"
import type * as Room from "./Room.ts"
import type * as Sockets from "./Sockets.ts"
import type * as Storage from "./Storage.ts"

export interface Assembly {
  readonly room: Room.Any
  /** The room's own name, the one in its URL. */
  readonly name: string
  readonly storage: Storage.Storage["Service"]
  sockets: Sockets.Sockets["Service"]
  /** The runtime's alarm. */
  readonly port: Alarm.Alarm["Service"]
  /** The alarm that the room's layer sets: the runtime's own, unless `Deadlines` share it. */
  alarm: Alarm.Alarm["Service"]
  protocol: Protocol.Protocol["Service"]
  registry: ConnectionRegistry.ConnectionRegistry["Service"]
  outbox: Outbox.Outbox["Service"]
  broadcaster: Broadcaster.Broadcaster["Service"]
  lifecycle: Lifecycle.Lifecycle["Service"]
  /** Answers calls from outside. */
  calls: Calls.Calls
  /** What one client may do. */
  limits: Limits.ClientLimits
  /** What stands at the door, if the room's layer has one. */
  door: Door | undefined
  /** The tracer that the room's app brings. Without one there are no spans. */
  tracer: Tracer.Tracer | undefined
  /** The room's handlers; `undefined` until its layer is built. */
  handlers: Handlers.Handlers | undefined
  /** The room's deadlines, if its layer has them. */
  deadlines: Deadlines.Deadlines["Service"] | undefined
  keepers: ReadonlyArray<Keeper>
  /** Answers to built-in calls that the room's layer brings. */
  answers: Map<string, Calls.Answer>
  /** How many connects are under way, or wait for the room. */
  arriving: number
  /** How many calls of the room's own methods are under way. */
  asking: number
  /** Connections that have left, and whose `close` handler has not ended. */
  readonly leaving: Set<ConnectionId.ConnectionId>
  /** Runs an effect in the room's services, and in nothing that stands around whoever causes it. */
  readonly fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
  /**
   * Ends this life of the room by an effect, which is given the handlers: newcomers and calls wait for it. If it
   * succeeds, they find a room that starts anew. If it fails, the room goes on. It is not interrupted but where it is
   * `Effect.interruptible`: there, who comes after a minute gives it up.
   */
  readonly end: <A, E>(last: (handlers: Handlers.Handlers) => Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Releases what the room's layer holds. */
  readonly release: Effect.Effect<void>
}

/** What stands before a room: it lets clients in, and their messages. */
export interface Door {
  /** Lets a client in by `enter`, or refuses it. What the room's `connect` handler admits is shown to the door once more. */
  readonly connect: (
    request: Handlers.ConnectRequest,
    enter: (
      request: Handlers.ConnectRequest,
      admitted: (admission: ConnectionRegistry.Admission) => Effect.Effect<ConnectionRegistry.Admitted, Problem.Problem>
    ) => Effect.Effect<Lifecycle.Handshake, Problem.Problem>
  ) => Effect.Effect<Lifecycle.Handshake, Problem.Problem>
  /**
   * So many messages have come in one frame. Gives what judges them, if that is to be asked: a rejection if they are not
   * to be handled.
   */
  readonly messages: (
    socket: Sockets.Socket,
    frame: Protocol.Received,
    count: number
  ) => Effect.Effect<Protocol.Rejection | undefined> | undefined
  /** A frame has come, and may wait for its turn. A plain function. */
  readonly heard?: (socket: Sockets.Socket) => void
  /** A connection says something. Gives a rejection if it may not. */
  readonly silence: (connection: ConnectionRegistry.Connection) => Protocol.Rejection | undefined
  /** A frame is no message of the room. Gives what is to be done if the frame is meant for the door. */
  readonly other: (
    socket: Sockets.Socket,
    frame: Protocol.Received
  ) => Effect.Effect<Protocol.Rejection | undefined, unknown> | undefined
}

/** What hears of every connection, beside the room's handlers. */
export interface Keeper {
  /** A connection is about to enter. If this fails, it is refused. */
  readonly entering?: (connection: ConnectionRegistry.Connection) => Effect.Effect<unknown, unknown>
  /** The state of a connection has changed. */
  readonly changed?: (id: ConnectionId.ConnectionId, state: string | undefined) => Effect.Effect<unknown>
  /**
   * A connection has left the room, or was refused after all. Its socket is given if there is one, and its close if it is
   * the room's own.
   */
  readonly left?: (
    id: ConnectionId.ConnectionId,
    socket?: Sockets.Socket,
    close?: CloseCode.Close
  ) => Effect.Effect<unknown>
  /** The `close` handler of a connection has run. */
  readonly closed?: (id: ConnectionId.ConnectionId) => Effect.Effect<unknown>
  /** Runs when the room has started, before any event. */
  readonly started?: Effect.Effect<unknown>
  /** Whether there is something to be done before the room may end. */
  readonly isBusy?: () => boolean
  /** Does it now. */
  readonly finish?: Effect.Effect<unknown>
  /** The room ends: its storage is to be deleted. */
  readonly ending?: Effect.Effect<unknown, unknown>
}

/** Tells the keepers what happens. */
export const tell = <E>(
  { keepers }: Assembly,
  what: (keeper: Keeper) => Effect.Effect<unknown, E> | undefined
): Effect.Effect<void, E> =>
  keepers.length === 0 ? Effect.void : Effect.gen(function*() {
    for (const keeper of keepers) yield* what(keeper) ?? Effect.void
  })

/** Reaches the room from the layers that stand below its handlers. */
export class Inside extends Context.Service<Inside, Assembly>()("effect-dormouse/services/Assembly/Inside") {}
