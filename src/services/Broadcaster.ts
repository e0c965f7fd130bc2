/**
 * Delivers frames: to one connection, or to an audience. `Outbox` knows how they leave.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Audience from "../domain/Audience.ts"
import * as ConnectionId from "../domain/ConnectionId.ts"
import * as Identity from "../domain/Identity.ts"
import * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as Outbox from "./Outbox.ts"
import type * as Protocol from "./Protocol.ts"
import * as Sockets from "./Sockets.ts"

/** Whom a broadcast reaches. */
export interface BroadcastOptions {
  /** Everybody in the room, unless given. */
  readonly to?: Audience.Audience | undefined
  /** Connections to leave out. */
  readonly except?: ConnectionId.ConnectionId | ReadonlyArray<ConnectionId.ConnectionId> | undefined
}

export class Broadcaster extends Context.Service<Broadcaster, {
  /** Delivers a frame to one connection. */
  readonly send: (
    id: ConnectionId.ConnectionId,
    frame: Protocol.Frame
  ) => Effect.Effect<void, BroadcasterError | ConnectionRegistry.ConnectionRegistryError>
  /** Delivers a frame to an audience. */
  readonly broadcast: (frame: Protocol.Frame, options?: BroadcastOptions) => Effect.Effect<Outbox.Delivery>
  /**
   * Runs an effect for a newcomer and holds back what it does through {@link Broadcaster} and `orHold`. Succeeds with
   * the effect that lets it go, in order; where the effect fails, nothing ever leaves. The newcomer is in no audience
   * of what was held, though it may have entered by then.
   */
  readonly hold: <A, E, R>(
    newcomer: ConnectionId.ConnectionId,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<Effect.Effect<void>, E, R>
  /** Runs an effect now, or when what is being held goes; `held` is the answer in that case. */
  readonly orHold: <A, E>(effect: Effect.Effect<A, E>, held: A) => Effect.Effect<A, E>
}>()("effect-dormouse/services/Broadcaster") {
  /** The broadcaster over the connections of a registry. */
  static readonly layer: Layer.Layer<
    Broadcaster,
    never,
    ConnectionRegistry.ConnectionRegistry | Outbox.Outbox | Sockets.Sockets
  > = Layer.effect(
    Broadcaster,
    Effect.suspend(() => make)
  )
}

/** Makes the service; its layer does the same. */
export const make = Effect.gen(function*() {
  const registry = yield* ConnectionRegistry.ConnectionRegistry
  const outbox = yield* Outbox.Outbox
  const sockets = yield* Sockets.Sockets

  const orHold = <A, E>(effect: Effect.Effect<A, E>, held: A): Effect.Effect<A, E> =>
    Effect.flatMap(Held, ({ effects }) => {
      if (effects === undefined) return effect
      effects.push(effect)
      return Effect.succeed(held)
    })

  const sendTo = (socket: Sockets.Socket, id: ConnectionId.ConnectionId, frame: Protocol.Frame) => {
    try {
      outbox.send(socket, frame)
      return Effect.void
    } catch (cause) {
      return Effect.fail(new BroadcasterError({ reason: new SendFailed({ connection: id, cause }) }))
    }
  }

  const deliver = (frame: Protocol.Frame, options: BroadcastOptions, newcomer?: ConnectionId.ConnectionId) =>
    outbox.broadcast(frame, options.to ?? Audience.all, excepted(sockets, options.except, newcomer))

  return Broadcaster.of({
    send: (id, frame) =>
      Effect.withFiber<void, BroadcasterError | ConnectionRegistry.ConnectionRegistryError>((fiber) => {
        const socket = registry.socketOf(id)
        // The registry's own error.
        if (socket === undefined) return Effect.asVoid(registry.find(id))
        const { effects } = fiber.getRef(Held)
        if (effects === undefined) return sendTo(socket, id, frame)
        effects.push(Effect.suspend(() => sendTo(socket, id, frame)))
        return Effect.void
      }),
    broadcast: (frame, options = {}) =>
      Effect.withFiber((fiber) => {
        const { effects, newcomer } = fiber.getRef(Held)
        if (effects === undefined) return Effect.succeed(deliver(frame, options))
        effects.push(Effect.sync(() => deliver(frame, options, newcomer)))
        return Effect.succeed(nobody)
      }),
    hold: (newcomer, effect) =>
      Effect.suspend(() => {
        const holding: Holding = { newcomer, effects: [] }
        const release = Effect.suspend(() => {
          const effects = holding.effects ?? []
          holding.effects = undefined
          return Effect.forEach(effects, (held) => Effect.ignore(held), { discard: true })
        })
        return Effect.as(Effect.provideService(effect, Held, holding), release)
      }),
    orHold
  })
})

// What the running fiber holds back; `effects` is `undefined` where it holds nothing.
interface Holding {
  readonly newcomer?: ConnectionId.ConnectionId
  effects: Array<Effect.Effect<unknown, unknown>> | undefined
}

const Held = Context.Reference<Holding>("effect-dormouse/services/Broadcaster/Held", {
  defaultValue: () => ({ effects: undefined })
})

const nobody: Outbox.Delivery = { delivered: 0, failed: 0 }

const excepted = (
  sockets: Sockets.Sockets["Service"],
  except: BroadcastOptions["except"] = [],
  newcomer?: ConnectionId.ConnectionId
): ReadonlySet<Sockets.Socket> | undefined => {
  const ids = typeof except === "string" ? [except] : [...except]
  if (newcomer !== undefined) ids.push(newcomer)
  return ids.length === 0 ? undefined : new Set(ids.flatMap((id) => sockets.list(Identity.connectionTag(id))))
}

/** The runtime did not take the frame. */
export class SendFailed extends Data.TaggedError("SendFailed")<{
  readonly connection: ConnectionId.ConnectionId
  readonly cause: unknown
}> {
  override get message() {
    return `Nothing could be sent to the connection ${this.connection}`
  }
}

/** What went wrong in a delivery. */
export class BroadcasterError extends Data.TaggedError("BroadcasterError")<{
  readonly reason: SendFailed
}> {
  override get message() {
    return this.reason.message
  }
}
