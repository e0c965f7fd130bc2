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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Audience from "../domain/Audience.ts"
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Limits from "../domain/Limits.ts"
import type * as Problem from "../domain/Problem.ts"
import type * as RoomError from "../domain/RoomError.ts"
import * as StateCodec from "../domain/StateCodec.ts"
import type * as StorageError from "../domain/StorageError.ts"
import type * as Broadcaster from "./Broadcaster.ts"
import type * as Calls from "./Calls.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import type * as Deadlines from "./Deadlines.ts"
import type * as Directory from "./Directory.ts"
import type * as Drain from "./Drain.ts"
import * as Handlers from "./Handlers.ts"
import type * as Journal from "./Journal.ts"
import type * as Lifecycle from "./Lifecycle.ts"
import type * as RoomLifetime from "./Lifetime.ts"
import type * as Outbox from "./Outbox.ts"
import type * as Protocol from "./Protocol.ts"

/** What a frame of the room is: a JSON text, any text, or bytes. */
export type Format = "json" | "text" | "binary"

/** Marks the service of one room among those of others. */
export interface Identifier<in out Name extends string> {
  readonly _: (name: Name) => Name
}

/** The key of a definition's types. */
export const Types: unique symbol = Symbol.for("effect-dormouse/Room")

/** What a definition says, whatever its types are. */
export interface Definition {
  readonly format: Format
  readonly receive: Schema.Codec<any, unknown>
  readonly send: Schema.Codec<any, unknown>
  readonly bytes: { readonly receive: Schema.Codec<any, any>; readonly send: Schema.Codec<any, any> } | undefined
  readonly error: Schema.Codec<any, unknown> | undefined
  readonly state: StateCodec.StateCodec
  readonly methods: ReadonlyArray<Calls.Method>
  readonly autoResponse: readonly [request: string, response: string] | undefined
  readonly order: Lifecycle.Order
  readonly deadlines: DeadlineSchemas
  readonly lifetime: Lifetime | undefined
  readonly directory: boolean
  readonly limits: Partial<Limits.ClientLimits>
  /** @internal */
  readonly wire?: Wire | undefined
}

/** Any room. Functions over rooms take `R extends Room.Any`, and {@link Send} and the others give the types of `R`. */
export interface Any extends Context.Key<any, any>, Definition {
  readonly [Types]: {
    readonly name: string
    readonly receive: unknown
    readonly send: unknown
    readonly error: unknown
    readonly state: unknown
    readonly methods: Calls.Method
    readonly deadlines: unknown
    readonly needs: unknown
  }
}

/**
 * What a protocol that is spoken above a JSON room knows of its frames.
 *
 * @internal
 */
export interface Wire {
  /** Whether a frame only steers what was asked before, and so is no message that counts. */
  readonly isSmall: (frame: string) => boolean
  /** What is answered to a frame that is refused, if its sender waits for an answer of its own. */
  readonly refuse: (frame: string, rejection: Protocol.Rejection) => string | undefined
}

/** How long a room lives. */
export interface Lifetime {
  /** Nobody has been there for so long: then the room ends. */
  readonly emptyFor: Duration.Input
}

/** The schemas of what a room's deadlines carry, by their names. */
export type DeadlineSchemas = Readonly<Record<string, Schema.Codec<any, any>>>

/** What the deadlines of schemas carry. */
export type PayloadsOf<D extends DeadlineSchemas> = { readonly [Name in keyof D]: D[Name]["Type"] }

/** The name of a definition. */
export type Name<R extends Any> = R[typeof Types]["name"]

/** What the clients of a room send. */
export type Receive<R extends Any> = R[typeof Types]["receive"]

/** What a room sends. */
export type Send<R extends Any> = R[typeof Types]["send"]

/** What a room may refuse a message with. */
export type Refusal<R extends Any> = R[typeof Types]["error"]

/** What a room keeps for a connection. */
export type State<R extends Any> = R[typeof Types]["state"]

/** What the deadlines of a room carry, by their names. */
export type DeadlinePayloads<R extends Any> = R[typeof Types]["deadlines"]

/** What may be called in a room from outside. */
export type Methods<R extends Any> = R[typeof Types]["methods"]

/** Whether a room stands in a directory. */
export type HasDirectory<R extends Any> = unknown extends R[typeof Types]["needs"] ? false
  : [Directory.Directory] extends [R[typeof Types]["needs"]] ? true
  : false

/** A room's definition, and the key of its service. */
export interface Room<
  in out Name extends string,
  in out Receive,
  in out Send,
  in out State,
  in out Methods extends Calls.Method = never,
  in out Payloads = {},
  out Needs = never,
  out Refusal = never
> extends Context.Service<Identifier<Name>, Service<Send, State, Payloads>>, Definition {
  readonly [Types]: {
    readonly name: Name
    readonly receive: Receive
    readonly send: Send
    readonly error: Refusal
    readonly state: State
    readonly methods: Methods
    readonly deadlines: Payloads
    readonly needs: Needs
  }
  /**
   * Gives the room its handlers, as a plain object or as an effect that makes one. The effect runs once, when the layer
   * is built. The type of the layer names the services that the effect needs, those that the handlers need, and what the
   * definition asks for, like `Deadlines`.
   */
  readonly toLayer: <H extends RoomHandlers<Receive, State, Methods, Payloads>, E = never, R = never>(
    handlers: (H & Spelt<H>) | Effect.Effect<H & Spelt<H>, E, R>
  ) => Layer.Layer<never, E, Exclude<R, Scope.Scope> | HandlerServices<H> | Handlers.Installation<Name> | Needs>
}

/** What a program can do to the connections of its room, whatever is said to them. */
export interface Connections<in out State, in out Payloads = {}> {
  /** The room's own name, the one in its URL. */
  readonly name: string
  /**
   * The connections that are open, the oldest first, with their states: the first 1,000, unless the options say
   * otherwise. The next page begins after the last one of this page.
   */
  readonly connections: (
    options?: ConnectionRegistry.ListOptions
  ) => Effect.Effect<ReadonlyArray<ConnectionRegistry.Connection<State>>, RoomError.RoomError>
  /** How many connections are open. */
  readonly count: (audience?: Audience.Audience) => Effect.Effect<number>
  /** What is kept for a connection. */
  readonly state: (id: ConnectionId.ConnectionId) => Effect.Effect<State, RoomError.RoomError>
  /** Replaces what is kept for a connection. It survives hibernation. If it does not fit, the old state stays. */
  readonly setState: (id: ConnectionId.ConnectionId, state: State) => Effect.Effect<void, RoomError.RoomError>
  /** Closes a connection: with 1000, unless another code is given, and a reason of at most 123 UTF-8 bytes. */
  readonly close: (
    id: ConnectionId.ConnectionId,
    options?: Lifecycle.CloseOptions
  ) => Effect.Effect<void, RoomError.RoomError>
  /** The deadlines that the room declares, by their names. */
  readonly deadlines: Deadlines.Of<Payloads>
  /**
   * Closes everybody in waves with 4001, so that they do not come back all at once. Succeeds with how many will be
   * closed; who enters meanwhile stays. The room's layer needs that of `Deadlines`.
   */
  readonly drain: (options: Drain.Options) => Effect.Effect<number, StorageError.StorageError, Deadlines.Deadlines>
}

/**
 * What a program can do in its room. Nothing here depends on what is in memory: it works the same when the object has
 * slept in between.
 */
export interface Service<in Send, in out State, in out Payloads = {}> extends Connections<State, Payloads> {
  /** Sends a message to one connection. */
  readonly send: (id: ConnectionId.ConnectionId, message: Send) => Effect.Effect<void, RoomError.RoomError>
  /**
   * Sends a message to everybody, or to an audience. It is encoded once, and a socket that fails does not stop the
   * rest.
   */
  readonly broadcast: (
    message: Send,
    options?: Broadcaster.BroadcastOptions
  ) => Effect.Effect<Outbox.Delivery, RoomError.RoomError>
}

/**
 * The handlers of a room. A message that fails with an error that the room declares is refused: its sender is told that
 * error. Anything else that a handler fails with is logged; the connection stays open.
 */
export interface EventHandlers<in Receive, in State> {
  /**
   * A connection is about to enter. It is in the room when the handler has succeeded, and what the handler sent leaves
   * then. Until then `connections`, `count` and `broadcast` are about the others. If the handler fails, the client is
   * refused with 500, and nothing is sent.
   */
  readonly open?: (connection: ConnectionRegistry.Connection<State>) => Effect.Effect<unknown, unknown, any>
  /** A connection said something. */
  readonly message?: (
    connection: ConnectionRegistry.Connection<State>,
    message: Receive
  ) => Effect.Effect<unknown, unknown, any>
  /** A connection has left the room, for whatever reason. Runs exactly once for each that entered. */
  readonly close?: (
    connection: ConnectionRegistry.Connection<State>,
    close: CloseCode.Close
  ) => Effect.Effect<unknown, unknown, any>
  /** The room's alarm has fired. If the handler fails, the runtime repeats the alarm, up to six times. */
  readonly alarm?: Effect.Effect<unknown, unknown, any>
  /**
   * The room ends: its storage is deleted when this has succeeded. Nobody is there, and whoever comes waits for a room
   * that starts anew. Runs at least once. If it fails, the room stays, and it is tried again.
   */
  readonly retire?: Effect.Effect<unknown, unknown, any>
}

/**
 * Decides on a request for a connection. It lets the client in with a first state, or refuses it with a `Problem`,
 * which is the HTTP response. A room without state may leave it out.
 */
export type Connect<State> = (
  request: Handlers.ConnectRequest
) => Effect.Effect<ConnectionRegistry.Admission<State>, Problem.Problem, any>

/** Everything that a room may be given. */
export type RoomHandlers<Receive, State, Methods extends Calls.Method = never, Payloads = {}> =
  & EventHandlers<Receive, State>
  & ([State] extends [undefined] ? { readonly connect?: Connect<State> } : { readonly connect: Connect<State> })
  & ([Methods] extends [never] ? unknown : {
    /** Answers to the calls of the room's own methods, by their tags. */
    readonly methods: Calls.Handlers<Methods>
  })
  & ([keyof Payloads] extends [never] ? unknown : {
    /** What the room's deadlines do when they are due, by their names. */
    readonly deadlines: {
      readonly [Name in keyof Payloads]: (
        key: string,
        payload: Payloads[Name],
        deadline: Deadlines.Deadline<Payloads[Name]>
      ) => Effect.Effect<unknown, unknown, any>
    }
  })

type Misspelt<H> = Exclude<keyof H, keyof RoomHandlers<any, any, any, Record<string, any>>>

// A handler whose name is misspelt would never run, so it does not compile.
type Spelt<H> = [Misspelt<H>] extends [never] ? unknown : Record<Misspelt<H>, "A room has no such handler">

type ServicesOf<H> = H extends Effect.Effect<any, any, infer R> ? R
  : H extends (...parameters: ReadonlyArray<any>) => Effect.Effect<any, any, infer R> ? R
  : never

/** What handlers need of the room's layer. */
export type HandlerServices<H> =
  | { [K in Exclude<keyof H, "deadlines" | "methods">]: ServicesOf<H[K]> }[Exclude<keyof H, "deadlines" | "methods">]
  | (H extends { readonly methods: infer M } ? { [K in keyof M]: ServicesOf<M[K]> }[keyof M] : never)
  | (H extends { readonly deadlines: infer D } ? { [K in keyof D]: ServicesOf<D[K]> }[keyof D] : never)

/** The services that a definition asks its layer for. */
export type Needs<D extends DeadlineSchemas, L, J, K> =
  | ([keyof D] extends [never] ? never : Deadlines.Deadlines)
  | ([L] extends [undefined] ? never : RoomLifetime.Lifetime)
  | ([J] extends [true] ? Journal.Journal : never)
  | ([K] extends [true] ? Directory.Directory : never)

/** What a definition may say beside its messages. */
export interface Options<State, Methods extends Calls.Method, D extends DeadlineSchemas, L, J, K> {
  /** What is kept for a connection while the object sleeps; nothing, unless given. */
  readonly state?: Schema.Codec<State, unknown> | undefined
  /** Methods that may be called from outside, beside those that every room answers: see `Rooms`. */
  readonly methods?: (ReadonlyArray<Methods> & Calls.Free<Methods>) | undefined
  /**
   * A text, and the text with which the runtime answers it, without waking the object. At most 2,048 UTF-8 bytes each.
   * In a JSON room they are `ping` and `pong`, unless given.
   */
  readonly autoResponse?: readonly [request: string, response: string]
  /** What the room's deadlines carry, by their names. The room's layer then needs that of `Deadlines`. */
  readonly deadlines?: D
  /** When the room ends by itself: never, unless given. The room's layer then needs that of `Lifetime`. */
  readonly lifetime?: L
  /**
   * Whether it is written down who is connected, so that the `close` handler also runs for those that a crash or a deploy
   * has taken: it is not, unless given. The room's layer then needs that of `Journal`.
   */
  readonly journal?: J
  /**
   * Whether the room stands in a directory while somebody is there, so that `Rooms` can list it: it does not, unless
   * given. The room's layer then needs that of a `Directory`.
   */
  readonly directory?: K
  /** What one client may do, where it differs from what every room allows. What a runtime is given goes before it. */
  readonly limits?: Partial<Limits.ClientLimits>
  /** @internal */
  readonly wire?: Wire
  /** Whether the messages of one connection wait for each other: they do, unless given. `none` turns it off. */
  readonly order?: Lifecycle.Order
}

interface Messages<Receive, Send, Frame> {
  /** What clients send. */
  readonly receive: Schema.Codec<Receive, Frame>
  /** What the server sends. */
  readonly send: Schema.Codec<Send, Frame>
}

/** The frames of a room that does not speak JSON. */
interface Frames {
  readonly text: string
  readonly binary: Uint8Array<ArrayBufferLike>
}

/** Defines a room. */
export const make: {
  /** A room that speaks JSON: one message a text frame. It may also speak bytes, as binary frames. */
  <
    const Name extends string,
    Receive,
    Send,
    State = undefined,
    Methods extends Calls.Method = never,
    ReceiveBytes = never,
    SendBytes = never,
    D extends DeadlineSchemas = {},
    L extends Lifetime | undefined = undefined,
    J extends boolean = false,
    K extends boolean = false,
    Refusal = never
  >(
    name: Name,
    options: Options<State, Methods, D, L, J, K> & Messages<Receive, Send, unknown> & {
      readonly format?: "json"
      /** The messages that are binary frames. A message that fits `send` here is sent as one. */
      readonly bytes?: Messages<ReceiveBytes, SendBytes, Frames["binary"]>
      /** The errors with which a handler may refuse a message. The sender is told, and nothing is logged. */
      readonly error?: Schema.Codec<Refusal, unknown>
    }
  ): Room<Name, Receive | ReceiveBytes, Send | SendBytes, State, Methods, PayloadsOf<D>, Needs<D, L, J, K>, Refusal>
  /** A room that speaks plain text, or bytes. */
  <
    const Name extends string,
    Receive,
    Send,
    F extends keyof Frames,
    State = undefined,
    Methods extends Calls.Method = never,
    D extends DeadlineSchemas = {},
    L extends Lifetime | undefined = undefined,
    J extends boolean = false,
    K extends boolean = false
  >(
    name: Name,
    options: Options<State, Methods, D, L, J, K> & Messages<Receive, Send, Frames[F]> & { readonly format: F }
  ): Room<Name, Receive, Send, State, Methods, PayloadsOf<D>, Needs<D, L, J, K>>
} = <const Name extends string, Receive, Send, State, Methods extends Calls.Method, D extends DeadlineSchemas, L, J, K>(
  name: Name,
  options: Options<State, Methods, D, L, J, K> & Messages<Receive, Send, unknown> & {
    readonly format?: Format
    readonly bytes?: Messages<any, any, any>
    readonly error?: Schema.Codec<any, unknown>
  }
): Room<Name, Receive, Send, State, Methods, PayloadsOf<D>, Needs<D, L, J, K>> => {
  const key = Context.Service<Identifier<Name>, Service<Send, State, PayloadsOf<D>>>(`effect-dormouse/Room/${name}`)
  const {
    autoResponse,
    bytes,
    deadlines = {},
    directory,
    error,
    format = "json",
    lifetime,
    limits = {},
    methods = [],
    order = "connection",
    receive,
    send,
    state,
    wire
  } = options
  const definition: Definition = {
    format,
    receive,
    send,
    bytes,
    error,
    state: StateCodec.make<unknown>(state ?? Schema.Undefined),
    methods,
    autoResponse: autoResponse ?? (format === "json" ? pingPong : undefined),
    order,
    deadlines,
    // SAFETY: it is one, or not given.
    lifetime: lifetime as Lifetime | undefined,
    directory: directory === true,
    limits,
    wire
  }
  return Object.assign(key, definition, {
    // SAFETY: the types are for the compiler alone.
    [Types]: undefined as never,
    toLayer: (handlers: unknown): Layer.Layer<never, any, any> =>
      Layer.effectDiscard(Effect.gen(function*() {
        const installation = yield* Handlers.installation<Name>(key.key)
        const services = yield* Effect.context()
        installation.install(erase(Effect.isEffect(handlers) ? yield* handlers : handlers), services)
      }))
  })
}

// `ping` is not JSON, so it never collides with a message.
const pingPong = ["ping", "pong"] as const

const nothing = () => Effect.void

// The registry and the protocol decode with the room's own schemas, so what reaches the handlers has their types.
const erase = (handlers: unknown): Handlers.Handlers => {
  // SAFETY: see above. What they need is in the context that is installed with them.
  const {
    alarm = Effect.void,
    close = nothing,
    connect = admit,
    deadlines = {},
    message = nothing,
    methods = {},
    open = nothing,
    retire = Effect.void
  } = handlers as Partial<Handlers.Handlers>
  return {
    alarm,
    deadlines,
    methods,
    retire,
    connect: Handlers.checked(connect),
    open: Handlers.checked(open),
    message: Handlers.checked(message),
    close: Handlers.checked(close)
  }
}

const admit = () => Effect.succeed({ state: undefined })
