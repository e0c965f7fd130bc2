/**
 * A room over the standard WebSockets of workerd, `accept()` and event listeners: in a Durable Object that does not
 * hibernate, or in a plain Worker.
 *
 * Nothing sleeps here. A Durable Object with such a socket stays awake, and is billed, while the socket is open.
 * `RoomObject` is the room that sleeps. In a plain Worker the room belongs to the request that started it, because
 * workerd forbids a request to touch the socket of another (`Cannot perform I/O on behalf of a different request`). So
 * a room there has one client. A room for many needs a Durable Object, or `NodeRooms`.
 *
 * **Example** (in a Durable Object)
 *
 * ```ts
 * export class EchoRoom extends DurableObject {
 *   readonly #room = Effect.runPromise(WorkerRoom.make(Echo, EchoLive).pipe(Scope.provide(Scope.makeUnsafe())))
 *
 *   override async fetch(request: Request) {
 *     return Effect.runPromise((await this.#room).fetch(request))
 *   }
 * }
 * ```
 *
 * **Example** (in a plain Worker, a room for each client)
 *
 * ```ts
 * export default {
 *   fetch: (request) =>
 *     WorkerRoom.make(Echo, EchoLive).pipe(
 *       Effect.flatMap((room) => room.fetch(request)),
 *       Scope.provide(Scope.makeUnsafe()),
 *       Effect.runPromise
 *     )
 * } satisfies ExportedHandler
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Problem from "../domain/Problem.ts"
import * as RequestClaims from "../durable/RequestClaims.ts"
import type * as Room from "../services/Room.ts"
import type * as RoomRuntime from "../services/RoomRuntime.ts"
import * as ListenerRoom from "./ListenerRoom.ts"

/** How a room runs. */
export interface Options extends ListenerRoom.Options {}

/** A room over the standard WebSockets of workerd. `App` is what its layer provides beside the room. */
export interface WorkerRoom<R extends Room.Any, App = never> {
  /**
   * Answers a request for a WebSocket: with 101 and the client's end of it, or with the problem for which the client is
   * refused, as `application/problem+json`. What the request claims is what `RequestClaims` attached to it.
   */
  readonly fetch: (request: Request) => Effect.Effect<Response>
  /** Runs an effect inside the room. If the room's layer did not build, the services that it provides are missing. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App | RoomRuntime.Services<R>>) => Effect.Effect<A, E>
}

/**
 * Starts a room. Its loggers, its clock and all other references are those of the effect that starts it. Its alarm is in
 * memory. In workerd no scope is ever closed: the room vanishes with its process.
 */
export const make = <R extends Room.Any, App, E>(
  room: R,
  live: Layer.Layer<App, E, RoomRuntime.Services<R>>,
  options?: Options
): Effect.Effect<WorkerRoom<R, App>, never, Scope.Scope> =>
  Effect.map(ListenerRoom.make(room, live, options), ({ connect, run }) => ({
    fetch: (request) =>
      Effect.suspend(() => {
        const { 0: client, 1: server } = new WebSocketPair()
        const { headers, method, url } = request
        return Effect.match(connect({ method, url, headers, claims: RequestClaims.of(request) }, server), {
          onFailure: Problem.toResponse,
          onSuccess: ({ subprotocol }) => {
            const headers = subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol }
            return new Response(null, { status: 101, webSocket: client, headers })
          }
        })
      }),
    run
  }))
