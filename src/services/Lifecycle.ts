/**
 * What happens when a client connects, speaks, closes or breaks off, and when the alarm fires.
 *
 * A runtime's adapter passes each event on and decides nothing. Here the socket becomes a connection, the frame a
 * message, and the room's handler runs. No event fails: what a handler gets wrong is logged once, with the connection
 * and the event, and closes nothing.
 *
 * The handlers of one connection run one after the other, also while one of them waits, unless the room wants no order;
 * those of two may overlap.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Problem from "../domain/Problem.ts"
import * as Broadcaster from "./Broadcaster.ts"
import * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as Outbox from "./Outbox.ts"
import * as Protocol from "./Protocol.ts"
import type * as Sockets from "./Sockets.ts"

/** The request that asks for a connection. A web-standard `Request` is one. */
export interface ConnectRequest {
  readonly method: string
  readonly url: string
  readonly headers: { readonly get: (name: string) => string | null }
}

/** A room's handlers as the lifecycle runs them. `Room.toLayer` makes them of the typed ones. */
export interface Handlers {
  readonly connect: (request: ConnectRequest) => Effect.Effect<ConnectionRegistry.Admission, unknown>
  readonly open: (connection: ConnectionRegistry.Connection) => Effect.Effect<void, unknown>
  readonly message: (connection: ConnectionRegistry.Connection, message: unknown) => Effect.Effect<void, unknown>
  readonly close: (
    connection: ConnectionRegistry.Connection,
    close: CloseCode.Close
  ) => Effect.Effect<void, unknown>
  readonly alarm: Effect.Effect<void, unknown>
}

/**
 * Whether the messages of one connection wait for each other: `connection` runs its handlers one after the other,
 * `none` starts each as it arrives.
 */
export type Order = "connection" | "none"

/** What the handshake answers. */
export interface Handshake {
  /** The WebSocket subprotocol, where the client offered one that the room knows. */
  readonly subprotocol?: string
}

export class Lifecycle extends Context.Service<Lifecycle, {
  /** Gives the room its handlers. Until then new connections are refused with 503. */
  readonly install: (handlers: Handlers) => Effect.Effect<void>
  /**
   * Lets a client in, on the server's end of a new socket. When it succeeds, the runtime holds the socket and the
   * handshake is to be completed; when it fails, the client is answered with the problem and nothing is left behind.
   */
  readonly connect: (
    request: ConnectRequest,
    socket: Sockets.Socket
  ) => Effect.Effect<Handshake, Problem.Problem>
  /** A frame has arrived. */
  readonly message: (socket: Sockets.Socket, frame: Protocol.Received) => Effect.Effect<void>
  /** A close frame has arrived, or the connection broke off. Answers the close handshake. */
  readonly close: (socket: Sockets.Socket, close: CloseCode.Close) => Effect.Effect<void>
  /** The runtime gave a socket up. No close follows. */
  readonly error: (socket: Sockets.Socket, error: unknown) => Effect.Effect<void>
  /** The alarm has fired. */
  readonly alarm: Effect.Effect<void>
  /** Closes a connection from our side. It leaves the room, and its close handler runs, before the peer has answered. */
  readonly disconnect: (
    id: ConnectionId.ConnectionId,
    code: number,
    reason: string
  ) => Effect.Effect<void, LifecycleError | ConnectionRegistry.ConnectionRegistryError>
}>()("effect-dormouse/services/Lifecycle") {
  /** The lifecycle of a room that waits for its handlers. */
  static readonly layer = (order: Order): Layer.Layer<
    Lifecycle,
    never,
    | Broadcaster.Broadcaster
    | ConnectionRegistry.ConnectionRegistry
    | Outbox.Outbox
    | Protocol.Protocol
  > => Layer.effect(Lifecycle, make(order))
}

/** Makes the service; its layer does the same. */
export const make = Effect.fnUntraced(function*(order: Order) {
  const broadcaster = yield* Broadcaster.Broadcaster
  const registry = yield* ConnectionRegistry.ConnectionRegistry
  const outbox = yield* Outbox.Outbox
  const protocol = yield* Protocol.Protocol
  const runFork = Effect.runForkWith(yield* Effect.context())
  const inOrder = makeInOrder()

  let handlers: Handlers | undefined

  const leave = (socket: Sockets.Socket, close: CloseCode.Close): Effect.Effect<void> =>
    Effect.gen(function*() {
      const connection = yield* registry.connection(socket)
      if (handlers !== undefined) yield* handlers.close(connection, close)
    }).pipe(Effect.catchCause((cause) => report(registry, socket, "close", cause)))

  // The room forgets the socket at once; the handler waits for those that still run for it.
  const depart = Effect.fnUntraced(function*(socket: Sockets.Socket, close: CloseCode.Close) {
    yield* registry.identify(socket)
    if (!(yield* registry.forget(socket))) return
    outbox.left()
    yield* inOrder(socket, () => leave(socket, close))
  })

  const complain = (socket: Sockets.Socket, rejection: Protocol.Rejection): Effect.Effect<void> =>
    Effect.gen(function*() {
      const complaint = protocol.complain(rejection)
      const { id } = yield* registry.identify(socket)
      switch (complaint._tag) {
        case "Frame":
          return yield* broadcaster.send(id, complaint.frame)
        case "Close":
          return yield* disconnect(id, complaint.code, complaint.reason)
        case "Nothing":
          return
      }
    }).pipe(Effect.ignore)

  const handle = (socket: Sockets.Socket, frame: Protocol.Received): Effect.Effect<void> =>
    typeof frame === "string" && registry.isSpeaking(socket, Protocol.ndjson)
      ? Effect.forEach(Protocol.lines(frame), (line) => handleOne(socket, line), { discard: true })
      : handleOne(socket, frame)

  const handleOne = (socket: Sockets.Socket, frame: Protocol.Received): Effect.Effect<void> => {
    const decoded = protocol.decode(frame)
    if (Result.isFailure(decoded)) return complain(socket, decoded.failure)
    const run = (connection: ConnectionRegistry.Connection) =>
      handlers === undefined ? Effect.fail(notReady) : handlers.message(connection, decoded.success)
    const known = registry.known(socket)
    return Effect.catchCause(
      known === undefined ? Effect.flatMap(registry.connection(socket), run) : Effect.suspend(() => run(known)),
      (cause) => Effect.andThen(report(registry, socket, "message", cause), complain(socket, internal))
    )
  }

  const disconnect = Effect.fnUntraced(function*(id: ConnectionId.ConnectionId, code: number, reason: string) {
    if (!CloseCode.isSendable(code) || !CloseCode.isReason(reason)) {
      return yield* new LifecycleError({ reason: new InvalidClose({ code, reason }) })
    }
    const socket = yield* registry.find(id)
    yield* broadcaster.orHold(
      Effect.suspend(() => {
        const departure = Effect.forkDetach(
          Effect.ignore(depart(socket, { code, reason, wasClean: true })),
          // A handler may close its own connection, whose close handler waits for it.
          { startImmediately: true }
        )
        outbox.flush()
        socket.close(code, reason)
        return departure
      }),
      undefined
    )
  })

  outbox.onSlow((socket) => {
    const { code, meaning } = CloseCode.table.slow
    runFork(Effect.ignore(Effect.flatMap(registry.identify(socket), ({ id }) => disconnect(id, code, meaning))))
  })

  return Lifecycle.of({
    install: (installed) =>
      Effect.sync(() => {
        handlers = installed
      }),
    connect: Effect.fnUntraced(function*(request, socket) {
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return yield* upgradeRequired
      if (handlers === undefined) return yield* notReady
      const admission = yield* handlers.connect(request).pipe(
        Effect.catchCause((cause) => refuse("connect", cause))
      )
      const offered = request.headers.get("sec-websocket-protocol")?.split(",") ?? []
      const { protocol: name, ...handshake } = protocol.negotiate(offered.map((subprotocol) => subprotocol.trim()))
      const connection = yield* registry.admit(socket, name, admission).pipe(
        Effect.catchCause((cause) => refuse("connect", cause))
      )
      const release = yield* broadcaster.hold(connection.id, handlers.open(connection)).pipe(
        Effect.tap(registry.enter(connection.id)),
        Effect.catchCause((cause) =>
          Effect.andThen(registry.abandon(connection.id), refuse("open", cause, connection.id))
        )
      )
      outbox.entered(socket)
      yield* release
      return handshake
    }),
    message: (socket, frame) =>
      // What a peer says before it has seen our close comes too late.
      Effect.suspend(() => {
        if (registry.isForgotten(socket)) return Effect.void
        return order === "none" ? handle(socket, frame) : inOrder(socket, () => handle(socket, frame))
      }),
    close: (socket, close) =>
      Effect.suspend(() => {
        const received = CloseCode.received(close)
        if (received.wasClean) socket.close(...CloseCode.answer(received))
        return depart(socket, received)
      }).pipe(Effect.catchCause((cause) => report(registry, socket, "close", cause))),
    error: (socket, error) =>
      Effect.catchCause(
        depart(socket, CloseCode.fromError(error)),
        (cause) => report(registry, socket, "error", cause)
      ),
    alarm: Effect.suspend(() => handlers === undefined ? Effect.fail(notReady) : handlers.alarm).pipe(
      Effect.catchCause((cause) =>
        Effect.logError("The room's handler failed", cause).pipe(
          Effect.annotateLogs({ event: "alarm" })
        )
      )
    ),
    disconnect
  })
})

const upgradeRequired = Problem.make(426, "This is a WebSocket: ask for it with `Upgrade: websocket`.", {
  upgrade: "websocket",
  connection: "Upgrade"
})

const notReady = Problem.make(503, "The room could not be started.", { "retry-after": "5" })

const internal = new Protocol.Rejection({ code: "Internal", message: "The room failed to handle this message." })

// A refusal is the handler's answer; anything else is its failure, which the client learns nothing about.
const refuse = (event: string, cause: Cause.Cause<unknown>, connection?: ConnectionId.ConnectionId) => {
  const refusal = Cause.findErrorOption(cause)
  return refusal._tag === "Some" && refusal.value instanceof Problem.Problem
    ? Effect.fail(refusal.value)
    : Effect.andThen(log(event, cause, connection), Effect.fail(Problem.make(500, "The room failed to let you in.")))
}

const report = (
  registry: ConnectionRegistry.ConnectionRegistry["Service"],
  socket: Sockets.Socket,
  event: string,
  cause: Cause.Cause<unknown>
): Effect.Effect<void> =>
  Effect.matchEffect(registry.identify(socket), {
    onFailure: () => log(event, cause),
    onSuccess: ({ id }) => log(event, cause, id)
  })

const log = (event: string, cause: Cause.Cause<unknown>, connection?: ConnectionId.ConnectionId): Effect.Effect<void> =>
  Effect.logError("The room's handler failed", cause).pipe(
    Effect.annotateLogs(connection === undefined ? { event } : { event, connection })
  )

/**
 * Runs the effects of one socket in the order in which they came, each when the one before it has ended. The effects
 * must not fail. Memory is enough: while one of them runs, the object does not sleep.
 */
const makeInOrder = () => {
  const waiting = new Map<Sockets.Socket, Array<Effect.Effect<void>>>()

  // Runs what has come in meanwhile.
  const drain = (socket: Sockets.Socket): Effect.Effect<void> => {
    const queue = waiting.get(socket)
    const next = queue?.shift()
    if (next !== undefined) return Effect.flatMap(next, () => drain(socket))
    waiting.delete(socket)
    return Effect.void
  }

  return (socket: Sockets.Socket, effect: () => Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const queue = waiting.get(socket)
      if (queue === undefined) {
        waiting.set(socket, [])
        return Effect.flatMap(effect(), () => drain(socket))
      }
      return Effect.callback((resume) => {
        queue.push(Effect.andThen(Effect.suspend(effect), Effect.sync(() => resume(Effect.void))))
      })
    })
}

/** The code or the reason does not fit in a close frame. */
export class InvalidClose extends Data.TaggedError("InvalidClose")<{
  readonly code: number
  readonly reason: string
}> {
  override get message() {
    return `A connection cannot be closed with the code ${this.code} and a reason of ${this.reason.length} characters`
  }
}

/** What went wrong in the lifecycle. */
export class LifecycleError extends Data.TaggedError("LifecycleError")<{
  readonly reason: InvalidClose
}> {
  override get message() {
    return this.reason.message
  }
}
