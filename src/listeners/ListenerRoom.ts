/**
 * A room over standard WebSockets: what `RoomObject` is without hibernation.
 *
 * Nothing sleeps here. The room has the same definition, layer and handlers, but it lives in the memory of one process.
 * A Durable Object that holds such sockets stays awake, and is billed, while one of them is open. `WorkerRoom` and
 * `NodeRooms` are the two ways in.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Problem from "../domain/Problem.ts"
import * as Alarm from "../services/Alarm.ts"
import * as ClockAlarm from "../services/ClockAlarm.ts"
import * as ConnectionRegistry from "../services/ConnectionRegistry.ts"
import type * as Handlers from "../services/Handlers.ts"
import * as Lifecycle from "../services/Lifecycle.ts"
import * as OneTurn from "../services/OneTurn.ts"
import type * as Room from "../services/Room.ts"
import * as RoomRuntime from "../services/RoomRuntime.ts"
import * as Sockets from "../services/Sockets.ts"
import * as Storage from "../services/Storage.ts"
import * as ListenerSockets from "./ListenerSockets.ts"

/** How a room runs. */
export interface Options extends RoomRuntime.Options {
  /** The room's own name, the one in its URL; `listeners`, unless given. */
  readonly name?: string | undefined
  /** What the room holds from when its alarm is set until it has rung; nothing, unless given. */
  readonly whileAlarm?: Effect.Effect<unknown, never, Scope.Scope> | undefined
  /** The room's storage; nothing can be stored, unless given. */
  readonly storage?: KeptStorage | undefined
  /** Keeps the time of the alarm over a restart of the process. */
  readonly keptAlarm?: ClockAlarm.Kept | undefined
}

/** What a room stores, apart from its alarm. */
export interface KeptStorage extends Omit<Storage.Storage["Service"], "clear"> {
  readonly clear: () => void
}

/** A room over standard sockets. `App` is what its layer provides beside the room. */
export interface ListenerRoom<R extends Room.Any, App = never> {
  /**
   * Lets a client in, on the server's end of a new socket. When it succeeds, the socket is accepted and the handshake
   * is to be completed; when it fails, the client is answered with the problem, and the socket was never accepted.
   */
  readonly connect: (
    request: Handlers.ConnectRequest,
    socket: ListenerSockets.ListenerSocket
  ) => Effect.Effect<Lifecycle.Handshake, Problem.Problem>
  /** Answers a call of `Rooms`. */
  readonly call: (method: string, payload: string, trace?: string) => Effect.Effect<string>
  /** Runs an effect inside the room. Where the room's layer did not build, what it would have provided is missing. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App | RoomRuntime.Services<R>>) => Effect.Effect<A, E>
}

/**
 * Starts a room. Its loggers, its clock and all else that has a default are those of the effect that starts it. Its
 * alarm is kept in memory, and lost with the process.
 *
 * When the scope closes, everybody is closed with 1001, and the `close` handlers have five seconds.
 */
export const make = Effect.fnUntraced(function*<R extends Room.Any, App, E>(
  room: R,
  live: Layer.Layer<App, E, RoomRuntime.Services<R>>,
  { keptAlarm, name = "listeners", storage = none, whileAlarm, ...options }: Options = {}
): Effect.fn.Return<ListenerRoom<R, App>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const surroundings = yield* Effect.context()
  const clock = yield* Clock.Clock
  const fork = (event: Effect.Effect<unknown, never, RoomRuntime.Services<R>>) =>
    void Effect.runForkWith(runtime.services())(event)

  const sockets = ListenerSockets.make(
    {
      message: (socket, frame) => fork(runtime.message(socket, frame)),
      close: (socket, close) => fork(runtime.close(socket, close)),
      error: (socket, error) => fork(runtime.error(socket, error)),
      slow: (socket) => fork(letGo(socket))
    },
    options.bufferBytes ?? 1_048_576,
    () => clock.currentTimeMillisUnsafe()
  )
  const ring = (repetition: number) =>
    Effect.suspend((): Effect.Effect<void, unknown> => runtime.inside(runtime.alarm(repetition)))
  const alarm = yield* ClockAlarm.make(ring, whileAlarm, keptAlarm)

  // All are closed before the first has left. So none of them is told that the others leave.
  const goAway = Effect.suspend(() => {
    const everybody = sockets.list()
    runtime.flush()
    for (const socket of everybody) socket.close(goingAway.code, goingAway.reason)
    return Effect.forEach(everybody, (socket) => runtime.inside(runtime.close(socket, goingAway)), {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(Effect.interruptible, Effect.timeoutOption("5 seconds"))

  // A scope of their own: however late they are built, they are there for the last `close` handler.
  const layers = yield* Scope.fork(scope)
  const runtime: RoomRuntime.RoomRuntime<App | RoomRuntime.Services<R>> = RoomRuntime.make<R, App, E, never>(
    room,
    live,
    {
      given: surroundings.pipe(
        Context.add(Scheduler.Scheduler, OneTurn.scheduler),
        Context.add(Sockets.Sockets, sockets),
        Context.add(Alarm.Alarm, alarm),
        Context.add(Storage.Storage, { ...storage, clear: Effect.andThen(Effect.sync(storage.clear), alarm.clear) })
      ),
      name,
      options,
      scope: layers
    }
  )
  yield* Effect.addFinalizer(() => Effect.andThen(goAway, runtime.inside(runtime.end)))

  return {
    connect: (request, socket) => runtime.inside(runtime.connect(request, socket)),
    call: (method, payload, trace) => runtime.inside(runtime.call(method, payload, trace)),
    run: runtime.run
  }
})

const noStorage = (): never => {
  throw new Error("This room has no storage.")
}

const none = { exec: noStorage, transaction: noStorage, clear: () => undefined }

// As the outbox lets go of who does not read what the room sends.
const letGo = (socket: Sockets.Socket) =>
  ConnectionRegistry.ConnectionRegistry.use((registry) => registry.identify(socket)).pipe(
    Effect.flatMap(({ id }) =>
      Lifecycle.Lifecycle.use(({ disconnect }) =>
        disconnect(id, { code: CloseCode.slow, reason: "Too much waits to be read." })
      )
    ),
    Effect.ignore
  )

const goingAway: CloseCode.Close = {
  code: CloseCode.goingAway,
  reason: "The server goes down.",
  wasClean: true
}
