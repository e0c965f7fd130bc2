/**
 * A room, defined by data and implemented by handlers.
 *
 * `Room.make` says what clients may send, what the server sends and what is kept for a connection. The definition is
 * itself the service through which a program reaches the connections of its room, and `toLayer` gives it handlers.
 *
 * **Example** (everybody hears everybody)
 *
 * ```ts
 * const Echo = Room.make("echo", { format: "text", receive: Schema.String, send: Schema.String })
 *
 * const EchoLive = Echo.toLayer(Effect.gen(function*() {
 *   const room = yield* Echo
 *   return { message: (_, text) => room.broadcast(text) }
 * }))
 * ```
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Audience from "../domain/Audience.ts"
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Problem from "../domain/Problem.ts"
import * as Broadcaster from "./Broadcaster.ts"
import * as Calls from "./Calls.ts"
import * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as Lifecycle from "./Lifecycle.ts"
import * as Outbox from "./Outbox.ts"
import * as Protocol from "./Protocol.ts"
import type * as Sockets from "./Sockets.ts"

/** What a frame of the room is: a JSON text, any text, or bytes. */
export type Format = "json" | "text" | "binary"

/** Marks the service of one room among those of others. */
export interface Identifier<in out Name extends string> {
  readonly _: (name: Name) => Name
}

/** A room's definition, and the key of its service. */
export interface Room<
  in out Name extends string,
  in out Receive,
  in out Send,
  in out State,
  in out Methods extends Calls.Method = never
> extends Context.Service<Identifier<Name>, Service<Send, State>> {
  readonly format: Format
  readonly receive: Schema.Codec<Receive, unknown>
  readonly send: Schema.Codec<Send, unknown>
  readonly state: ConnectionRegistry.StateCodec
  readonly methods: ReadonlyArray<Calls.Method>
  readonly autoResponse: readonly [request: string, response: string] | undefined
  readonly order: Lifecycle.Order
  /** Gives the room its handlers. What the effect needs it takes once, when the layer is built. */
  readonly toLayer: <E, R>(
    handlers: Effect.Effect<Handlers<Receive, State, Methods>, E, R>
  ) => Layer.Layer<never, E, Exclude<R, Scope.Scope> | Calls.Calls | Lifecycle.Lifecycle>
}

/** Any room. */
export type Any = Room<any, any, any, any, any>

/**
 * What a program can do to the connections of its room. Nothing here depends on what is in memory: it works the same
 * when the object has slept in between.
 */
export interface Service<in Send, in out State> {
  /** The room's own name, the one in its URL. */
  readonly name: string
  /** Sends a message to one connection. */
  readonly send: (id: ConnectionId.ConnectionId, message: Send) => Effect.Effect<void, RoomError>
  /** Sends a message to everybody, or to an audience. It is encoded once, and a socket that fails does not stop the rest. */
  readonly broadcast: (
    message: Send,
    options?: Broadcaster.BroadcastOptions
  ) => Effect.Effect<Outbox.Delivery, RoomError>
  /** The connections that are open, the oldest first. Reads the state of each of them. */
  readonly connections: (
    audience?: Audience.Audience
  ) => Effect.Effect<ReadonlyArray<ConnectionRegistry.Connection<State>>, RoomError>
  /** How many connections are open. */
  readonly count: (audience?: Audience.Audience) => Effect.Effect<number>
  /** What is kept for a connection. */
  readonly state: (id: ConnectionId.ConnectionId) => Effect.Effect<State, RoomError>
  /** Keeps something else for a connection. It survives hibernation; where it does not fit, the old state stays. */
  readonly setState: (id: ConnectionId.ConnectionId, state: State) => Effect.Effect<void, RoomError>
  /** Closes a connection: with 1000, unless another code is given, and a reason of at most 123 UTF-8 bytes. */
  readonly close: (id: ConnectionId.ConnectionId, code?: number, reason?: string) => Effect.Effect<void, RoomError>
}

/** The handlers of a room. What they fail with is logged; the connection stays open. */
export interface EventHandlers<in Receive, in State> {
  /**
   * A connection is about to enter. What is sent here leaves when the handler has succeeded, and the connection is in
   * the room from then on: until then `connections`, `count` and `broadcast` are about the others. Where it fails, the
   * client is refused with 500, and nothing was ever sent.
   */
  readonly open?: (connection: ConnectionRegistry.Connection<State>) => Effect.Effect<unknown, unknown>
  /** A connection said something. */
  readonly message?: (
    connection: ConnectionRegistry.Connection<State>,
    message: Receive
  ) => Effect.Effect<unknown, unknown>
  /** A connection has left the room, however it ended. Runs exactly once for each that entered. */
  readonly close?: (
    connection: ConnectionRegistry.Connection<State>,
    close: CloseCode.Close
  ) => Effect.Effect<unknown, unknown>
  /** The room's alarm has fired. */
  readonly alarm?: Effect.Effect<unknown, unknown>
}

/**
 * Decides on a request for a connection: lets it in with its first state, or refuses it with a `Problem`, which is the
 * client's HTTP response. May be left out where connections have no state.
 */
export type Connect<State> = (
  request: Lifecycle.ConnectRequest
) => Effect.Effect<ConnectionRegistry.Admission<State>, Problem.Problem>

/** Everything that a room may be given. */
export type Handlers<Receive, State, Methods extends Calls.Method = never> =
  & EventHandlers<Receive, State>
  & ([State] extends [undefined] ? { readonly connect?: Connect<State> } : { readonly connect: Connect<State> })
  & ([Methods] extends [never] ? unknown : {
    /** Answers to the calls of the room's own methods, by their tags. */
    readonly methods: Calls.Handlers<Methods>
  })

interface Options<Receive, ReceiveFrame, Send, SendFrame, State, Methods extends Calls.Method> {
  /** What clients send. */
  readonly receive: Schema.Codec<Receive, ReceiveFrame>
  /** What the server sends. */
  readonly send: Schema.Codec<Send, SendFrame>
  /** What is kept for a connection while the object sleeps; nothing, unless given. */
  readonly state?: Schema.Codec<State, unknown>
  /** What may be called in the room from outside, beside what every room answers: see `Rooms`. */
  readonly methods?: ReadonlyArray<Methods> & Calls.Free<Methods>
  /**
   * A text of at most 2,048 UTF-8 bytes that the runtime answers with another, without waking the object. In a JSON room
   * `ping` and `pong`, unless given.
   */
  readonly autoResponse?: readonly [request: string, response: string]
  /** Whether the messages of one connection wait for each other: they do, unless given. */
  readonly order?: Lifecycle.Order
}

/** Defines a room. */
export const make: {
  /** A room that speaks JSON: one message a text frame. */
  <const Name extends string, Receive, Send, State = undefined, Methods extends Calls.Method = never>(
    name: Name,
    options: Options<Receive, unknown, Send, unknown, State, Methods> & { readonly format?: "json" }
  ): Room<Name, Receive, Send, State, Methods>
  /** A room that speaks plain text. */
  <const Name extends string, Receive, Send, State = undefined, Methods extends Calls.Method = never>(
    name: Name,
    options: Options<Receive, string, Send, string, State, Methods> & { readonly format: "text" }
  ): Room<Name, Receive, Send, State, Methods>
  /** A room that speaks bytes. */
  <const Name extends string, Receive, Send, State = undefined, Methods extends Calls.Method = never>(
    name: Name,
    options:
      & Options<Receive, Uint8Array<ArrayBufferLike>, Send, Uint8Array<ArrayBufferLike>, State, Methods>
      & { readonly format: "binary" }
  ): Room<Name, Receive, Send, State, Methods>
} = <const Name extends string, Receive, Send, State, Methods extends Calls.Method>(
  name: Name,
  options: Options<Receive, unknown, Send, unknown, State, Methods> & { readonly format?: Format }
): Room<Name, Receive, Send, State, Methods> => {
  const key = Context.Service<Identifier<Name>, Service<Send, State>>(`effect-dormouse/Room/${name}`)
  const { autoResponse, format = "json", methods = [], order = "connection", receive, send, state } = options
  return Object.assign(key, {
    format,
    receive,
    send,
    state: ConnectionRegistry.stateCodec<unknown>(state ?? Schema.Undefined),
    methods,
    autoResponse: autoResponse ?? (format === "json" ? pingPong : undefined),
    order,
    toLayer: <E, R>(handlers: Effect.Effect<Handlers<Receive, State, Methods>, E, R>) =>
      Layer.effectDiscard(Effect.gen(function*() {
        const calls = yield* Calls.Calls
        const lifecycle = yield* Lifecycle.Lifecycle
        const { methods, ...events } = erase(yield* handlers)
        yield* calls.install(methods)
        yield* lifecycle.install(events)
      }))
  })
}

// No JSON text reads `ping`.
const pingPong = ["ping", "pong"] as const

const nothing = () => Effect.void

// The registry and the protocol decode with the room's own schemas, so what reaches the handlers has their types.
const erase = <Receive, State, Methods extends Calls.Method>(
  handlers: Handlers<Receive, State, Methods>
): Lifecycle.Handlers & { readonly methods: Calls.AnyHandlers } => {
  // SAFETY: see above.
  const { alarm = Effect.void, close = nothing, connect = admit, message = nothing, methods = {}, open = nothing } =
    handlers as EventHandlers<any, any> & {
      readonly connect?: Connect<unknown>
      readonly methods?: Calls.AnyHandlers
    }
  return { alarm, close, connect, message, methods, open }
}

const admit: Connect<unknown> = () => Effect.succeed({ state: undefined })

/** The services of a room. */
export type Services<Name extends string> =
  | Identifier<Name>
  | Broadcaster.Broadcaster
  | Calls.Calls
  | ConnectionRegistry.ConnectionRegistry
  | Lifecycle.Lifecycle
  | Outbox.Outbox

/** All services of a room that has a name, over a runtime's sockets and a protocol. */
export const layer = <Name extends string, Receive, Send, State, Methods extends Calls.Method>(
  room: Room<Name, Receive, Send, State, Methods>,
  name: string,
  options?: Partial<Outbox.Options>
): Layer.Layer<Services<Name>, never, Protocol.Protocol | Sockets.Sockets> =>
  Layer.effectContext(
    Effect.contextWith((given: Context.Context<Protocol.Protocol | Sockets.Sockets>) =>
      makeServices(given, room, name, options)
    )
  )

/**
 * Makes what {@link layer} provides. An object does this at every wake, and a layer for each of the services
 * would make the wake a fifth slower and more (`docs/BENCHMARKS.md`).
 */
export const makeServices = Effect.fnUntraced(function*<
  Given,
  Name extends string,
  Receive,
  Send,
  State,
  Methods extends Calls.Method
>(
  given: Context.Context<Given | Protocol.Protocol | Sockets.Sockets>,
  room: Room<Name, Receive, Send, State, Methods>,
  name: string,
  options?: Partial<Outbox.Options>
) {
  const registry = yield* Effect.provideContext(ConnectionRegistry.make(room.state), given)
  const kept = Context.add(given, ConnectionRegistry.ConnectionRegistry, registry)
  const outbox = yield* Effect.provideContext(Outbox.make(options), kept)
  const leaving = Context.add(kept, Outbox.Outbox, outbox)
  const broadcaster = yield* Effect.provideContext(Broadcaster.make, leaving)
  const heard = Context.add(leaving, Broadcaster.Broadcaster, broadcaster)
  const lifecycle = yield* Effect.provideContext(Lifecycle.make(room.order), heard)
  const alive = Context.add(heard, Lifecycle.Lifecycle, lifecycle)
  const service = yield* Effect.provideContext(makeService(room, name), alive)
  return Context.add(Context.add(alive, room, service), Calls.Calls, Calls.make(room, service, registry))
})

/**
 * Builds a room's layers over its services, and succeeds with all that the room then runs in. Where they do not build,
 * that is logged, and newcomers and calls are refused.
 */
export const start = <App, Given, E>(
  live: Layer.Layer<App, E, Given>,
  services: Context.Context<Given>,
  scope: Scope.Scope
): Effect.Effect<Context.Context<App | Given>, E> =>
  Layer.buildWithScope(live, scope).pipe(
    Effect.provideContext(services),
    Effect.map((app) =>
      // What is kept for the context that there is need not be made anew.
      // SAFETY: where nothing was built, nothing was declared.
      app.mapUnsafe.size === 0 ? services as Context.Context<App | Given> : Context.merge(services, app)
    ),
    Effect.tapCause((cause) => Effect.logError("The room could not be started", cause))
  )

const makeService = Effect.fnUntraced(
  function*<Name extends string, Receive, Send, State, Methods extends Calls.Method>(
    room: Room<Name, Receive, Send, State, Methods>,
    name: string
  ) {
    const broadcaster = yield* Broadcaster.Broadcaster
    const registry = yield* ConnectionRegistry.ConnectionRegistry
    const lifecycle = yield* Lifecycle.Lifecycle
    const protocol = yield* Protocol.Protocol

    // One step and not two: this runs for every message.
    const encoded = <A>(message: Send, use: (frame: Protocol.Frame) => Effect.Effect<A, RoomError>) =>
      Effect.suspend(() => {
        const frame = protocol.encode(message)
        return Result.isSuccess(frame)
          ? use(frame.success)
          : Effect.fail(new RoomError({ reason: new InvalidMessage({ cause: frame.failure }) }))
      })

    return room.of({
      name,
      send: (id, message) => encoded(message, (frame) => toRoomError(broadcaster.send(id, frame))),
      broadcast: (message, options) => encoded(message, (frame) => broadcaster.broadcast(frame, options)),
      connections: (audience = Audience.all) =>
        // SAFETY: the registry decodes states with the room's schema.
        toRoomError(registry.list(audience)) as Effect.Effect<
          ReadonlyArray<ConnectionRegistry.Connection<State>>,
          RoomError
        >,
      count: (audience = Audience.all) => registry.count(audience),
      state: (id) =>
        registry.find(id).pipe(
          Effect.flatMap(registry.connection),
          // SAFETY: the registry decodes states with the room's schema.
          Effect.map((connection) => connection.state as State),
          toRoomError
        ),
      setState: (id, state) => toRoomError(registry.setState(id, state)),
      close: (id, code = 1000, reason = "") => toRoomError(lifecycle.disconnect(id, code, reason))
    })
  }
)

/** A message to be sent does not fit the room's schema. */
export class InvalidMessage extends Data.TaggedError("InvalidMessage")<{
  readonly cause: unknown
}> {
  override get message() {
    return "The message does not fit what the room sends"
  }
}

/** What went wrong when a program reached into its room; `reason` tells the cases apart. */
export class RoomError extends Data.TaggedError("RoomError")<{
  readonly reason:
    | ConnectionRegistry.ConnectionRegistryError["reason"]
    | Broadcaster.SendFailed
    | Lifecycle.InvalidClose
    | InvalidMessage
}> {
  override get message() {
    return this.reason.message
  }
}

const toRoomError = <A, R>(
  effect: Effect.Effect<
    A,
    Broadcaster.BroadcasterError | ConnectionRegistry.ConnectionRegistryError | Lifecycle.LifecycleError,
    R
  >
): Effect.Effect<A, RoomError, R> => Effect.mapError(effect, ({ reason }) => new RoomError({ reason }))
