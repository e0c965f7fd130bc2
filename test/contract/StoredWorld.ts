/**
 * What the contracts of stored things need of the world that a room lives in: its storage outlives everything but its end.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Claims from "../../src/domain/Claims.ts"
import type * as CloseCode from "../../src/domain/CloseCode.ts"
import type * as Problem from "../../src/domain/Problem.ts"
import type * as Room from "../../src/services/Room.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"

export interface StoredClient {
  readonly send: (text: string) => Effect.Effect<void>
  readonly sendFrame: (frame: string) => Effect.Effect<void>
  /** The texts that have come since the last look. */
  readonly received: Effect.Effect<ReadonlyArray<string>>
  readonly close: Effect.Effect<void>
  /** The connection breaks off. */
  readonly drop: Effect.Effect<void>
  /** How the connection ended; `undefined` while it lives. */
  readonly closed: Effect.Effect<Pick<CloseCode.Close, "code" | "reason"> | undefined>
}

export interface StoredWorld<R extends Room.Any> {
  readonly run: <A, E>(effect: Effect.Effect<A, E, RoomRuntime.Services<R>>) => Effect.Effect<A, E>
  /** A client of a room that speaks JSON, about whom the app claims something. */
  readonly connect: (
    query?: string,
    claims?: Claims.Claims
  ) => Effect.Effect<StoredClient, Problem.Problem, Scope.Scope>
  /** Answers a call of `Rooms`. */
  readonly call: (method: string, payload?: string) => Effect.Effect<string>
  /** Lets so many milliseconds pass. */
  readonly elapse: (millis: number) => Effect.Effect<void>
  readonly evict: Effect.Effect<void>
  /** The object goes with all its connections, and its storage stays. */
  readonly crash: Effect.Effect<void>
}

/** The same world with a room that sleeps before every step. */
export const asleep = <R extends Room.Any>(world: StoredWorld<R>): StoredWorld<R> => {
  const asleep = <A, E, R>(step: Effect.Effect<A, E, R>) => Effect.andThen(world.evict, step)
  return {
    ...world,
    run: (effect) => asleep(world.run(effect)),
    call: (method, payload) => asleep(world.call(method, payload)),
    elapse: (millis) => asleep(world.elapse(millis)),
    connect: (query, claims) =>
      asleep(Effect.map(world.connect(query, claims), (client) => ({
        ...client,
        send: (text: string) => asleep(client.send(text)),
        sendFrame: (frame: string) => asleep(client.sendFrame(frame))
      })))
  }
}
