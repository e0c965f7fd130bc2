/**
 * What a contract suite needs of the world that it runs in: the memory layers in Node, the real runtime, or standard
 * sockets in either.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as CloseCode from "../../src/domain/CloseCode.ts"
import type * as Problem from "../../src/domain/Problem.ts"
import type * as Protocol from "../../src/services/Protocol.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import type * as Sockets from "../../src/services/Sockets.ts"
import type { Ask, Probe, Told } from "./Probe.ts"

export type Services = RoomRuntime.Services<typeof Probe>

export interface Client {
  readonly send: (message: typeof Ask.Type) => Effect.Effect<void>
  readonly sendFrame: (frame: Protocol.Received) => Effect.Effect<void>
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** Takes so many messages, waiting until they have arrived. */
  readonly take: (count: number) => Effect.Effect<ReadonlyArray<typeof Told.Type>>
  /** Takes one frame, waiting until it has arrived. */
  readonly takeFrame: Effect.Effect<unknown>
  /** What has arrived and was not taken, once everything that is under way has arrived. */
  readonly rest: Effect.Effect<ReadonlyArray<unknown>>
  /** How the connection ended, waiting until it has. */
  readonly closed: Effect.Effect<Pick<CloseCode.Close, "code" | "reason">>
}

export interface World {
  readonly connect: (query?: string) => Effect.Effect<Client, Problem.Problem, Scope.Scope>
  /** Runs an effect inside the object. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>) => Effect.Effect<A, E>
  /** A socket that nobody has accepted yet; to be made inside the object. */
  readonly socket: Effect.Effect<Sockets.Socket>
  /** Sends the object to sleep; its connections stay. */
  readonly evict: Effect.Effect<void>
}

export interface Suite {
  readonly name: string
  /** Whether objects of this world sleep; they do unless it says no. */
  readonly sleeps?: boolean
  readonly world: Effect.Effect<World, never, Scope.Scope>
}
