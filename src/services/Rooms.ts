/**
 * The rooms of a definition, seen from outside: calls into a room by its name.
 *
 * Use it wherever an app tells a room something, or asks it. `DurableRooms` reaches rooms in Durable Objects, and
 * `MemoryRooms` the same rooms in process.
 *
 * **Example** (an endpoint that tells a room what happened)
 *
 * ```ts
 * const announce = Effect.fnUntraced(function*(name: string, text: string) {
 *   const rooms = yield* Rooms.key(Lobby)
 *   const { delivered } = yield* rooms.get(name).broadcast({ text })
 *   return delivered
 * })
 * ```
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Audience from "../domain/Audience.ts"
import * as Claims from "../domain/Claims.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import * as ConnectionId from "../domain/ConnectionId.ts"
import * as RoomError from "../domain/RoomError.ts"
import * as RoomName from "../domain/RoomName.ts"
import type * as Broadcaster from "./Broadcaster.ts"
import type * as Calls from "./Calls.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import type * as Drain from "./Drain.ts"
import type * as Entries from "./Entries.ts"
import type * as Lifecycle from "./Lifecycle.ts"
import type * as Outbox from "./Outbox.ts"
import type * as Room from "./Room.ts"
import * as RoomsError from "./RoomsError.ts"
import * as Spans from "./Spans.ts"

/** Marks the service of the rooms of one definition among those of others. */
export interface Rooms<in out Name extends string> {
  readonly _rooms: (name: Name) => Name
}

/** The rooms of a definition. Those that stand in a directory can be listed. */
export type Service<R extends Room.Any> = Always<R> & (Room.HasDirectory<R> extends true ? Listing : unknown)

/** What can be done with the rooms of every definition. */
export interface Always<in out R extends Room.Any> {
  /**
   * The room of a name: 1–128 of the characters `A–Z a–z 0–9 . _ ~ -`. It starts with its first call.
   */
  readonly get: (name: string) => Remote<R>
  /**
   * Ends the room of a name: closes everybody with 4500, runs its `retire` handler, and deletes its storage. If one of
   * these fails, the storage stays, and the call fails. Whoever comes afterwards finds a room that starts anew. The
   * room's layer must have that of `Lifetime`.
   */
  readonly destroy: (name: string) => Effect.Effect<void, RoomsError.RoomsError>
  /**
   * Asks the room of a name what a part of the library answers that the room's layer brings, like `Inspector`. Without
   * that part it is an `UnknownMethod`.
   */
  readonly ask: <A>(
    name: string,
    question: `:${string}`,
    decode: (value: unknown) => Result.Result<A, Schema.SchemaError>
  ) => Effect.Effect<A, RoomsError.RoomsError>
}

/** The rooms of a definition with `directory: true`. */
export interface Listing {
  /**
   * The rooms in which somebody is, in the order of their names (by UTF-16 code units): the first 100, unless the options
   * say otherwise. A page that is not full is the last one. A room is there a few seconds after its first connection, at
   * the latest. Each room that is listed is asked how many are connected, which wakes it. One that does not answer within
   * two seconds is listed without a count.
   */
  readonly list: (options?: Entries.ListOptions) => Effect.Effect<ReadonlyArray<Entries.Listed>, RoomsError.RoomsError>
}

/** Where the entries of rooms are kept that stand in a directory; nothing for others. */
export type Place<R extends Room.Any> = Room.HasDirectory<R> extends true ? [entries: Entries.Entries["Service"]] : []

/** A room as it is called from outside. */
export type Remote<R extends Room.Any> = BuiltIns<Room.Send<R>, Room.State<R>> & OwnMethods<Room.Methods<R>>

/** What every room answers. */
export interface BuiltIns<in Send, out State> {
  /** Sends a message to everybody, or to an audience. */
  readonly broadcast: (
    message: Send,
    options?: Broadcaster.BroadcastOptions
  ) => Effect.Effect<Outbox.Delivery, RoomsError.RoomsError>
  /** Sends a message to one connection. */
  readonly send: (id: ConnectionId.ConnectionId, message: Send) => Effect.Effect<void, RoomsError.RoomsError>
  /** The connections that are open, the oldest first: the first 1,000, unless the options say otherwise. */
  readonly connections: (
    options?: ConnectionRegistry.ListOptions
  ) => Effect.Effect<ReadonlyArray<ConnectionRegistry.Connection<State>>, RoomsError.RoomsError>
  /**
   * Closes a connection, or all of an audience: with 1000, unless another code is given, and a reason of at most 123
   * UTF-8 bytes. Succeeds with how many it closed. A connection that is not open is a failure; an empty audience is 0.
   */
  readonly close: (
    who: ConnectionId.ConnectionId | Audience.Audience,
    options?: Lifecycle.CloseOptions
  ) => Effect.Effect<number, RoomsError.RoomsError>
  /**
   * Closes what a user has open in the room: with 4501, unless another code is given. From now on no token of the user
   * holds in this room that was issued before. Succeeds with how many it closed. The room's layer must have that of
   * `Guard`.
   */
  readonly closeUser: (user: string, options?: Lifecycle.CloseOptions) => Effect.Effect<number, RoomsError.RoomsError>
  /**
   * Closes everybody in waves with 4001, so that they do not come back all at once. Succeeds with how many will be
   * closed; who enters meanwhile stays. The room's layer must have that of `Deadlines`.
   */
  readonly drain: (options: Drain.Options) => Effect.Effect<number, RoomsError.RoomsError>
  /**
   * Hands a request for a WebSocket to the room, with the claims that the app makes about it. Succeeds with the
   * response: pass a 101 on as it is. Nothing in the request itself is a claim.
   */
  readonly fetch: (request: Request, claims?: Claims.Claims) => Effect.Effect<Response, RoomsError.RoomsError>
}

/** The methods that a room declares, by their tags. */
export type OwnMethods<Methods extends Calls.Method> = {
  readonly [M in Methods as M["_tag"]]: (
    payload: M["payloadSchema"]["Type"]
  ) => Effect.Effect<M["successSchema"]["Type"], M["errorSchema"]["Type"] | RoomsError.RoomsError>
}

/** The key of the rooms of a definition. */
export const key = <R extends Room.Any>(room: R): Context.Service<Rooms<Room.Name<R>>, Service<R>> =>
  Context.Service<Rooms<Room.Name<R>>, Service<R>>(`effect-dormouse/services/Rooms/${room.key}`)

/** The way to one room. */
export interface Link {
  /** Carries a call to the `Calls` of the room, and its reply back. */
  readonly call: (method: string, payload: string, trace?: string) => Effect.Effect<string, RoomsError.RoomsError>
  readonly fetch: (request: Request, claims: Claims.Claims) => Effect.Effect<Response, RoomsError.RoomsError>
}

/** Makes the service from the ways to its rooms. Use it for a transport of your own. */
export const make = <R extends Room.Any>(
  room: R,
  open: (name: RoomName.RoomName) => Link,
  ...[entries]: Place<R>
): Service<R> => makeListed(room, open, entries)

/**
 * The same, where it is not known yet whether the rooms stand in a directory.
 *
 * @internal
 */
export const makeListed = <R extends Room.Any>(
  room: R,
  open: (name: RoomName.RoomName) => Link,
  entries: Entries.Entries["Service"] | undefined
): Service<R> => {
  type Send = Room.Send<R>
  type State = Room.State<R>
  const encodeMessage = encoder(room.send)
  const bytes = room.bytes && { isMessage: Schema.is(room.bytes.send), encode: encoder(room.bytes.send) }
  const decodeConnections = (value: unknown) =>
    Result.flatMap(
      decodeIdentities(value),
      (connections) =>
        Result.all(connections.map(({ state, user, ...connection }) =>
          // SAFETY: the codec is that of the room's states.
          Result.map(room.state.decode(state), (state) => ({ ...connection, user, state: state as State }))
        ))
    )
  const methods = room.methods.map((method) => ({
    tag: method._tag,
    encodePayload: encoder(method.payloadSchema),
    decodeSuccess: decoder(method.successSchema),
    decodeError: decoder(method.errorSchema)
  }))

  // As much as possible is done before the call, since each step of an effect costs time.
  const callBy = <A, E>(
    link: Link,
    name: string,
    method: string,
    payload: unknown,
    decode: (value: unknown) => Result.Result<A, Schema.SchemaError>,
    decodeError: (error: unknown) => Result.Result<E, Schema.SchemaError>
  ): Effect.Effect<A, E | RoomsError.RoomsError> =>
    Effect.flatMap(
      linked(link, name, method, payload === undefined ? "" : JSON.stringify(payload)),
      (text): Effect.Effect<A, E | RoomsError.RoomsError> => {
        const reply = read(text)
        switch (reply?._tag) {
          case "Success": {
            const value = decode(reply.value)
            return Result.isSuccess(value) ? Effect.succeed(value.success) : invalidReply(method, value.failure)
          }
          case "Failure": {
            const error = decodeError(reply.error)
            return Result.isSuccess(error) ? Effect.fail(error.success) : invalidReply(method, error.failure)
          }
          case "Refused": {
            const reason = decodeRefusal(reply.reason)
            return Result.isSuccess(reason) ? fail(reason.success) : invalidReply(method, reason.failure)
          }
          default:
            return invalidReply(method, { message: "This is no reply of a room" })
        }
      }
    )

  const remote = (link: Link, name: string) => {
    const callBuiltIn = <A, Method extends keyof Calls.BuiltIns>(
      method: Method,
      payload: Calls.BuiltIns[Method],
      decode: (value: unknown) => Result.Result<A, Schema.SchemaError>
    ) => callBy(link, name, method, payload, decode, noError)

    const encodedMessage = <A>(
      message: Send,
      use: (carried: Calls.Carried) => Effect.Effect<A, RoomsError.RoomsError>
    ) => {
      const encoded: Result.Result<Calls.Carried, Schema.SchemaError> = bytes?.isMessage(message)
        ? Result.map(bytes.encode(message), (bytes) => ({ bytes }))
        : Result.map(encodeMessage(message), (message) => ({ message }))
      return Result.isSuccess(encoded)
        ? use(encoded.success)
        : fail(new RoomError.InvalidMessage({ detail: encoded.failure.message }))
    }

    const builtIns: BuiltIns<Send, State> & Pick<Always<R>, "destroy"> = {
      broadcast: (message, { except, to } = {}) =>
        encodedMessage(message, (carried) => callBuiltIn("broadcast", { ...carried, to, except }, decodeDelivery)),
      send: (id, message) =>
        encodedMessage(message, (carried) => callBuiltIn("send", { id, ...carried }, decodeNothing)),
      connections: (options = {}) => callBuiltIn("connections", options, decodeConnections),
      close: (who, { code, reason } = {}) =>
        // No JSON carries every number, nor one without end.
        CloseCode.isSendable(code ?? CloseCode.normal)
          ? callBuiltIn("close", { who, code, reason }, decodeCount)
          : fail(new RoomError.InvalidClose({ code: code!, reason: reason ?? "" })),
      closeUser: (user, { code, reason } = {}) =>
        CloseCode.isSendable(code ?? CloseCode.normal)
          ? callBuiltIn("closeUser", { user, code, reason }, decodeCount)
          : fail(new RoomError.InvalidClose({ code: code!, reason: reason ?? "" })),
      drain: ({ over }) =>
        callBuiltIn("drain", { over: Math.min(Duration.toMillis(over), Number.MAX_VALUE) }, decodeCount),
      destroy: () => callBuiltIn("destroy", {}, decodeNothing),
      fetch: (request, claims = Claims.none) =>
        traced(name, "fetch", (trace) => link.fetch(trace === undefined ? request : withTrace(request, trace), claims))
    }

    const own: Record<string, (payload: unknown) => Effect.Effect<unknown, unknown>> = {}
    for (const { decodeError, decodeSuccess, encodePayload, tag } of methods) {
      own[tag] = (payload) => {
        const encoded = encodePayload(payload)
        return Result.isSuccess(encoded)
          ? callBy(link, name, tag, encoded.success, decodeSuccess, decodeError)
          : fail(new RoomsError.InvalidPayload({ method: tag, detail: encoded.failure.message }))
      }
    }
    // SAFETY: there is one function a method, of its schemas.
    return { ...own, ...builtIns } as unknown as Remote<R> & Pick<Always<R>, "destroy">
  }

  const linkTo = (name: string): Link =>
    RoomName.is(name) ? open(name) : nowhere(RoomsError.make(new RoomsError.InvalidRoomName({ name })))

  const get = (name: string) => remote(linkTo(name), name)

  const ask: Always<R>["ask"] = (name, question, decode) =>
    callBy(linkTo(name), name, question, undefined, decode, noError)

  const service: Always<R> & Partial<Listing> = {
    get,
    destroy: (name) => get(name).destroy(name),
    ask,
    ...(room.directory && entries !== undefined && {
      list: (options = {}) =>
        Effect.mapError(
          entries.list(room.key, options, (name) => ask(name, ":occupancy", decodeOccupancy)),
          RoomsError.make
        )
    })
  }
  // SAFETY: it lists if the room stands in a directory, since there are entries then.
  return service as Service<R>
}

const read = (text: string): Calls.Reply | undefined => {
  try {
    // SAFETY: where it is `Calls` that answers, it is one; anything else has no tag that is known.
    return JSON.parse(text) as Calls.Reply
  } catch {
    return undefined
  }
}

// In a span of its own, where somebody traces, which goes along to the room.
const traced = <A>(
  room: string,
  method: string,
  call: (trace: string | undefined) => Effect.Effect<A, RoomsError.RoomsError>
) =>
  Effect.withFiber<A, RoomsError.RoomsError>(({ context }) => {
    const tracer = Spans.tracerOf(context)
    const here = Spans.spanOf(context)
    if (tracer === undefined) return call(here)
    const origin = { caller: here, attributes: { room, method } }
    return Spans.within(tracer, "Rooms.call", origin, Effect.flatMap(Spans.current, call))
  })

const linked = (link: Link, room: string, method: string, payload: string) =>
  traced(room, method, (trace) => link.call(method, payload, trace))

const withTrace = (request: Request, trace: string) => {
  const headers = new Headers(request.headers)
  headers.set("traceparent", trace)
  return new Request(request, { headers })
}

const nowhere = (error: RoomsError.RoomsError): Link => ({
  call: () => Effect.fail(error),
  fetch: () => Effect.fail(error)
})

const encoder = (schema: Schema.Codec<any, any>) => Schema.encodeUnknownResult(Schema.toCodecJson(schema))

const decoder = <A>(schema: Schema.Codec<A, any>) => Schema.decodeUnknownResult(Schema.toCodecJson(schema))

const noError = decoder(Schema.Never)

// What a built-in call gives is plain data as it is.
const decodeNothing = Schema.decodeUnknownResult(Schema.Void)
const decodeCount = Schema.decodeUnknownResult(Schema.Int)
const decodeDelivery = Schema.decodeUnknownResult(Schema.Struct({ delivered: Schema.Int, failed: Schema.Int }))
const decodeOccupancy = Schema.decodeUnknownResult(
  Schema.Struct({ connections: Schema.Int, since: Schema.optionalKey(Schema.Finite) })
)
const decodeRefusal = Schema.decodeUnknownResult(Schema.toCodecJson(RoomsError.Refusal))
const decodeIdentities = Schema.decodeUnknownResult(Schema.Array(Schema.Struct({
  id: ConnectionId.ConnectionId,
  user: Schema.optionalKey(Schema.String),
  labels: Schema.Array(Schema.String),
  protocol: Schema.String,
  state: Schema.Unknown
})))

const fail = (reason: RoomsError.RoomsError["reason"]) => Effect.fail(RoomsError.make(reason))

const invalidReply = (method: string, { message }: { readonly message: string }) =>
  fail(new RoomsError.InvalidReply({ method, detail: message }))
