/**
 * The Durable Object of a room: the adapter between the runtime's events and the room's services.
 *
 * It decides nothing. Each event is handed to `Lifecycle`, whose promise the runtime waits for.
 */
import { DurableObject } from "cloudflare:workers"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import * as Problem from "../domain/Problem.ts"
import * as Plain from "../protocol/Plain.ts"
import * as Alarm from "../services/Alarm.ts"
import * as Calls from "../services/Calls.ts"
import * as Launch from "../services/Launch.ts"
import * as Lifecycle from "../services/Lifecycle.ts"
import * as OneTurn from "../services/OneTurn.ts"
import type * as Outbox from "../services/Outbox.ts"
import * as Protocol from "../services/Protocol.ts"
import * as Room from "../services/Room.ts"
import * as Sockets from "../services/Sockets.ts"
import * as Bindings from "./Bindings.ts"
import * as DurableAlarm from "./DurableAlarm.ts"
import * as DurableSockets from "./DurableSockets.ts"
import * as ObjectContext from "./ObjectContext.ts"

/** What the runtime gives a room's layer, beside the room itself. */
export type Given = Alarm.Alarm | Bindings.Bindings | ObjectContext.ObjectContext | Sockets.Sockets

/** What a room's layer, and an effect that is run in the object, may use. */
export type Services<Name extends string> = Given | Room.Services<Name>

/** The object of a room. `App` is what the room's layer provides beside the room, like `Layer.provideMerge` of a database. */
export interface RoomObject<Name extends string, App = never> extends DurableObject<any> {
  fetch(request: Request): Promise<Response>
  webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void>
  webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void>
  webSocketError(socket: WebSocket, error: unknown): Promise<void>
  alarm(): Promise<void>
  /** Answers a call of `DurableRooms`. */
  call(method: string, payload: string): Promise<string>
  /**
   * Runs an effect inside the object. Use it in a subclass, for methods that other Workers call. It is no method of the
   * class itself, so nothing outside the object can reach it. Where the room's layer did not build, what it would have
   * provided is missing.
   */
  readonly run: Launch.Run<App | Services<Name>>
}

/**
 * Makes the class of a room's objects, to be exported by a Worker and named in its configuration.
 *
 * The layer is built once for each object. It may use what the runtime gives, like the object's `Bindings`; what else
 * the room needs, it must bring. What it provides beside the room (a database, a tracer) is also there for `run` and while
 * handlers run. Where it fails to build, new connections are refused with 503; those that are open stay so. The options
 * bound what leaves at once, and what may wait for a client that does not read.
 *
 * **Example** (a Worker with one class of rooms)
 *
 * ```ts
 * export class ChatRoom extends RoomObject.make(Chat, ChatLive) {}
 * ```
 */
export const make = <
  Name extends string,
  Receive,
  Send,
  State,
  Methods extends Calls.Method,
  E,
  App
>(
  room: Room.Room<Name, Receive, Send, State, Methods>,
  live: Layer.Layer<App, E, Services<Name>>,
  options?: Partial<Outbox.Options>
): new(ctx: DurableObjectState, env: any) => RoomObject<Name, App> =>
  class extends DurableObject<any> implements RoomObject<Name, App> {
    readonly #calls: Calls.Calls["Service"]
    readonly #lifecycle: Lifecycle.Lifecycle["Service"]
    readonly run: RoomObject<Name, App>["run"]

    // It must not fail, nor keep the gate closed: that would take every open connection with it.
    constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
      super(ctx, env)
      const name = ctx.id.name ?? ctx.id.toString()
      const services = Effect.runSync(Room.makeServices(given(room, ctx, env), room, name, options))
      this.#calls = Context.get(services, Calls.Calls)
      this.#lifecycle = Context.get(services, Lifecycle.Lifecycle)
      this.run = Launch.make(live, services)
    }

    override async fetch(request: Request): Promise<Response> {
      const { 0: client, 1: server } = new WebSocketPair()
      const connected = await this.run(Effect.result(this.#lifecycle.connect(request, server)))
      if (Result.isFailure(connected)) return Problem.toResponse(connected.failure)
      const { subprotocol } = connected.success
      const headers = subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol }
      return new Response(null, { status: 101, webSocket: client, headers })
    }

    override webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> {
      return this.run(this.#lifecycle.message(socket, frame))
    }

    override webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> {
      return this.run(this.#lifecycle.close(socket, { code, reason, wasClean }))
    }

    override webSocketError(socket: WebSocket, error: unknown): Promise<void> {
      return this.run(this.#lifecycle.error(socket, error))
    }

    override alarm(): Promise<void> {
      return this.run(this.#lifecycle.alarm)
    }

    call(method: string, payload: string): Promise<string> {
      return this.run(this.#calls.call(method, payload))
    }
  }

// What the runtime gives the room.
const given = (room: Room.Any, ctx: DurableObjectState, env: Cloudflare.Env) => {
  const sockets = DurableSockets.make(ctx)
  return Context.make(Sockets.Sockets, sockets).pipe(
    Context.add(Bindings.Bindings, env),
    Context.add(Alarm.Alarm, DurableAlarm.make(ctx)),
    Context.add(ObjectContext.ObjectContext, ctx),
    Context.add(Protocol.Protocol, Plain.make(room, sockets)),
    Context.add(Scheduler.Scheduler, OneTurn.scheduler),
    Context.add(Logger.CurrentLoggers, loggers)
  )
}

const loggers = new Set([Logger.consoleJson])
