/**
 * Delivers frames: to one connection, or to an audience. `Outbox` knows how they leave.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Audience from "../domain/Audience.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as RoomError from "../domain/RoomError.ts"
import type { Assembly } from "./Assembly.ts"
import type * as Outbox from "./Outbox.ts"
import type * as Protocol from "./Protocol.ts"
import type * as Sockets from "./Sockets.ts"

/** Whom a broadcast reaches. */
export interface BroadcastOptions {
  /** Everybody in the room, unless given. */
  readonly to?: Audience.Audience | undefined
  /** Connections to leave out. */
  readonly except?: ConnectionId.ConnectionId | ReadonlyArray<ConnectionId.ConnectionId> | undefined
}

export class Broadcaster extends Context.Service<Broadcaster, {
  /** Delivers a frame to one connection. */
  readonly send: (id: ConnectionId.ConnectionId, frame: Protocol.Frame) => Effect.Effect<void, RoomError.RoomError>
  /** Delivers a frame to an audience. */
  readonly broadcast: (frame: Protocol.Frame, options?: BroadcastOptions) => Effect.Effect<Outbox.Delivery>
  /**
   * Runs an effect for a newcomer, and holds back what it does through {@link Broadcaster} and `orHold`. Succeeds with
   * an effect that lets all of it go, in order. If the given effect fails, nothing leaves. What was held never reaches
   * the newcomer as part of an audience, even if it has entered by then.
   */
  readonly hold: <A, E, R>(
    newcomer: ConnectionId.ConnectionId,
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<Effect.Effect<void>, E, R>
  /**
   * Runs an effect now, or when what is being held goes, in order; `last` is after all that is held in order. `held` is the
   * answer in that case.
   */
  readonly orHold: <A, E>(effect: Effect.Effect<A, E>, held: A, when?: "last") => Effect.Effect<A, E>
}>()("effect-dormouse/services/Broadcaster") {}

/**
 * Makes the broadcaster of a room.
 *
 * @internal
 */
export const make = (assembly: Assembly): Broadcaster["Service"] => {
  const sendTo = (socket: Sockets.Socket, id: ConnectionId.ConnectionId, frame: Protocol.Frame) => {
    try {
      assembly.outbox.send(socket, frame)
      return Effect.void
    } catch (cause) {
      return Effect.fail(RoomError.make(new RoomError.SendFailed({ connection: id, cause })))
    }
  }

  const excepted = (
    except: BroadcastOptions["except"] = [],
    newcomer?: ConnectionId.ConnectionId
  ): ReadonlySet<Sockets.Socket> | undefined => {
    const ids = typeof except === "string" ? [except] : [...except]
    if (newcomer !== undefined) ids.push(newcomer)
    if (ids.length === 0) return undefined
    const sockets = new Set<Sockets.Socket>()
    for (const id of ids) {
      const socket = assembly.registry.socketOf(id)
      if (socket !== undefined) sockets.add(socket)
    }
    return sockets
  }

  const deliver = (frame: Protocol.Frame, options: BroadcastOptions, newcomer?: ConnectionId.ConnectionId) =>
    assembly.outbox.broadcast(frame, options.to ?? Audience.all, excepted(options.except, newcomer))

  return Broadcaster.of({
    send: (id, frame) =>
      Effect.withFiber<void, RoomError.RoomError>((fiber) => {
        const socket = assembly.registry.socketOf(id)
        // The registry's own error.
        if (socket === undefined) return Effect.asVoid(assembly.registry.find(id))
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
        const holding: Holding = { newcomer, effects: [], last: [] }
        const release = Effect.gen(function*() {
          const effects = [...holding.effects ?? [], ...holding.last]
          holding.effects = undefined
          for (const held of effects) yield* Effect.catchCause(held, (cause) => failed(newcomer, cause))
        })
        return Effect.map(Effect.provideService(effect, Held, holding), () => release)
      }),
    orHold: <A, E>(effect: Effect.Effect<A, E>, held: A, when?: "last") =>
      Effect.withFiber<A, E>((fiber) => {
        const { effects, last } = fiber.getRef(Held)
        if (effects === undefined) return effect
        ;(when === undefined ? effects : last).push(effect)
        return Effect.succeed(held)
      })
  })
}

// The handler was told that it succeeded, so the log is the only place that learns of the failure.
const failed = (newcomer: ConnectionId.ConnectionId, cause: Cause.Cause<unknown>) =>
  Effect.logError("What a handler did in `open` failed once it was let go", cause).pipe(
    Effect.annotateLogs({ event: "open", connection: newcomer })
  )

// What the running fiber holds back; `effects` is `undefined` if it holds nothing.
interface Holding {
  readonly newcomer?: ConnectionId.ConnectionId
  effects: Array<Effect.Effect<unknown, unknown>> | undefined
  /** What comes after all of them: whoever is closed is told of by others, and the newcomer hears its own first. */
  readonly last: Array<Effect.Effect<unknown, unknown>>
}

const Held = Context.Reference<Holding>("effect-dormouse/services/Broadcaster/Held", {
  defaultValue: () => ({ effects: undefined, last: [] })
})

const nobody: Outbox.Delivery = { delivered: 0, failed: 0 }
