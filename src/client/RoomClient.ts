/**
 * The other end of a room: a typed client that comes back by itself.
 *
 * It needs the room's definition and nothing else of the server. A program listens to `messages` and says things with
 * `send`; the connection below is made anew as often as it takes, with a fresh token each time.
 *
 * **Example** (somebody who talks)
 *
 * ```ts
 * const talk = Effect.gen(function*() {
 *   const client = yield* RoomClient.key(Chat)
 *   yield* client.send(new Say({ text: "hello" }))
 *   yield* Stream.runForEach(client.messages, (message) => Effect.log(message._tag))
 * })
 *
 * const live = RoomClient.layer(Chat, { url: "wss://example.com/rooms/lobby", query: { name: "Ada" } })
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Room from "../services/Room.ts"
import * as Listeners from "./Listeners.ts"
import * as Outgoing from "./Outgoing.ts"
import * as Reconnection from "./Reconnection.ts"
import * as RoomClientError from "./RoomClientError.ts"
import type * as Status from "./Status.ts"
import * as Wire from "./Wire.ts"

/** How a client behaves. */
export interface Options<R = never> extends Reconnection.Options<R> {
  /**
   * What is said while there is no connection waits for one: at most 100 messages, and 65,536 UTF-8 bytes of frames,
   * unless given. With `false` nothing waits, and fails at once.
   */
  readonly queue?: { readonly messages?: number | undefined; readonly bytes?: number | undefined } | false | undefined
  /** How many bytes may wait in the socket while the network takes nothing: 1,048,576, unless given. */
  readonly bufferBytes?: number | undefined
  /** How many messages may wait for one listener: 4,096, unless given. */
  readonly listenerMessages?: number | undefined
}

/** What goes wrong without ending anything. */
export type Trouble<R extends Room.Any> =
  /** The room refuses a message with an error that it declares. */
  | { readonly _tag: "Refused"; readonly error: Room.Refusal<R> }
  /** The room does not take a message: see `Protocol.ErrorCode`. */
  | { readonly _tag: "Rejected"; readonly code: string; readonly detail: string }
  /** The connection broke off, and nobody knows whether these have arrived. They are not sent again. */
  | { readonly _tag: "Unknown"; readonly messages: ReadonlyArray<Room.Receive<R>> }
  /** What the room sent fits the definition nowhere: perhaps it has a newer one. */
  | { readonly _tag: "Unreadable"; readonly detail: string }

/** A client of a room. */
export interface Service<R extends Room.Any> {
  /**
   * What the room sends, from the moment on when somebody listens; whoever listens first hears what came before, too. It
   * fails where the connection ends for good, and with `Overrun` where its listener is too far behind.
   */
  readonly messages: Stream.Stream<Room.Send<R>, RoomClientError.RoomClientError>
  /** What went wrong on the way, and is not the failure of a `send`. */
  readonly troubles: Stream.Stream<Trouble<R>, RoomClientError.RoomClientError>
  /**
   * Says something. Without an `id` it succeeds when the frame has left, which may be after the next connection is made:
   * who is interrupted before that has said nothing.
   *
   * With an `id`, of 1–64 characters, it succeeds when the room has handled the message, and fails as the room refuses
   * it. `Unknown` says that the connection broke off in between. An `id` is for one message at a time.
   */
  readonly send: {
    (message: Room.Receive<R>): Effect.Effect<void, RoomClientError.RoomClientError>
    (
      message: Room.Receive<R>,
      options: { readonly id?: string | undefined }
    ): Effect.Effect<void, Room.Refusal<R> | RoomClientError.RoomClientError>
  }
  /** How the client stands to the room now. */
  readonly status: Effect.Effect<Status.Status>
  /** The same as it is now, and as it changes. It ends with `Closed`. */
  readonly statuses: Stream.Stream<Status.Status>
  /** Tries at once, where the client waits for its next attempt. Else it asks whether the connection still lives. */
  readonly wake: Effect.Effect<void>
}

/**
 * Who is told in the turn in which something happens, without a stream: for what stands on a client without Effect. None of
 * these may throw.
 */
export interface Callbacks<R extends Room.Any> {
  readonly onMessage?: ((message: Room.Send<R>) => void) | undefined
  readonly onTrouble?: ((trouble: Trouble<R>) => void) | undefined
  readonly onStatus?: ((status: Status.Status) => void) | undefined
}

/** Marks the client of one room among those of others. */
export interface RoomClient<in out Name extends string> {
  readonly _client: (name: Name) => Name
}

/** The key of the client of a room. */
export const key = <R extends Room.Any>(room: R): Context.Service<RoomClient<Room.Name<R>>, Service<R>> =>
  Context.Service<RoomClient<Room.Name<R>>, Service<R>>(`effect-dormouse/client/RoomClient/${room.key}`)

/** The client of a room as a layer. It connects when it is built, and leaves with 1000 when its scope closes. */
export const layer = <R extends Room.Any, RX = never>(
  room: R,
  options: Options<RX>
): Layer.Layer<RoomClient<Room.Name<R>>, never, RX> => Layer.effect(key(room), make(room, options))

/** The same as an effect. A callback for messages, or for troubles, is the first who listens. */
export const make = Effect.fnUntraced(function*<R extends Room.Any, RX = never>(
  room: R,
  { bufferBytes = 1_048_576, listenerMessages = 4_096, queue = {}, ...options }: Options<RX>,
  callbacks: Callbacks<R> = {}
): Effect.fn.Return<Service<R>, never, RX | Scope.Scope> {
  const wire = Wire.make(room, (id) => outgoing.awaits(id))
  const overrun = RoomClientError.make(new RoomClientError.Overrun({ limit: listenerMessages }))
  const messages = yield* Listeners.make<Room.Send<R>, RoomClientError.RoomClientError>(
    listenerMessages,
    overrun,
    callbacks.onMessage
  )
  const troubles = yield* Listeners.make<Trouble<R>, RoomClientError.RoomClientError>(
    listenerMessages,
    overrun,
    callbacks.onTrouble
  )
  const outgoing = Outgoing.make({
    bounds: queue === false
      ? { messages: 0, bytes: 0 }
      : { messages: queue.messages ?? 100, bytes: queue.bytes ?? 65_536 },
    bufferBytes,
    frameBytes: wire.frameBytes,
    request: room.autoResponse?.[0],
    // SAFETY: they were given to `send`.
    unknown: (messages) => troubles.tell({ _tag: "Unknown", messages: messages as ReadonlyArray<Room.Receive<R>> })
  })
  const status = Listeners.latest<Status.Status>({ _tag: "Connecting" }, callbacks.onStatus)

  const take = (incoming: Wire.Incoming): void => {
    switch (incoming._tag) {
      case "Message":
        // SAFETY: the room's own schema has decoded it.
        return messages.tell(incoming.message as Room.Send<R>)
      case "Handled":
        return void outgoing.answer(incoming.id, Effect.void)
      case "Unreadable":
        return troubles.tell(incoming)
      case "Refused":
        // SAFETY: as above.
        return complain(incoming.id, incoming.error, { _tag: "Refused", error: incoming.error as Room.Refusal<R> })
      case "Rejected": {
        const { code, detail, id } = incoming
        const error = RoomClientError.make(new RoomClientError.Rejected({ code, detail }))
        return complain(id, error, { _tag: "Rejected", code, detail })
      }
    }
  }

  const complain = (id: string | undefined, error: unknown, trouble: Trouble<R>) => {
    if (id === undefined || !outgoing.answer(id, Effect.fail(error))) troubles.tell(trouble)
  }

  const end = ({ code, reason }: Pick<CloseCode.Close, "code" | "reason">, isOurs: boolean) => {
    if (status.get()._tag === "Closed") return
    const closed = RoomClientError.make(new RoomClientError.Closed({ code, reason }))
    outgoing.end(closed)
    messages.end(isOurs ? undefined : closed)
    troubles.end(isOurs ? undefined : closed)
    status.tell({ _tag: "Closed", code, reason })
    status.end()
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => end({ code: CloseCode.normal, reason: "" }, true)))

  const response = room.autoResponse?.[1]
  const { run, wake } = yield* Reconnection.make(options, {
    subprotocols: wire.subprotocols,
    autoResponse: room.autoResponse,
    opened: (socket) => outgoing.open(socket, wire.joins(socket.protocol ?? "")),
    frame: (data) => {
      if (outgoing.hear(response !== undefined && data === response)) return
      wire.read(data, take)
    },
    pinged: outgoing.ping,
    lost: outgoing.lose,
    status: status.tell
  })
  yield* Effect.forkScoped(Effect.map(run, (close) => end(close, false)))

  return {
    messages: messages.stream,
    troubles: troubles.stream,
    // SAFETY: only what has an id fails with the refusals of the room.
    send: ((message: Room.Receive<R>, options?: { readonly id?: string | undefined }) =>
      Effect.suspend(() => {
        const id = options?.id
        const frame = wire.write(message, id)
        return Result.isSuccess(frame)
          ? outgoing.send({ message, frame: frame.success, id })
          : Effect.fail(RoomClientError.make(new RoomClientError.InvalidMessage({ detail: frame.failure })))
      })) as Service<R>["send"],
    status: Effect.sync(status.get),
    statuses: status.stream,
    wake
  }
})
