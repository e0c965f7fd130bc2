/**
 * Answers calls from outside the room: those that every room answers, and the methods that the room declares.
 *
 * A payload and a reply are JSON texts, so any transport can carry them. A Durable Object takes a text faster than an
 * object. `Rooms` is the caller's side.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Audience from "../domain/Audience.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as RoomError from "../domain/RoomError.ts"
import type { Assembly } from "./Assembly.ts"
import type * as Broadcaster from "./Broadcaster.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as RoomHandlers from "./Handlers.ts"
import type * as Lifecycle from "./Lifecycle.ts"
import type * as Room from "./Room.ts"
import type * as RoomsError from "./RoomsError.ts"
import * as Spans from "./Spans.ts"

/** A method that a room declares: its tag and its schemas. What `Rpc.make` of `effect/rpc` makes is one. */
export interface Method {
  readonly _tag: string
  readonly payloadSchema: Schema.Codec<any, any>
  readonly successSchema: Schema.Codec<any, any>
  readonly errorSchema: Schema.Codec<any, any>
}

/** What only some rooms answer: `Deadlines` bring `drain`, `Lifetime` brings `destroy`, and `Directory` the third. */
export type Brought = "closeUser" | "destroy" | "drain" | ":occupancy"

/** Answers a built-in call. */
export type Answer = (payload: any) => Effect.Effect<unknown, RoomError.RoomError>

/** What `Rooms` may ask of every room. A method that a room declares has another name. */
export type BuiltIn = "broadcast" | "close" | "closeUser" | "connections" | "destroy" | "drain" | "fetch" | "send"

/** Refuses methods whose tag is taken. */
export type Free<Methods extends Method> = [Extract<Methods["_tag"], BuiltIn>] extends [never] ? unknown : never

/** The handlers of a room's methods, by their tags. A caller learns of a failure, and nothing about a defect. */
export type Handlers<Methods extends Method> = {
  readonly [M in Methods as M["_tag"]]: (
    payload: M["payloadSchema"]["Type"]
  ) => Effect.Effect<M["successSchema"]["Type"], M["errorSchema"]["Type"], any>
}

/** What comes back from a call, as JSON. */
export type Reply =
  | { readonly _tag: "Success"; readonly value: unknown }
  /** The method's own error, encoded by its schema. */
  | { readonly _tag: "Failure"; readonly error: unknown }
  /** The call was not answered. `Rooms` has the schema of the reason. */
  | { readonly _tag: "Refused"; readonly reason: RoomsError.RefusalEncoded }

/** A message as a call carries it, encoded by the room's schemas; `bytes` if it is one of its binary frames. */
export type Carried = { readonly message: unknown } | { readonly bytes: unknown }

/** What the built-in calls carry. `state` is encoded by the room's schema. */
export interface BuiltIns {
  readonly broadcast: Carried & {
    readonly to: Audience.Audience | undefined
    readonly except: Broadcaster.BroadcastOptions["except"]
  }
  readonly send: Carried & { readonly id: ConnectionId.ConnectionId }
  readonly connections: ConnectionRegistry.ListOptions
  readonly close: Lifecycle.CloseOptions & { readonly who: ConnectionId.ConnectionId | Audience.Audience }
  readonly closeUser: Lifecycle.CloseOptions & { readonly user: string }
  /** In milliseconds. */
  readonly drain: { readonly over: number }
  readonly destroy: {}
  /** Who lists the rooms asks each. No method that a room declares is called so. */
  readonly ":occupancy": undefined
}

/** Answers the calls of a room. */
export interface Calls {
  /**
   * Answers a call by a {@link Reply} as JSON. The payload is JSON, or an empty text if there is none. What a handler
   * gets wrong is logged, and the caller learns that the call failed.
   */
  readonly call: (method: string, payload: string, trace?: string) => Effect.Effect<string>
}

/**
 * Makes what answers the calls of a room. `retryAfter` says when a room may be asked again that did not start. What the
 * room's layer brings answers once the room has started, and while it ends.
 *
 * @internal
 */
export const make = (
  room: Room.Any,
  service: Room.Service<any, any>,
  assembly: Assembly,
  retryAfter: Effect.Effect<number>,
  isEnding: () => boolean
): Calls => {
  // Made by the first call: an object that wakes for a message has no use for it.
  let answer: ((name: string, payload: unknown) => Effect.Effect<Reply>) | undefined

  const call = (name: string, payload: string): Effect.Effect<string> =>
    Effect.suspend(() => {
      answer ??= makeAnswer(room, service, assembly, retryAfter, isEnding)
      return answer(name, payload === "" ? undefined : JSON.parse(payload))
    }).pipe(
      Effect.catchCause((cause) =>
        Effect.logError("The room's handler failed", cause).pipe(
          Effect.annotateLogs({ event: "call", method: name }),
          Effect.map(() => refused({ _tag: "CallFailed", method: name }))
        )
      ),
      Effect.map((reply) => JSON.stringify(reply))
    )

  return {
    call: (name, payload, trace) => {
      const { tracer } = assembly
      if (tracer === undefined) return call(name, payload)
      const origin = { caller: trace, attributes: { room: service.name, method: name } }
      return Spans.within(tracer, "Room.call", origin, call(name, payload))
    }
  }
}

const makeAnswer = (
  room: Room.Any,
  service: Room.Service<any, any>,
  assembly: Assembly,
  retryAfter: Effect.Effect<number>,
  isEnding: () => boolean
) => {
  const withMessage = <A>(carried: Carried, use: (message: unknown) => Effect.Effect<A, RoomError.RoomError>) => {
    const { bytes, message: text } = codecs(room)
    const message = "bytes" in carried ? bytes(carried.bytes) : text(carried.message)
    return Result.isSuccess(message)
      ? use(message.success)
      : Effect.fail(RoomError.make(new RoomError.InvalidMessage({ detail: message.failure.message })))
  }

  const closeAll = Effect.fnUntraced(function*({ code, reason }: BuiltIns["close"], audience: Audience.Audience) {
    let closed = 0
    for (const socket of assembly.registry.open(audience)) {
      const identity = yield* Effect.result(assembly.registry.identify(socket))
      if (Result.isFailure(identity)) continue
      const result = yield* Effect.result(service.close(identity.success.id, { code, reason }))
      if (Result.isSuccess(result)) closed++
      // A handler that ran meanwhile may have closed it already.
      else if (result.failure.reason._tag !== "UnknownConnection") return yield* result.failure
    }
    return closed
  })

  const builtIns: {
    readonly [Name in Exclude<keyof BuiltIns, Brought>]: (
      payload: BuiltIns[Name]
    ) => Effect.Effect<unknown, RoomError.RoomError>
  } = {
    broadcast: (payload) => withMessage(payload, (message) => service.broadcast(message, payload)),
    send: (payload) => withMessage(payload, (message) => service.send(payload.id, message)),
    connections: (options) =>
      Effect.map(service.connections(options), (connections) =>
        connections.map((connection) => ({
          ...connection,
          state: Result.getOrThrow(room.state.encode(connection.state))
        }))),
    close: ({ who, ...options }) =>
      typeof who === "string" ? Effect.map(service.close(who, options), () => 1) : closeAll({ who, ...options }, who)
  }

  const callBuiltIn = (answer: Answer, payload: unknown): Effect.Effect<Reply> =>
    Effect.map(
      Effect.result(answer(payload)),
      (result): Reply =>
        Result.isFailure(result) ? refused(result.failure.reason) : { _tag: "Success", value: result.success }
    )

  const callOwn = (name: string, payload: unknown): Effect.Effect<Reply> => {
    if (assembly.handlers === undefined) {
      return Effect.map(retryAfter, (seconds) => refused({ _tag: "NotReady", retryAfter: seconds }))
    }
    const method = codecs(room).methods.get(name)
    const handle = assembly.handlers.methods[name]
    if (method === undefined || handle === undefined) {
      return Effect.succeed(refused({ _tag: "UnknownMethod", method: name }))
    }
    const decoded = method.payload(payload)
    if (Result.isFailure(decoded)) {
      return Effect.succeed(refused({ _tag: "InvalidPayload", method: name, detail: decoded.failure.message }))
    }
    const handling = Effect.suspend(() => {
      assembly.asking++
      const answering = Effect.suspend(() => RoomHandlers.checked(handle)(decoded.success))
      return Effect.onExitPrimitive(answering, () => {
        assembly.asking--
        return undefined
      })
    })
    return Effect.map(Effect.result(handling), (result): Reply =>
      // What the schemas refuse is no answer that the method declares.
      Result.isFailure(result)
        ? { _tag: "Failure", error: Result.getOrThrow(method.error(result.failure)) }
        : { _tag: "Success", value: Result.getOrThrow(method.success(result.success)) })
  }

  return (name: string, payload: unknown): Effect.Effect<Reply> => {
    // SAFETY: it is `Rooms` that made the payload; from anything else this is a defect, which is answered as one.
    const answer = Object.hasOwn(builtIns, name)
      ? builtIns[name as keyof typeof builtIns] as Answer
      : assembly.handlers !== undefined || isEnding()
      ? assembly.answers.get(name)
      : undefined
    return answer === undefined ? callOwn(name, payload) : callBuiltIn(answer, payload)
  }
}

// The fields of a reason are JSON as they are. What the runtime said stays inside: the caller learns the reason.
const refused = (reason: RoomsError.RefusalEncoded): Reply => ({
  _tag: "Refused",
  reason: "cause" in reason ? { ...reason, cause: null } : { ...reason }
})

const compile = (room: Room.Any) => ({
  message: Schema.decodeUnknownResult(Schema.toCodecJson(room.send)),
  // Without bytes, nothing that is carried as bytes fits.
  bytes: Schema.decodeUnknownResult(Schema.toCodecJson(room.bytes?.send ?? Schema.Undefined)),
  methods: new Map(
    room.methods.map(({ _tag, errorSchema, payloadSchema, successSchema }) => [_tag, {
      payload: Schema.decodeUnknownResult(Schema.toCodecJson(payloadSchema)),
      success: Schema.encodeUnknownResult(Schema.toCodecJson(successSchema)),
      error: Schema.encodeUnknownResult(Schema.toCodecJson(errorSchema))
    }])
  )
})

// Codecs are pure: the objects of a room share them, and none compiles them before the first call.
const compiled = new WeakMap<Room.Any, ReturnType<typeof compile>>()

const codecs = (room: Room.Any) => {
  const known = compiled.get(room)
  if (known !== undefined) return known
  const made = compile(room)
  compiled.set(room, made)
  return made
}
