/**
 * A room that speaks `effect/rpc`. Its client is the stock `RpcClient`, unmodified, while the object may sleep.
 *
 * A client uses `RpcSerialization.layerJson` and `RpcClient.layerProtocolSocket`. The runtime answers its pings without
 * waking the object. A call keeps the object awake until its answer has left. If the object goes away before that, the
 * call ends at once with an `RpcClientError`. A stream may be *pushed*: nothing runs while it is open, the object may
 * sleep, and what the room pushes reaches it after every wake.
 *
 * The room may have deadlines, a journal, a lifetime and a directory, like every room. Their layers go below its own.
 *
 * **Example** (a counter that everybody may watch)
 *
 * ```ts
 * const Counter = RpcRoom.make("counter", CounterRpcs)
 *
 * const CounterLive = Counter.toLayer(Effect.gen(function*() {
 *   const room = yield* Counter
 *   const { storage } = yield* ObjectContext.ObjectContext
 *   const total = Effect.sync(() => storage.kv.get<number>("total") ?? 0)
 *   return {
 *     Add: Effect.fnUntraced(function*({ by }) {
 *       const sum = (yield* total) + by
 *       storage.kv.put("total", sum)
 *       yield* Effect.orDie(room.push("Watch", sum))
 *       return sum
 *     }),
 *     Watch: (_, request) => room.pushed(request, { first: Effect.map(total, Array.of) })
 *   }
 * }))
 *
 * export class CounterRoom extends RoomObject.make(Counter.room, CounterLive) {}
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Limits from "../domain/Limits.ts"
import * as RoomError from "../domain/RoomError.ts"
import type { Inside } from "../services/Assembly.ts"
import * as Broadcaster from "../services/Broadcaster.ts"
import type * as Calls from "../services/Calls.ts"
import * as ConnectionRegistry from "../services/ConnectionRegistry.ts"
import type * as Handlers from "../services/Handlers.ts"
import type * as Outbox from "../services/Outbox.ts"
import * as Plain from "../services/Plain.ts"
import * as Room from "../services/Room.ts"
import * as PushedStreams from "./PushedStreams.ts"
import * as RpcCalls from "./RpcCalls.ts"
import * as RpcFrames from "./RpcFrames.ts"

/** Marks the service of one room among those of others. */
export interface Identifier<in out Name extends string> {
  readonly _rpc: (name: Name) => Name
}

/** The room below an `RpcRoom`: its messages are frames of `effect/rpc`. */
export interface Below<
  in out Name extends string,
  in out State,
  in out Methods extends Calls.Method = never,
  in out Payloads = {},
  out Needs = never
> extends Room.Room<Name, RpcFrames.Received, RpcFrames.Sent, PushedStreams.Kept<State>, Methods, Payloads, Needs> {}

/** A room's definition, and the key of its service. */
export interface RpcRoom<
  in out Name extends string,
  in out Rpcs extends Rpc.Any,
  in out State,
  in out Methods extends Calls.Method = never,
  in out Payloads = {},
  out Needs = never
> extends Context.Service<Identifier<Name>, Service<Rpcs, State, Payloads>> {
  /** What clients call. It is all that they need of the room. */
  readonly group: RpcGroup.RpcGroup<Rpcs>
  /** The room below, for `RoomObject.make` and the like. */
  readonly room: Below<Name, State, Methods, Payloads, Needs>
  /**
   * Gives the room its handlers: those of the group, as `RpcGroup.toLayer` takes them, and those of its events, like
   * `close`, `deadlines` and `retire`. If they are effects, each runs once, when the layer is built. The type of the layer
   * names what these effects need, and what the definition asks for, like `Deadlines`.
   */
  readonly toLayer: <H extends RpcGroup.HandlersFrom<Rpcs>, E = never, R = never, E2 = never, R2 = never>(
    handlers: H | Effect.Effect<H, E, R>,
    ...events: Partial<Events<State, Methods, Payloads>> extends Events<State, Methods, Payloads>
      ? [events?: Events<State, Methods, Payloads> | Effect.Effect<Events<State, Methods, Payloads>, E2, R2>]
      : [events: Events<State, Methods, Payloads> | Effect.Effect<Events<State, Methods, Payloads>, E2, R2>]
  ) => Layer.Layer<
    Identifier<Name>,
    E | E2,
    Requirements<Name, Rpcs, R | R2 | RpcGroup.HandlersServices<Rpcs, H>> | Needs
  >
}

/** What the layer of a room needs if its handlers need `R`, beside what the definition asks for. */
export type Requirements<Name extends string, Rpcs extends Rpc.Any, R> =
  | Exclude<R, Identifier<Name> | Scope.Scope>
  | Broadcaster.Broadcaster
  | ConnectionRegistry.ConnectionRegistry
  | Handlers.Installation<Name>
  | Inside
  | Room.Identifier<Name>
  | Rpc.Middleware<Rpcs>
  | Rpc.ServicesServer<Rpcs>

/** What a room may be given beside the handlers of its group: the handlers of any room, without `message`. */
export type Events<State, Methods extends Calls.Method = never, Payloads = {}> = Omit<
  Room.RoomHandlers<never, State, Methods, Payloads>,
  "message"
>

/** A request as a handler is given it. */
export interface Request<out R extends Rpc.Any = Rpc.Any> {
  readonly client: Rpc.ServerClient
  readonly requestId: RpcMessage.RequestId
  readonly rpc: R
}

/** The tags of the streams of a group. */
export type StreamTag<Rpcs extends Rpc.Any> = Rpcs extends Rpc.Any
  ? Rpc.Success<Rpcs> extends Stream.Stream<infer _A, infer _E, infer _R> ? Rpcs["_tag"] : never
  : never

/** How a request is answered with a pushed stream. */
export interface PushedOptions<in out A, out E, out R> {
  /** What the stream begins with. What is pushed while this runs is sent after it. */
  readonly first?: Effect.Effect<ReadonlyArray<A>, E, R> | undefined
  /** A push may be for the streams of one topic. */
  readonly topic?: string | undefined
}

/** Who gets what is pushed: all who have the stream open, unless the options say otherwise. */
export interface PushOptions extends PushedStreams.PushOptions {}

/**
 * What a program can do in its room. Nothing here depends on what is in memory: it works the same when the object has
 * slept in between.
 */
export interface Service<in out Rpcs extends Rpc.Any, in out State, in out Payloads = {}>
  extends Room.Connections<State, Payloads>
{
  /** Who calls, for a handler or a middleware. */
  readonly caller: (request: Pick<Request, "client">) => Effect.Effect<ConnectionRegistry.Connection<State>>
  /**
   * Answers a request with what is pushed: the handler returns this stream as it is. It stays open until the client
   * ends it or leaves, or until `end`. A connection's attachment has room for some hundreds of them. A request for one
   * more dies of `TooManyStreams`, and the others stay open.
   */
  readonly pushed: <R extends Rpc.Any, E = never, RX = never>(
    request: Request<R>,
    options?: PushedOptions<Rpc.SuccessChunk<R>, E, RX>
  ) => Stream.Stream<Rpc.SuccessChunk<R>, E, RX>
  /**
   * Sends a value to everybody who has a pushed stream of this tag open, or to some of them. It is encoded once, and a
   * socket that fails does not stop the rest. Counts streams.
   */
  readonly push: <const Tag extends StreamTag<Rpcs>>(
    tag: Tag,
    value: Rpc.SuccessChunk<Rpc.ExtractTag<Rpcs, Tag>>,
    options?: PushOptions
  ) => Effect.Effect<Outbox.Delivery, RoomError.RoomError>
  /** Ends the pushed streams of a tag, or some of them. Counts streams. */
  readonly end: (
    tag: StreamTag<Rpcs>,
    options?: PushOptions
  ) => Effect.Effect<Outbox.Delivery>
}

/**
 * What a definition may say, as that of any room. A connection's state and its streams have 16,384 bytes together. With a
 * journal, a row is also written when a pushed stream opens or ends.
 */
export interface Options<State, Methods extends Calls.Method, D extends Room.DeadlineSchemas, L, J, K>
  extends Omit<Room.Options<State, Methods, D, L, J, K>, "autoResponse" | "order" | "wire">
{
  /** Calls of one connection that may be in flight: 128, unless given. One more dies at once. */
  readonly calls?: number | undefined
  /** Pushed streams that one connection may have open: 256, unless given, or as many as fit in its attachment. */
  readonly streams?: number | undefined
}

/** Defines a room that answers the calls of a group. */
export const make = <
  const Name extends string,
  Rpcs extends Rpc.Any,
  State = undefined,
  Methods extends Calls.Method = never,
  D extends Room.DeadlineSchemas = {},
  L extends Room.Lifetime | undefined = undefined,
  J extends boolean = false,
  K extends boolean = false
>(
  name: Name,
  group: RpcGroup.RpcGroup<Rpcs>,
  { calls: mostCalls = 128, limits, state, streams: mostStreams = 256, ...options }: Options<
    State,
    Methods,
    D,
    L,
    J,
    K
  > = {}
): RpcRoom<Name, Rpcs, State, Methods, Room.PayloadsOf<D>, Room.Needs<D, L, J, K>> => {
  type Payloads = Room.PayloadsOf<D>
  type Needs = Room.Needs<D, L, J, K>

  const key = Context.Service<Identifier<Name>, Service<Rpcs, State, Payloads>>(`effect-dormouse/RpcRoom/${name}`)
  const room: Below<Name, State, Methods, Payloads, Needs> = Room.make(name, {
    ...options,
    receive: RpcFrames.Received,
    send: RpcFrames.Sent,
    // SAFETY: a room without a schema keeps `undefined`.
    state: PushedStreams.keptWith(state ?? (Schema.Undefined as Schema.Codec<unknown> as Schema.Codec<State>)),
    autoResponse: RpcFrames.autoResponse,
    order: "none",
    wire: RpcCalls.wire,
    // The streams of a connection stand beside its state.
    limits: { stateBytes: Limits.attachmentBytes, ...limits }
  })
  // SAFETY: the middleware is the server's own, and is provided where it is made.
  const served = group.middleware(RpcCalls.Handling) as RpcGroup.Any as RpcGroup.RpcGroup<Rpcs>
  const codecs = makeCodecs(group.requests)

  const makeService = Effect.fnUntraced(
    function*(calls: RpcCalls.RpcCalls, streams: PushedStreams.PushedStreams) {
      const below = yield* room
      const registry = yield* ConnectionRegistry.ConnectionRegistry
      const services = yield* Effect.context<Rpc.ServicesServer<Rpcs>>()

      const encode = (tag: string, values: ReadonlyArray<unknown>) =>
        Effect.map(Effect.provideContext(codecs(tag).chunk(values), services), (encoded) => JSON.stringify(encoded))

      return key.of({
        name: below.name,
        caller: ({ client }) =>
          Effect.suspend(() => {
            const connection = calls.connectionOf(client)
            if (connection === undefined) return Effect.interrupt
            return registry.find(connection).pipe(
              Effect.map((socket) => toOwn<State>(registry.connection(socket))),
              // It has left, and its calls are being interrupted.
              Effect.catch(() => Effect.interrupt)
            )
          }),
        pushed: ({ client, requestId, rpc }, { first, topic = "" } = {}) =>
          Stream.fromEffectDrain(Effect.suspend(() => {
            const connection = calls.connectionOf(client)
            // Nobody waits for the answer to a notification.
            if (connection === undefined || !calls.isWaiting(connection, requestId)) return Effect.void
            return streams.open(
              connection,
              requestId,
              [rpc._tag, topic],
              first && Effect.flatMap(
                first,
                (values) => values.length === 0 ? Effect.undefined : Effect.orDie(encode(rpc._tag, values))
              )
            )
          })),
        push: (tag, value, options) =>
          Effect.matchEffect(encode(tag, [value]), {
            onFailure: (cause) => Effect.fail(RoomError.make(new RoomError.InvalidMessage({ detail: cause.message }))),
            onSuccess: (values) => streams.push(tag, values, options)
          }),
        end: (tag, options) => streams.end(tag, JSON.stringify(codecs(tag).success), options),
        connections: (options) =>
          Effect.map(below.connections(options), (connections) => connections.map((known) => toOwn<State>(known))),
        count: below.count,
        state: (id) => Effect.map(below.state(id), ({ state }) => state),
        setState: streams.setState,
        close: below.close,
        drain: below.drain,
        get deadlines() {
          return below.deadlines
        }
      })
    }
  )

  return Object.assign(key, {
    group,
    room,
    toLayer: <H extends RpcGroup.HandlersFrom<Rpcs>, E, R, E2, R2>(
      handlers: H | Effect.Effect<H, E, R>,
      ...[events]: [
        events?: Events<State, Methods, Payloads> | Effect.Effect<Events<State, Methods, Payloads>, E2, R2>
      ]
    ) =>
      Layer.effect(
        key,
        Effect.gen(function*() {
          const broadcaster = yield* Broadcaster.Broadcaster
          const below = yield* room
          const streams = yield* PushedStreams.make(mostStreams)

          const send: RpcCalls.Send = (to, message) =>
            Effect.suspend(() => {
              const deliver = Effect.ignore(broadcaster.send(to, JSON.stringify(message)))
              if (message._tag !== "Exit") return deliver
              return Effect.flatMap(streams.isOpen(to, message.requestId), (isOpen) => {
                if (!isOpen) return deliver
                // A stream that was opened goes on without its handler.
                return message.exit._tag === "Success"
                  ? Effect.void
                  : Effect.andThen(Effect.ignore(streams.close(to, message.requestId)), deliver)
              })
            })
          const calls = yield* RpcCalls.make(send, mostCalls)
          const service = yield* makeService(calls, streams)
          const within = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, key, service)

          const answering = yield* within(group.toHandlers(handlers))
          const own = Effect.isEffect(events) ? yield* within(events) : events
          // It answers from now on, and ends with its scope.
          yield* RpcServer.make(served, { disableFatalDefects: true }).pipe(
            Effect.provideContext(Context.merge(answering, calls.services)),
            Effect.forkScoped({ startImmediately: true })
          )
          // SAFETY: `events` has the types of this room, and `Kept` is what it keeps.
          const handling = receiving(calls, streams, send, (to) => below.send(to, inUse), own as AnyEvents) as never
          yield* Layer.build(room.toLayer(handling))
          return service
        })
        // SAFETY: what is used above is the room's own, or stands in the requirements.
      ) as Layer.Layer<
        Identifier<Name>,
        E | E2,
        Requirements<Name, Rpcs, R | R2 | RpcGroup.HandlersServices<Rpcs, H>> | Needs
      >
  })
}

// As in any room, a state that does not fit any more fails at the first look.
const toOwn = <State>(
  connection: ConnectionRegistry.Connection
): ConnectionRegistry.Connection<State> => ({
  id: connection.id,
  user: connection.user,
  labels: connection.labels,
  protocol: connection.protocol,
  get state() {
    // SAFETY: the registry decodes states with the room's schema.
    return (connection.state as PushedStreams.Kept<State>).state
  }
})

type AnyEvents = Partial<Handlers.Handlers>

// The handlers of the room below.
const receiving = (
  calls: RpcCalls.RpcCalls,
  streams: PushedStreams.PushedStreams,
  send: RpcCalls.Send,
  complain: (to: ConnectionId.ConnectionId) => Effect.Effect<void, unknown>,
  { close = nothing, connect = admit, open = nothing, ...others }: AnyEvents = {}
) => {
  const message = (
    { id }: ConnectionRegistry.Connection,
    received: RpcFrames.Received
  ): Effect.Effect<unknown, unknown> => {
    switch (received._tag) {
      case "Request":
        if (received.isNotification) return calls.request(id, received)
        return Effect.flatMap(
          streams.isOpen(id, received.id),
          (isOpen) => isOpen || calls.isInFlight(id, received.id) ? complain(id) : calls.request(id, received)
        )
      case "Interrupt":
        return Effect.andThen(streams.close(id, received.requestId), calls.about(id, received))
      case "Ack":
        return calls.about(id, received)
      case "Ping":
        // The runtime answers only the text that it knows. This ping is written in another way.
        return send(id, RpcMessage.constPong)
      case "Eof":
        // A connection ends with its close, and not with this message.
        return Effect.void
    }
  }

  return {
    ...others,
    connect: (request: Handlers.ConnectRequest) =>
      Effect.map(connect(request), (admission) => ({
        ...admission,
        state: { state: admission.state, streams: PushedStreams.none }
      })),
    open: (connection: ConnectionRegistry.Connection) => open(toOwn(connection)),
    message,
    close: (connection: ConnectionRegistry.Connection, how: CloseCode.Close) =>
      Effect.suspend(() => {
        streams.left(connection.id)
        return Effect.andThen(calls.left(connection.id), Effect.suspend(() => close(toOwn(connection), how)))
      })
  }
}

const nothing = () => Effect.void

const admit = () => Effect.succeed({ state: undefined })

const inUse = Plain.Error.make({ code: "InvalidMessage", message: "A request with this id has not ended." })

interface Codecs {
  readonly chunk: (values: ReadonlyArray<unknown>) => Effect.Effect<unknown, Schema.SchemaError>
  /** The exit of a stream that has ended. */
  readonly success: unknown
}

// Codecs are pure, so the objects of a room share them. They are compiled by the first push.
const makeCodecs = (rpcs: ReadonlyMap<string, Rpc.Any>) => {
  const { codecFor } = RpcSerialization.json
  const compiled = new Map<string, Codecs>()
  return (tag: string): Codecs => {
    const known = compiled.get(tag)
    if (known !== undefined) return known
    const { annotations, successSchema } = rpcs.get(tag) as Rpc.AnyWithProps
    // Only streams are pushed to, and `push` takes no other tag.
    if (!RpcSchema.isStreamSchema(successSchema)) throw new Error(`${tag} is no stream`)
    const made: Codecs = {
      // SAFETY: what the schemas need is provided where this is used.
      chunk: Schema.encodeUnknownEffect(
        codecFor(Schema.Array(successSchema.success)),
        Context.get(annotations, Rpc.ParseOptions)
      ) as Codecs["chunk"],
      success: Schema.encodeUnknownSync(codecFor(Schema.Exit(Schema.Void, Schema.Never, Schema.Never)))(Exit.void)
    }
    compiled.set(tag, made)
    return made
  }
}
