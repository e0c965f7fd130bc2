/**
 * The Durable Object of a room: the adapter between the runtime's events and the room.
 *
 * It decides nothing. It gives `RoomRuntime` the ports of the runtime, and hands each event on.
 */
import { DurableObject } from "cloudflare:workers"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import * as Problem from "../domain/Problem.ts"
import * as Alarm from "../services/Alarm.ts"
import * as LogLine from "../services/LogLine.ts"
import * as OneTurn from "../services/OneTurn.ts"
import * as Room from "../services/Room.ts"
import * as RoomRuntime from "../services/RoomRuntime.ts"
import * as Sockets from "../services/Sockets.ts"
import * as Storage from "../services/Storage.ts"
import * as Bindings from "./Bindings.ts"
import * as DurableAlarm from "./DurableAlarm.ts"
import * as DurableSockets from "./DurableSockets.ts"
import * as DurableStorage from "./DurableStorage.ts"
import * as ObjectContext from "./ObjectContext.ts"
import * as RequestClaims from "./RequestClaims.ts"

/** What a Durable Object gives a room's layer, beside what a room has everywhere. */
export type Given = Bindings.Bindings | ObjectContext.ObjectContext

/** What a room's layer, and an effect that is run in the object, may use. */
export type Services<R extends Room.Any> = Given | RoomRuntime.Services<R>

/**
 * The object of a room. `App` is what the room's layer provides beside the room, like `Layer.provideMerge` of a
 * database.
 */
export interface RoomObject<R extends Room.Any, App = never> extends DurableObject<any> {
  /** The room's definition, for the types of bindings alone. */
  readonly [Room.Types]?: R
  fetch(request: Request): Promise<Response>
  webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> | void
  webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> | void
  webSocketError(socket: WebSocket, error: unknown): Promise<void> | void
  alarm(info?: AlarmInvocationInfo): Promise<void>
  /** Answers a call of `DurableRooms`. */
  call(method: string, payload: string, trace?: string): Promise<string>
  /**
   * Runs an effect inside the object. Use it in a subclass, for methods that other Workers call. It is a property and
   * not a method, so nothing outside the object can call it. If the room's layer did not build, the services that it
   * provides are missing.
   */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App | Services<R>>) => Promise<A>
}

/**
 * Makes the class of a room's objects, to be exported by a Worker and named in its configuration.
 *
 * The layer is built once for each object. It may use what the runtime gives, like the object's `Bindings`, and must
 * bring everything else. What it provides beside the room (a database, a tracer) is also there for `run` and while
 * handlers run. If it provides a service of the room, like a `Broadcaster`, the room uses that one. If it fails to
 * build, newcomers are refused with 503, open connections stay open, and the next event tries again. The options bound
 * what clients may send and what may wait for them.
 *
 * **Example** (a Worker with one class of rooms)
 *
 * ```ts
 * export class RemindersRoom extends RoomObject.make(Reminders, RemindersLive) {}
 * ```
 */
export const make = <R extends Room.Any, App, E>(
  room: R,
  live: Layer.Layer<App, E, Services<R>>,
  options?: RoomRuntime.Options
): new(ctx: DurableObjectState, env: any) => RoomObject<R, App> =>
  class extends DurableObject<any> implements RoomObject<R, App> {
    readonly #room: RoomRuntime.RoomRuntime<App | Services<R>>
    readonly run: RoomObject<R, App>["run"]

    // If it failed, or kept the object's gate closed, every open connection would be lost.
    constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
      super(ctx, env)
      const name = ctx.id.name ?? ctx.id.toString()
      this.#room = RoomRuntime.make<R, App, E, Given>(room, live, { given: given(ctx, env), name, options })
      this.run = (effect) => this.#promise(this.#room.run(effect))
    }

    #promise<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
      return Effect.runPromiseWith(this.#room.services())(effect)
    }

    // An event that ended at once needs no promise.
    #event(effect: Effect.Effect<unknown>): Promise<void> | void {
      const fiber = Effect.runForkWith(this.#room.services())(effect)
      if (fiber.pollUnsafe() === undefined) return new Promise((resolve) => fiber.addObserver(() => resolve()))
    }

    override async fetch(request: Request): Promise<Response> {
      const { 0: client, 1: server } = new WebSocketPair()
      const { headers, method, url } = request
      const asked = { method, url, headers, claims: RequestClaims.of(request) }
      const connected = await this.#promise(Effect.result(this.#room.connect(asked, server)))
      if (Result.isFailure(connected)) return Problem.toResponse(connected.failure)
      const { subprotocol } = connected.success
      return new Response(null, {
        status: 101,
        webSocket: client,
        headers: subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol }
      })
    }

    override webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> | void {
      return this.#event(this.#room.message(socket, frame))
    }

    override webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> | void {
      return this.#event(this.#room.close(socket, { code, reason, wasClean }))
    }

    override webSocketError(socket: WebSocket, error: unknown): Promise<void> | void {
      return this.#event(this.#room.error(socket, error))
    }

    // The runtime repeats an alarm that fails, so it must learn of the failure.
    override alarm(info?: AlarmInvocationInfo): Promise<void> {
      return this.#promise(this.#room.alarm(info?.retryCount ?? 0))
    }

    call(method: string, payload: string, trace?: string): Promise<string> {
      return this.#promise(this.#room.call(method, payload, trace))
    }
  }

// What the runtime gives the room.
const given = (ctx: DurableObjectState, env: Cloudflare.Env) =>
  Context.make(Sockets.Sockets, DurableSockets.make(ctx)).pipe(
    Context.add(Bindings.Bindings, env),
    Context.add(Alarm.Alarm, DurableAlarm.make(ctx)),
    Context.add(Storage.Storage, DurableStorage.make(ctx)),
    Context.add(ObjectContext.ObjectContext, ctx),
    Context.add(Scheduler.Scheduler, OneTurn.scheduler),
    Context.add(Logger.CurrentLoggers, loggers)
  )

const loggers = new Set([LogLine.console])
