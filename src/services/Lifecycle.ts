/**
 * What happens when a client connects, speaks, closes or breaks off, and when the alarm fires.
 *
 * A runtime's adapter passes each event on and decides nothing. Here the socket becomes a connection, the frame becomes
 * a message, and the room's handler runs. A failure of a handler is logged once, with the connection and the event. It
 * closes no connection.
 *
 * The handlers of one connection run one after the other, also while one of them waits, unless the room wants no order.
 * Handlers of two connections may overlap.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Limits from "../domain/Limits.ts"
import * as Problem from "../domain/Problem.ts"
import * as RoomError from "../domain/RoomError.ts"
import { type Assembly, tell } from "./Assembly.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import type * as Handlers from "./Handlers.ts"
import * as Mailbox from "./Mailbox.ts"
import * as Protocol from "./Protocol.ts"
import type * as Sockets from "./Sockets.ts"
import * as Spans from "./Spans.ts"
import * as Storage from "./Storage.ts"

/** The bounds of what one connection may send, and of what may wait for its handler. */
export interface Options extends Mailbox.Options {
  /** Lines of an `ndjson` frame. 256 unless given. */
  readonly frameLines: number
}

/**
 * Whether the messages of one connection wait for each other: `connection` runs its handlers one after the other,
 * `none` starts each as it arrives.
 */
export type Order = "connection" | "none"

/** What the handshake answers. */
export interface Handshake {
  /** The WebSocket subprotocol, if the client offered one that the room knows. */
  readonly subprotocol?: string
}

/** How a connection is closed from our side. */
export interface CloseOptions {
  /** 1000 unless given. */
  readonly code?: number | undefined
  /** At most 123 UTF-8 bytes. Empty unless given. */
  readonly reason?: string | undefined
}

export class Lifecycle extends Context.Service<Lifecycle, {
  /**
   * Lets a client in, on the server's end of a new socket. If it succeeds, the runtime holds the socket, and the
   * adapter completes the handshake. If it fails, the problem is the client's answer, and no trace of the socket is
   * left.
   */
  readonly connect: (
    request: Handlers.ConnectRequest,
    socket: Sockets.Socket
  ) => Effect.Effect<Handshake, Problem.Problem>
  /** A frame has arrived. Never fails. */
  readonly message: (socket: Sockets.Socket, frame: Protocol.Received) => Effect.Effect<unknown>
  /** A close frame has arrived, or the connection broke off. Answers the close handshake. Never fails. */
  readonly close: (socket: Sockets.Socket, close: CloseCode.Close) => Effect.Effect<void>
  /** The runtime gave a socket up. No close follows. Never fails. */
  readonly error: (socket: Sockets.Socket, error: unknown) => Effect.Effect<void>
  /** The alarm has fired. Logs what the handler failed with, and fails with it: the runtime repeats the alarm. */
  readonly alarm: Effect.Effect<void, unknown>
  /**
   * Closes a connection from our side. It leaves the room, and its close handler runs, before the peer has answered.
   */
  readonly disconnect: (
    id: ConnectionId.ConnectionId,
    options?: CloseOptions
  ) => Effect.Effect<void, RoomError.RoomError>
}>()("effect-dormouse/services/Lifecycle") {}

/**
 * The start of a room, for events that come before it has handlers.
 *
 * @internal
 */
export interface Start {
  /** Seconds until another start may be tried. */
  readonly retryAfter: Effect.Effect<number>
  /** Runs an event when a start that is under way has ended, or after one more try, whether it succeeded or not. */
  readonly whenReady: <A, E>(event: () => Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Runs an event once a start has succeeded. */
  readonly onceStarted: (event: Effect.Effect<void>) => void
  /** Runs an effect in the room's services, and in nothing that stands around whoever causes it. */
  readonly fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

/**
 * Makes the lifecycle of a room.
 *
 * @internal
 */
export const make = (
  assembly: Assembly,
  order: Order,
  { frameLines = 256, ...options }: Partial<Options>,
  start: Start
): Lifecycle["Service"] => {
  // Without an order, as many may run as would wait.
  const mailbox = Mailbox.make<Sockets.Socket>(options, order === "none" ? options.mailboxMessages ?? 256 : 1)
  // Sockets that we closed, until they have left. Messages that they sent before are dropped.
  const expelled = new WeakMap<Sockets.Socket, Fiber.Fiber<void>>()

  const report = (socket: Sockets.Socket, event: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
    Effect.flatMap(
      Effect.result(assembly.registry.identify(socket)),
      (identity) => log(event, cause, Result.isSuccess(identity) ? identity.success.id : undefined)
    )

  // In a span of its own, where somebody traces.
  const traced = <A, E>(
    name: string,
    event: () => Effect.Effect<A, E>,
    origin: () => Spans.Origin
  ): Effect.Effect<A, E> =>
    assembly.tracer === undefined ? event() : Spans.within(assembly.tracer, name, origin(), Effect.suspend(event))

  const originOf = (socket: Sockets.Socket, { id }: ConnectionRegistry.Connection): Spans.Origin => ({
    opened: assembly.registry.traceOf(socket),
    attributes: { room: assembly.name, connection: id }
  })

  // Runs an event at once if the room has handlers, and otherwise after a start, with or without them.
  const withHandlers = <A, E>(event: (handlers: Handlers.Handlers | undefined) => Effect.Effect<A, E>) =>
    assembly.handlers === undefined ? start.whenReady(() => event(assembly.handlers)) : event(assembly.handlers)

  const leave = (socket: Sockets.Socket, close: CloseCode.Close): Effect.Effect<void> =>
    Effect.suspend(() =>
      withHandlers((handlers): Effect.Effect<unknown, unknown> => {
        if (handlers === undefined) return postpone(socket, close)
        const connection = assembly.registry.connection(socket)
        const closing = Effect.suspend(() =>
          traced("Room.close", () => handlers.close(connection, close), () => originOf(socket, connection))
        ).pipe(Effect.catchCause((cause) => log("close", cause, connection.id)))
        // It may have interrupted its own fiber.
        return Effect.onExitPrimitive(closing, () => {
          assembly.leaving.delete(connection.id)
          return tell(assembly, ({ closed }) => closed?.(connection.id))
        })
      })
    ).pipe(Effect.catchCause((cause) => report(socket, "close", cause)), Effect.asVoid)

  // A socket that has gone leaves no trace in the runtime. So this is lost if the object goes before the room starts.
  const postpone = (socket: Sockets.Socket, close: CloseCode.Close) =>
    Effect.flatMap(assembly.registry.identify(socket), ({ id }) => {
      start.onceStarted(leave(socket, close))
      return annotated(Effect.logWarning("A close waits for the room to start"), "close", id)
    })

  // The room forgets the socket at once. The close handler waits for the handlers that still run for it.
  const depart = Effect.fnUntraced(function*(socket: Sockets.Socket, close: CloseCode.Close, isOurs = false) {
    const { id } = yield* assembly.registry.identify(socket)
    if (!(yield* assembly.registry.forget(socket))) return
    assembly.leaving.add(id)
    yield* tell(assembly, ({ left }) => left?.(id, socket, isOurs ? close : undefined))
    yield* mailbox.last(socket, () => leave(socket, close))
  })

  // Closes a socket of the room. A handler may close its own connection; the close handler then waits for it. A
  // transaction that fails takes none of it back: it waits for the end of one.
  const expel = (socket: Sockets.Socket, code: number, reason: string) =>
    Storage.afterwards(() => {
      if (expelled.has(socket)) return
      assembly.outbox.close(socket, code, reason)
      const departure = depart(socket, { code, reason, wasClean: true }, true)
      expelled.set(socket, start.fork(Effect.catchCause(departure, (cause) => report(socket, "close", cause))))
    })

  const complain = (socket: Sockets.Socket, rejection: Protocol.Rejection): Effect.Effect<unknown> =>
    Effect.flatMap(assembly.registry.identify(socket), ({ id }) => {
      const complaint = assembly.protocol.complain(rejection)
      switch (complaint._tag) {
        case "Frame":
          return assembly.broadcaster.send(id, complaint.frame)
        case "Close":
          return assembly.lifecycle.disconnect(id, complaint)
        case "Nothing":
          return Effect.void
      }
      // A connection that has left needs no answer.
    }).pipe(Effect.result)

  const malformed = (socket: Sockets.Socket, frame: Protocol.Received, rejection: Protocol.Rejection) =>
    Effect.suspend(() =>
      assembly.registry.strike(socket) < assembly.limits.malformedFrames
        ? turnDown(socket, frame, rejection)
        : Effect.andThen(
          turnDown(socket, frame, rejection),
          letGo(assembly, socket, CloseCode.malformed, "Too many frames in a row are no messages.")
        )
    )

  const failed = (
    socket: Sockets.Socket,
    frame: Protocol.Received,
    cause: Cause.Cause<unknown>
  ): Effect.Effect<void> => {
    const refusal = refusalOf(cause)
    return refusal === undefined
      ? Effect.andThen(report(socket, "message", cause), complain(socket, about(frame, internal)))
      : complain(socket, about(frame, refusal))
  }

  const refusalOf = (cause: Cause.Cause<unknown>): Protocol.Rejection | undefined => {
    const failure = Cause.findErrorOption(cause)
    try {
      return failure._tag === "Some" ? assembly.protocol.refusal(failure.value) : undefined
    } catch {
      // The schema of the room's errors throws. The failure itself is told.
      return undefined
    }
  }

  // A schema that throws is a failure of the room, like a handler that fails.
  const receive = (
    socket: Sockets.Socket,
    frame: Protocol.Received,
    reject: (frame: Protocol.Received, rejection: Protocol.Rejection) => Effect.Effect<unknown>,
    isWhole: boolean
  ): Effect.Effect<unknown> =>
    Effect.catchCause(
      Effect.suspend((): Effect.Effect<unknown, unknown> => {
        const { door, handlers, limits, protocol, registry } = assembly
        const decoded = protocol.decode(frame, limits)
        if (Result.isFailure(decoded)) {
          const other = door?.other(socket, frame)
          return other === undefined
            ? reject(frame, decoded.failure)
            : unlessRefused(socket, [frame], other, Effect.void)
        }
        if (isWhole) registry.absolve(socket)
        if (handlers === undefined) return turnDown(socket, frame, notStarted)
        const connection = registry.connection(socket)
        const silence = door?.silence(connection)
        if (silence !== undefined) return turnDown(socket, frame, silence)
        const handled = traced(
          "Room.message",
          () => handlers.message(connection, decoded.success),
          () => originOf(socket, connection)
        )
        const id = idOf(frame)
        return id === undefined
          ? handled
          : Effect.flatMap(
            handled,
            () => Effect.result(assembly.broadcaster.send(connection.id, protocol.confirm!(id)))
          )
      }),
      (cause) => failed(socket, frame, cause)
    )

  const idOf = (frame: Protocol.Received) => assembly.protocol.idOf?.(frame)

  // Who waits for an answer of its own gets that.
  const turnDown = (
    socket: Sockets.Socket,
    frame: Protocol.Received,
    rejection: Protocol.Rejection
  ): Effect.Effect<unknown> => {
    const answer = typeof frame === "string" ? assembly.room.wire?.refuse(frame, rejection) : undefined
    return answer === undefined ? complain(socket, about(frame, rejection)) : Effect.result(
      Effect.flatMap(assembly.registry.identify(socket), ({ id }) => assembly.broadcaster.send(id, answer))
    )
  }

  const about = (frame: Protocol.Received, rejection: Protocol.Rejection) => ({ ...rejection, id: idOf(frame) })

  const handle = (socket: Sockets.Socket, frame: Protocol.Received): Effect.Effect<unknown> => {
    if (expelled.has(socket)) return Effect.void
    const { door } = assembly
    if (typeof frame === "string" && frame.includes("\n") && assembly.registry.isSpeaking(socket, Protocol.ndjson)) {
      const lines = Protocol.lines(frame, frameLines)
      return unlessRefused(
        socket,
        lines?.length ? lines : [frame],
        door?.messages(socket, frame, lines?.length || 1),
        lines === undefined ? malformed(socket, frame, tooManyLines(frameLines)) : handleLines(socket, lines)
      )
    }
    return unlessRefused(
      socket,
      [frame],
      door?.messages(socket, frame, 1),
      receive(socket, frame, (frame, rejection) => malformed(socket, frame, rejection), true)
    )
  }

  // What the door refuses is not even read. One answer is for the whole frame, and one for each message whose sender waits
  // for its own.
  const unlessRefused = <E>(
    socket: Sockets.Socket,
    messages: ReadonlyArray<Protocol.Received>,
    verdict: Effect.Effect<Protocol.Rejection | undefined, E> | undefined,
    handling: Effect.Effect<unknown>
  ): Effect.Effect<unknown, E> =>
    verdict === undefined ? handling : Effect.flatMap(verdict, (rejection): Effect.Effect<unknown> => {
      if (rejection === undefined) return handling
      const waiting = new Map(messages.map((message, at) => [assembly.room.wire ? at : idOf(message), message]))
      let answers: Effect.Effect<unknown> = Effect.void
      for (const message of waiting.values()) answers = Effect.andThen(answers, turnDown(socket, message, rejection))
      return answers
    })

  // A frame is answered once, even if many of its lines are wrong.
  const handleLines = Effect.fnUntraced(function*(socket: Sockets.Socket, lines: ReadonlyArray<string>) {
    let isMalformed = false
    const reject = (line: Protocol.Received, rejection: Protocol.Rejection) => {
      if (isMalformed) {
        return assembly.room.wire || idOf(line) !== undefined ? turnDown(socket, line, rejection) : Effect.void
      }
      isMalformed = true
      return malformed(socket, line, rejection)
    }
    const each = (line: string) =>
      Effect.suspend(() => expelled.has(socket) ? Effect.void : receive(socket, line, reject, false))
    if (order === "connection") { for (const line of lines) yield* each(line) }
    else for (const fiber of lines.map((line) => start.fork(each(line)))) yield* Fiber.await(fiber)
    if (!isMalformed && lines.length > 0) assembly.registry.absolve(socket)
  })

  const abandoned = (id: ConnectionId.ConnectionId) =>
    tell(assembly, ({ closed, left }) => Effect.andThen(left?.(id) ?? Effect.void, closed?.(id) ?? Effect.void))

  const notReady = Effect.flatMap(
    start.retryAfter,
    (seconds) => Problem.make(503, "The room could not be started.", { "retry-after": `${seconds}` })
  )

  const connect = (request: Handlers.ConnectRequest, socket: Sockets.Socket) => {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return upgradeRequired
    const { door } = assembly
    return door === undefined
      ? enter(socket, request)
      : door.connect(request, (request, admitted) => enter(socket, request, admitted))
  }

  const enter = Effect.fnUntraced(function*(
    socket: Sockets.Socket,
    request: Handlers.ConnectRequest,
    admitted: (
      admission: ConnectionRegistry.Admission
    ) => Effect.Effect<ConnectionRegistry.Admitted, Problem.Problem> = Effect.succeed
  ) {
    const { broadcaster, handlers, protocol, registry, tracer } = assembly
    if (handlers === undefined) return yield* notReady
    const offered = request.headers.get("sec-websocket-protocol")?.split(",") ?? []
    const { protocol: name, ...handshake } = protocol.negotiate(offered.map((subprotocol) => subprotocol.trim()))
    const trace = tracer === undefined ? undefined : yield* Spans.current
    const connection = yield* Effect.suspend(() => handlers.connect(request)).pipe(
      Effect.flatMap(admitted),
      Effect.flatMap((admission) => registry.admit(socket, name, admission, trace)),
      Effect.catchCause((cause) => refuse("connect", cause))
    )
    const { id } = connection
    yield* broadcaster.hold(id, Effect.suspend(() => handlers.open(connection))).pipe(
      // What was held leaves after the connection has entered.
      Effect.tap(tell(assembly, ({ entering }) => entering?.(connection))),
      Effect.flatMap((release) => Effect.andThen(registry.enter(id), release)),
      (entering) =>
        Effect.onExitPrimitive(
          entering,
          ({ _tag }) => _tag === "Failure" ? Effect.andThen(registry.abandon(id), abandoned(id)) : undefined
        ),
      Effect.catchCause((cause) => refuse("open", cause, id))
    )
    return handshake
  })

  return Lifecycle.of({
    connect: (request, socket) =>
      Effect.suspend(() =>
        traced("Room.connect", () => connect(request, socket), () => ({
          caller: request.headers.get("traceparent"),
          attributes: { room: assembly.name }
        }))
      ),
    message: (socket, frame) =>
      Effect.suspend(() => {
        assembly.outbox.relieve()
        // What a peer sends before it has seen our close is dropped.
        if (assembly.registry.isForgotten(socket)) return Effect.void
        assembly.door?.heard?.(socket)
        const { messageBytes } = assembly.limits
        const bytes = typeof frame === "string" ? frame.length : frame.byteLength
        const isWithin = typeof frame === "string" ? Limits.isWithin(frame, messageBytes) : bytes <= messageBytes
        const taken = isWithin
          ? mailbox.take(socket, bytes, () => withHandlers(() => handle(socket, frame))) ??
            letGo(assembly, socket, CloseCode.overrun, "Too many messages wait.")
          : letGo(assembly, socket, CloseCode.messageTooBig, `A frame has at most ${messageBytes} bytes.`)
        // If the connection was closed meanwhile, the event ends after it has left.
        return Effect.flatMap(
          taken,
          (): Effect.Effect<unknown> => {
            const departure = expelled.get(socket)
            return departure === undefined ? Effect.void : Fiber.await(departure)
          }
        )
      }),
    close: (socket, close) =>
      Effect.suspend(() => {
        const received = CloseCode.received(close)
        if (received.wasClean) socket.close(...CloseCode.answer(received))
        return depart(socket, received)
      }).pipe(Effect.catchCause((cause) => report(socket, "close", cause))),
    error: (socket, error) =>
      Effect.catchCause(
        Effect.suspend(() => depart(socket, CloseCode.fromError(error))),
        (cause) => report(socket, "error", cause)
      ),
    alarm: Effect.suspend(() => {
      const { handlers } = assembly
      return handlers === undefined
        ? notReady
        : traced(
          "Room.alarm",
          () => assembly.deadlines?.fire ?? Effect.asVoid(handlers.alarm),
          () => ({ attributes: { room: assembly.name } })
        )
    }).pipe((alarm) =>
      Effect.onExitPrimitive(alarm, (exit) => exit._tag === "Failure" ? log("alarm", exit.cause) : undefined)
    ),
    disconnect: (id, { code = 1000, reason = "" } = {}) =>
      Effect.suspend(() => {
        if (!CloseCode.isSendable(code) || !CloseCode.isReason(reason)) {
          return Effect.fail(RoomError.make(new RoomError.InvalidClose({ code, reason })))
        }
        return Effect.flatMap(
          assembly.registry.find(id),
          (socket) => assembly.broadcaster.orHold(expel(socket, code, reason), undefined, "last")
        )
      })
  })
}

/**
 * Closes a socket that does what it may not. One that has left already stays as it is.
 *
 * @internal
 */
export const letGo = (
  assembly: Assembly,
  socket: Sockets.Socket,
  code: number,
  reason: string
): Effect.Effect<unknown> =>
  Effect.flatMap(
    assembly.registry.identify(socket),
    ({ id }) => assembly.lifecycle.disconnect(id, { code, reason })
  ).pipe(Effect.result)

const upgradeRequired = Problem.make(426, "This is a WebSocket: ask for it with `Upgrade: websocket`.", {
  upgrade: "websocket",
  connection: "Upgrade"
})

const internal: Protocol.Rejection = { code: "Internal", message: "The room failed to handle this message." }

const notStarted: Protocol.Rejection = { code: "NotReady", message: "The room could not be started." }

const tooManyLines = (limit: number): Protocol.Rejection => ({
  code: "InvalidMessage",
  message: `A frame has at most ${limit} lines.`
})

// A `Problem` is the handler's answer. Any other failure is logged, and the client learns nothing about it.
const refuse = (event: string, cause: Cause.Cause<unknown>, connection?: ConnectionId.ConnectionId) => {
  const refusal = Cause.findErrorOption(cause)
  return refusal._tag === "Some" && refusal.value instanceof Problem.Problem
    ? Effect.fail(refusal.value)
    : Effect.andThen(log(event, cause, connection), Effect.fail(Problem.make(500, "The room failed to let you in.")))
}

const log = (event: string, cause: Cause.Cause<unknown>, connection?: ConnectionId.ConnectionId) =>
  annotated(Effect.logError("The room's handler failed", cause), event, connection)

const annotated = (logging: Effect.Effect<void>, event: string, connection?: ConnectionId.ConnectionId) =>
  Effect.annotateLogs(logging, connection === undefined ? { event } : { event, connection })
