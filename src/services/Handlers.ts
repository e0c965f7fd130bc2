/**
 * A room's handlers as its services run them. `Room.toLayer` makes them from the typed ones.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Claims from "../domain/Claims.ts"
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionRegistry from "./ConnectionRegistry.ts"
import type * as Deadlines from "./Deadlines.ts"

/** The request that asks for a connection. */
export interface ConnectRequest {
  readonly method: string
  readonly url: string
  readonly headers: { readonly get: (name: string) => string | null }
  /** What the app has verified about the request. Nothing that a client sends gets in here. */
  readonly claims: Claims.Claims
}

/** The handlers of events and calls. The services that they need are provided already. */
export interface Handlers {
  readonly connect: (request: ConnectRequest) => Effect.Effect<ConnectionRegistry.Admission, unknown>
  readonly open: (connection: ConnectionRegistry.Connection) => Effect.Effect<unknown, unknown>
  readonly message: (connection: ConnectionRegistry.Connection, message: unknown) => Effect.Effect<unknown, unknown>
  readonly close: (
    connection: ConnectionRegistry.Connection,
    close: CloseCode.Close
  ) => Effect.Effect<unknown, unknown>
  readonly alarm: Effect.Effect<unknown, unknown>
  readonly deadlines: DeadlineHandlers
  readonly retire: Effect.Effect<unknown, unknown>
  readonly methods: Methods
}

/** The handlers of a room's deadlines, by their names. */
export type DeadlineHandlers = Readonly<
  Record<string, (key: string, payload: unknown, deadline: Deadlines.Deadline) => Effect.Effect<unknown, unknown>>
>

/** The handlers of a room's own methods, by their tags. */
export type Methods = Readonly<Record<string, (payload: unknown) => Effect.Effect<unknown, unknown>>>

/**
 * The same handler, which dies if it gives no effect: a program without types may give something else, and a fiber would
 * end of that where nobody sees it.
 *
 * @internal
 */
export const checked =
  <A extends ReadonlyArray<any>, B, E>(handler: (...given: A) => Effect.Effect<B, E>) =>
  (...given: A): Effect.Effect<B, E> => {
    const effect = handler(...given)
    return Effect.isEffect(effect) ? effect : Effect.die(new TypeError("The handler gives no effect"))
  }

/** Marks what takes the handlers of one room among those of others. */
export interface Installation<in out Name extends string> {
  readonly _installation: (name: Name) => Name
}

/**
 * The key of what takes the handlers of a room, by the key of its definition, when its layer is built, with the services
 * that they run in.
 */
export const installation = <Name extends string>(
  room: string
): Context.Service<Installation<Name>, {
  readonly install: (handlers: Handlers, services: Context.Context<never>) => void
}> => Context.Service(`effect-dormouse/services/Handlers/Installation/${room}`)
