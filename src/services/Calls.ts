/**
 * Answers calls from outside the room: what every room can be asked to do, and the methods that it declares.
 *
 * A payload and a reply are JSON texts, so any transport can carry them, and fast: a Durable Object takes a text in less
 * time than the object that it stands for. `Rooms` is the caller's side.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Audience from "../domain/Audience.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Broadcaster from "./Broadcaster.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"

/** A method that a room declares: its tag and its schemas. What `Rpc.make` of `effect/rpc` makes is one. */
export interface Method {
  readonly _tag: string
  readonly payloadSchema: Schema.Codec<any, any>
  readonly successSchema: Schema.Codec<any, any>
  readonly errorSchema: Schema.Codec<any, any>
}

/** What every room answers. No method that a room declares may be called like one of these. */
export type BuiltIn = "broadcast" | "close" | "connections" | "fetch" | "send"

/** Refuses methods whose tag is taken. */
export type Free<Methods extends Method> = [Extract<Methods["_tag"], BuiltIn>] extends [never] ? unknown : never

/** The handlers of a room's methods, by their tags. A failure reaches the caller, a defect does not. */
export type Handlers<Methods extends Method> = {
  readonly [M in Methods as M["_tag"]]: (
    payload: M["payloadSchema"]["Type"]
  ) => Effect.Effect<M["successSchema"]["Type"], M["errorSchema"]["Type"]>
}

/** The handlers of any methods. */
export type AnyHandlers = Readonly<Record<string, (payload: unknown) => Effect.Effect<unknown, unknown>>>

/** What comes back from a call, as JSON. */
export type Reply =
  | { readonly _tag: "Success"; readonly value: unknown }
  /** The method's own error, encoded by its schema. */
  | { readonly _tag: "Failure"; readonly error: unknown }
  /** The call came to nothing; the reason's tag says why. */
  | { readonly _tag: "Refused"; readonly reason: { readonly _tag: string; readonly message: string } }

/** What the built-in calls carry. `message` and `state` are encoded by the room's schemas. */
export interface BuiltIns {
  readonly broadcast: {
    readonly message: unknown
    readonly to: Audience.Audience | undefined
    readonly except: Broadcaster.BroadcastOptions["except"]
  }
  readonly send: { readonly id: ConnectionId.ConnectionId; readonly message: unknown }
  readonly connections: { readonly of: Audience.Audience | undefined }
  readonly close: {
    readonly who: ConnectionId.ConnectionId | Audience.Audience
    readonly code: number | undefined
    readonly reason: string | undefined
  }
}

export class Calls extends Context.Service<Calls, {
  /** Gives the room's own methods their handlers. Until then they are refused. */
  readonly install: (handlers: AnyHandlers) => Effect.Effect<void>
  /**
   * Answers a call: a payload as JSON, an empty text where there is none, by a {@link Reply} as JSON. What a handler gets
   * wrong is logged, and the caller learns that the call failed.
   */
  readonly call: (method: string, payload: string) => Effect.Effect<string>
}>()("effect-dormouse/services/Calls") {}

/** What a call needs of the room's definition. */
interface Definition {
  readonly send: Schema.Codec<any, unknown>
  readonly state: ConnectionRegistry.StateCodec
  readonly methods: ReadonlyArray<Method>
}

interface ReasonedError {
  readonly reason: { readonly _tag: string; readonly message: string }
}

/** What a call needs of the room's service. */
interface Service {
  readonly send: (id: ConnectionId.ConnectionId, message: any) => Effect.Effect<void, ReasonedError>
  readonly broadcast: (message: any, options: Broadcaster.BroadcastOptions) => Effect.Effect<unknown, ReasonedError>
  readonly connections: (
    audience?: Audience.Audience
  ) => Effect.Effect<ReadonlyArray<ConnectionRegistry.Connection<any>>, ReasonedError>
  readonly close: (
    id: ConnectionId.ConnectionId,
    code?: number,
    reason?: string
  ) => Effect.Effect<void, ReasonedError>
}

/** Makes the service of a room. */
export const make = (
  room: Definition,
  service: Service,
  registry: ConnectionRegistry.ConnectionRegistry["Service"]
): Calls["Service"] => {
  let handlers: AnyHandlers | undefined
  // Made by the first call: an object that wakes for a message has no use for it.
  let answer: ((name: string, payload: unknown) => Effect.Effect<Reply>) | undefined

  return Calls.of({
    install: (installed) =>
      Effect.sync(() => {
        handlers = installed
      }),
    call: (name, payload) =>
      Effect.suspend(() => {
        answer ??= makeAnswer(room, service, registry, () => handlers)
        return answer(name, payload === "" ? undefined : JSON.parse(payload))
      }).pipe(
        Effect.matchCauseEffect({
          onFailure: (cause) =>
            Effect.logError("The room's handler failed", cause).pipe(
              Effect.annotateLogs({ event: "call", method: name }),
              Effect.as(JSON.stringify(refused("CallFailed", "The room failed to answer.")))
            ),
          onSuccess: (reply) => Effect.succeed(JSON.stringify(reply))
        })
      )
  })
}

const makeAnswer = (
  room: Definition,
  service: Service,
  registry: ConnectionRegistry.ConnectionRegistry["Service"],
  installed: () => AnyHandlers | undefined
) => {
  const message = (encoded: unknown) =>
    Effect.mapError(Effect.fromResult(codecs(room).message(encoded)), ({ message }) => ({
      reason: { _tag: "InvalidMessage", message }
    }))

  const closeAll = Effect.fnUntraced(function*({ code, reason }: BuiltIns["close"], audience: Audience.Audience) {
    let closed = 0
    for (const socket of registry.open(audience)) {
      const identity = yield* Effect.result(registry.identify(socket))
      if (Result.isFailure(identity)) continue
      const result = yield* Effect.result(service.close(identity.success.id, code, reason))
      if (Result.isSuccess(result)) closed++
      // A handler that ran meanwhile may have closed it already.
      else if (result.failure.reason._tag !== "UnknownConnection") return yield* Effect.fail(result.failure)
    }
    return closed
  })

  const builtIns: {
    readonly [Name in keyof BuiltIns]: (payload: BuiltIns[Name]) => Effect.Effect<unknown, ReasonedError>
  } = {
    broadcast: (payload) => Effect.flatMap(message(payload.message), (sent) => service.broadcast(sent, payload)),
    send: ({ id, ...payload }) => Effect.flatMap(message(payload.message), (sent) => service.send(id, sent)),
    connections: (payload) =>
      Effect.map(service.connections(payload.of), (connections) =>
        connections.map((connection) => ({
          ...connection,
          state: Result.getOrThrow(room.state.encode(connection.state))
        }))),
    close: (payload) =>
      typeof payload.who === "string"
        ? Effect.as(service.close(payload.who, payload.code, payload.reason), 1)
        : closeAll(payload, payload.who)
  }

  const callBuiltIn = (name: keyof BuiltIns, payload: unknown): Effect.Effect<Reply> =>
    // SAFETY: it is `Rooms` that made the payload; from anything else this is a defect, which is answered as one.
    Effect.match(builtIns[name](payload as never), {
      onFailure: ({ reason: { message, ...reason } }) => refused(reason._tag, message, reason),
      onSuccess: (value) => ({ _tag: "Success", value })
    })

  const callOwn = (name: string, payload: unknown): Effect.Effect<Reply> => {
    const method = codecs(room).methods.get(name)
    const handlers = installed()
    if (method === undefined) return Effect.succeed(refused("UnknownMethod", "The room has no such method."))
    if (handlers === undefined) return Effect.succeed(refused("NotReady", "The room could not be started."))
    const decoded = method.payload(payload)
    if (Result.isFailure(decoded)) return Effect.succeed(refused("InvalidPayload", decoded.failure.message))
    return Effect.match(handlers[name]!(decoded.success), {
      // What the schemas refuse is no answer that the method declares.
      onFailure: (error) => ({ _tag: "Failure", error: Result.getOrThrow(method.error(error)) }),
      onSuccess: (value) => ({ _tag: "Success", value: Result.getOrThrow(method.success(value)) })
    })
  }

  return (name: string, payload: unknown): Effect.Effect<Reply> =>
    // SAFETY: see above.
    Object.hasOwn(builtIns, name) ? callBuiltIn(name as keyof BuiltIns, payload) : callOwn(name, payload)
}

const refused = (tag: string, message: string, reason: object = {}): Reply => {
  // A cause need not be data that a transport can carry.
  const plain = { ...reason, cause: undefined, _tag: tag, message }
  return { _tag: "Refused", reason: plain }
}

const compile = (room: Definition) => ({
  message: Schema.decodeUnknownResult(Schema.toCodecJson(room.send)),
  methods: new Map(
    room.methods.map(({ _tag, errorSchema, payloadSchema, successSchema }) => [_tag, {
      payload: Schema.decodeUnknownResult(Schema.toCodecJson(payloadSchema)),
      success: Schema.encodeUnknownResult(Schema.toCodecJson(successSchema)),
      error: Schema.encodeUnknownResult(Schema.toCodecJson(errorSchema))
    }])
  )
})

// Codecs are pure: the objects of a room share them, and none compiles them before the first call.
const compiled = new WeakMap<Definition, ReturnType<typeof compile>>()

const codecs = (room: Definition) => {
  const known = compiled.get(room)
  if (known !== undefined) return known
  const made = compile(room)
  compiled.set(room, made)
  return made
}
