/**
 * The calls of a room's clients: a room as an `RpcServer.Protocol`, and how long a call holds its object awake.
 *
 * The event of a request ends when its handler has ended and its answer has left. Until then the runtime keeps the
 * object. So an object that goes away with a call in flight loses its sockets too, and the client knows at once.
 * Everything in here belongs to calls in flight, and during those the object never sleeps.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Room from "../services/Room.ts"
import * as RpcFrames from "./RpcFrames.ts"

/** Tells when a handler has ended. It must be the outermost middleware of everything that the server answers. */
export class Handling extends RpcMiddleware.Service<Handling>()("effect-dormouse/rpc/RpcCalls/Handling") {}

/** Sends to a connection, if it is still there. */
export type Send = (to: ConnectionId.ConnectionId, message: RpcMessage.FromServerEncoded) => Effect.Effect<void>

/** The calls of one object. */
export interface RpcCalls {
  /** What `RpcServer.make` serves. */
  readonly services: Context.Context<RpcServer.Protocol | Handling>
  /** Hands a request to the server. Ends when its handler has ended, and its answer has left. */
  readonly request: (from: ConnectionId.ConnectionId, request: RpcFrames.Request) => Effect.Effect<void>
  /** Hands on a message about a request in flight. Any other comes too late, and is dropped. */
  readonly about: (
    from: ConnectionId.ConnectionId,
    message: RpcMessage.AckEncoded | RpcMessage.InterruptEncoded
  ) => Effect.Effect<void>
  /** Whether a request of a connection is in flight, and its client waits for an answer. A plain function. */
  readonly isWaiting: (connection: ConnectionId.ConnectionId, request: RpcFrames.RequestId) => boolean
  /** Whether a request of a connection is in flight. A plain function. */
  readonly isInFlight: (connection: ConnectionId.ConnectionId, request: RpcFrames.RequestId) => boolean
  /** The connection behind a client of the server; `undefined` once it has left. A plain function. */
  readonly connectionOf: (client: Rpc.ServerClient) => ConnectionId.ConnectionId | undefined
  /** A connection has left: its calls are interrupted. */
  readonly left: (connection: ConnectionId.ConnectionId) => Effect.Effect<void>
}

interface Call {
  readonly tag: string
  /** Nobody waits for the result: it is a notification, or a call that is answered when it begins. */
  readonly isSilent: boolean
  /** The server has found the handler. */
  isHandled: boolean
  isRunning: boolean
  /** Nothing more will be sent for it. A call that is answered when it begins still runs then. */
  isSettled: boolean
  /** The log has what went wrong. */
  isReported: boolean
  ended: (() => void) | undefined
}

interface Client {
  /** The server's name for it. A number, so another one after each wake. */
  readonly number: number
  readonly connection: ConnectionId.ConnectionId
  /** By their ids. A notification has no id, and is its own key. */
  readonly calls: Map<RpcFrames.RequestId | RpcFrames.Request, Call>
}

/** Makes the calls of an object. A connection has at most `limit` of them in flight. */
export const make = Effect.fnUntraced(function*(send: Send, limit: number): Effect.fn.Return<RpcCalls> {
  const clients = new Map<ConnectionId.ConnectionId, Client>()
  const byNumber = new Map<number, Client>()
  const disconnects = yield* Queue.unbounded<number>()
  // The server calls the middleware on the fiber that brings the request.
  const bringing = new WeakMap<Fiber.Fiber<unknown, unknown>, Call>()
  let numbers = 0

  const clientOf = (connection: ConnectionId.ConnectionId): Client => {
    const known = clients.get(connection)
    if (known !== undefined) return known
    const client: Client = { number: numbers++, connection, calls: new Map() }
    clients.set(connection, client)
    byNumber.set(client.number, client)
    return client
  }

  const end = (call: Call) => {
    if (call.isRunning || !call.isSettled) return
    call.ended?.()
  }

  const settle = (call: Call) => {
    call.isSettled = true
    end(call)
  }

  const report = (call: Call, connection: ConnectionId.ConnectionId | undefined, cause: unknown) =>
    Effect.suspend(() => {
      if (call.isReported) return Effect.void
      call.isReported = true
      return Effect.logError("The room's handler failed", cause).pipe(
        Effect.annotateLogs({ event: "request", method: call.tag, connection })
      )
    })

  const handling = Handling.of((handler, { client }) => {
    const fiber = Fiber.getCurrent()
    const call = fiber && bringing.get(fiber)
    if (call === undefined) return handler
    call.isHandled = true
    const connection = byNumber.get(client.id)?.connection
    return Effect.suspend(() => {
      call.isRunning = true
      return Effect.onExit(handler, (exit) => {
        call.isRunning = false
        if (call.isSilent) call.isSettled = true
        end(call)
        return exit._tag === "Failure" && Cause.hasDies(exit.cause) ? report(call, connection, exit.cause) : Effect.void
      })
    })
  })

  let write: (client: number, message: RpcMessage.FromClientEncoded) => Effect.Effect<void>
  const protocol = yield* RpcServer.Protocol.make((written) => {
    write = written
    return Effect.succeed({
      disconnects,
      send: (number, response) => {
        const client = byNumber.get(number)
        if (client === undefined) return Effect.void
        return response._tag === "Exit" ? answer(client, response) : send(client.connection, response)
      },
      end: () => Effect.void,
      clientIds: Effect.sync(() => new Set(byNumber.keys())),
      initialMessage: Effect.succeedNone,
      supportsAck: true,
      supportsTransferables: false,
      supportsSpanPropagation: true,
      supportsNotifications: true,
      codecFor: RpcSerialization.json.codecFor
    })
  })

  const answer = (client: Client, response: RpcMessage.ResponseExitEncoded) =>
    Effect.flatMap(send(client.connection, response), () => {
      const { exit, requestId } = response
      const call = client.calls.get(requestId)
      if (call === undefined) return Effect.void
      settle(call)
      // A handler that died is reported by now. Anything else is a result that its schema refused.
      const died = exit._tag === "Failure" && call.isHandled && exit.cause.find(({ _tag }) => _tag === "Die")
      return died ? report(call, client.connection, died) : Effect.void
    })

  // A client with too many calls in flight is told at once. A notification has no answer.
  const refuse = (connection: ConnectionId.ConnectionId, { id, isNotification }: RpcFrames.Request) =>
    isNotification
      ? Effect.void
      : send(connection, { _tag: "Exit", requestId: id, exit: tooManyCalls } as RpcMessage.ResponseExitEncoded)

  const wait = (client: Client, key: RpcFrames.RequestId | RpcFrames.Request, call: Call) =>
    Effect.suspend(() => {
      // If the server refused the request, no handler has run.
      if (!call.isHandled) call.isSettled = true
      const forget = () => client.calls.delete(key)
      if (call.isSettled && !call.isRunning) {
        forget()
        return Effect.void
      }
      return Effect.callback<void>((resume) => {
        call.ended = () => {
          call.ended = undefined
          forget()
          resume(Effect.void)
        }
      })
    })

  return {
    services: Context.make(RpcServer.Protocol, protocol).pipe(Context.add(Handling, handling)),
    request: (connection, request) =>
      Effect.withFiber((fiber) => {
        const client = clientOf(connection)
        if (client.calls.size >= limit) return refuse(connection, request)
        const key = request.isNotification ? request : request.id
        const call: Call = {
          tag: request.tag,
          isSilent: request.isNotification === true || request.discard === true,
          isHandled: false,
          isRunning: false,
          isSettled: false,
          isReported: false,
          ended: undefined
        }
        client.calls.set(key, call)
        bringing.set(fiber, call)
        // The server fills in what it decodes, and a frame is read once.
        return Effect.andThen(Effect.exit(write(client.number, { ...request })), wait(client, key, call))
      }),
    about: (connection, message) =>
      Effect.suspend(() => {
        const client = clients.get(connection)
        return client?.calls.has(message.requestId)
          ? write(client.number, message)
          : Effect.void
      }),
    isWaiting: (connection, request) => clients.get(connection)?.calls.get(request)?.isSilent === false,
    isInFlight: (connection, request) => clients.get(connection)?.calls.has(request) === true,
    connectionOf: ({ id }) => byNumber.get(id)?.connection,
    left: (connection) =>
      Effect.sync(() => {
        const client = clients.get(connection)
        if (client === undefined) return
        clients.delete(connection)
        byNumber.delete(client.number)
        Queue.offerUnsafe(disconnects, client.number)
        // A handler that cannot be interrupted still holds the object.
        for (const call of client.calls.values()) settle(call)
      })
  }
})

/** A connection has too many calls in flight. */
export class TooManyCalls extends Schema.TaggedError<TooManyCalls>()("TooManyCalls", {}) {
  override get message() {
    return "The connection has too many calls in flight"
  }
}

const encodeExit = Schema.encodeUnknownSync(
  RpcSerialization.json.codecFor(Schema.Exit(Schema.Void, Schema.Never, Schema.Defect()))
)

const tooManyCalls = encodeExit(Exit.die(new TooManyCalls()))

/** The door of the room did not let a call in. */
class Refused extends Error {
  override readonly name = "Refused"
}

/** A call that is refused dies at once. What steers a call that is under way counts as no message. */
export const wire: Room.Wire = {
  // The whole frame, as the stock client writes it: a beginning could be that of anything.
  isSmall: (frame) =>
    /^\{"_tag":"(?:(?:Ping|Eof)"|(?:Ack|Interrupt)","requestId":(?:"\d+"|\d+)(?:,"interruptors":\[[\d,]*\])?)\}$/.test(
      frame
    ),
  refuse: (frame, { message }) => {
    const asked = decodeRequest(frame)
    return Option.isSome(asked) && asked.value.isNotification === undefined
      ? JSON.stringify({ _tag: "Exit", requestId: asked.value.id, exit: encodeExit(Exit.die(new Refused(message))) })
      : undefined
  }
}

const decodeRequest = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.TaggedStruct("Request", {
    id: RpcFrames.RequestId,
    isNotification: Schema.optionalKey(Schema.Unknown)
  }))
)
