/**
 * A room over standard WebSockets: what `RoomObject` is without hibernation.
 *
 * Nothing sleeps here. The room is as it was defined, with the same layer and the same handlers, but it lives in the
 * memory of one process from its start to its end: a Durable Object that holds such sockets stays awake, and is billed,
 * for as long as one of them is open. `WorkerRoom` and `NodeRooms` are the two ways in.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Problem from "../domain/Problem.ts"
import * as MemoryAlarm from "../memory/MemoryAlarm.ts"
import * as Plain from "../protocol/Plain.ts"
import * as Alarm from "../services/Alarm.ts"
import type * as Calls from "../services/Calls.ts"
import * as Lifecycle from "../services/Lifecycle.ts"
import * as OneTurn from "../services/OneTurn.ts"
import * as Outbox from "../services/Outbox.ts"
import * as Protocol from "../services/Protocol.ts"
import * as Room from "../services/Room.ts"
import * as Sockets from "../services/Sockets.ts"
import * as ListenerSockets from "./ListenerSockets.ts"

/** What a room's layer, and an effect that is run in the room, may use. */
export type Services<Name extends string> = Alarm.Alarm | Room.Services<Name> | Sockets.Sockets

/** How a room runs. */
export interface Options extends Partial<Outbox.Options> {
  /** The room's own name, the one in its URL; `listeners`, unless given. */
  readonly name?: string
  /** What the room holds from when its alarm is set until it has rung; nothing, unless given. */
  readonly whileAlarm?: Effect.Effect<unknown, never, Scope.Scope>
}

/** A room over standard sockets. `App` is what its layer provides beside the room. */
export interface ListenerRoom<Name extends string, App = never> {
  /**
   * Lets a client in, on the server's end of a new socket. When it succeeds, the socket is accepted and the handshake
   * is to be completed; when it fails, the client is answered with the problem, and the socket was never accepted.
   */
  readonly connect: (
    request: Lifecycle.ConnectRequest,
    socket: ListenerSockets.ListenerSocket
  ) => Effect.Effect<Lifecycle.Handshake, Problem.Problem>
  /** Runs an effect inside the room. Where the room's layer did not build, what it would have provided is missing. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App | Services<Name>>) => Effect.Effect<A, E>
}

/**
 * Starts a room. Its loggers, its clock and all else that has a default are those of the effect that starts it. Where
 * its layer does not build, that is logged, and newcomers are refused with 503; so they are when it takes longer than 20
 * seconds, until it is built. Its alarm is kept in memory, and lost with the process.
 *
 * When the scope closes, everybody is closed with 1001, and the `close` handlers have five seconds.
 */
export const make = Effect.fnUntraced(function*<
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
  options: Options = {}
): Effect.fn.Return<ListenerRoom<Name, App>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const surroundings = yield* Effect.context()
  const fork = (event: Effect.Effect<void>) => void Effect.runForkWith(services)(event)

  const sockets = ListenerSockets.make({
    message: (socket, frame) => fork(lifecycle.message(socket, frame)),
    close: (socket, close) => fork(lifecycle.close(socket, close)),
    error: (socket, error) => fork(lifecycle.error(socket, error))
  })
  const ring = Effect.suspend((): Effect.Effect<void> => run(lifecycle.alarm))
  const given = surroundings.pipe(
    Context.add(Scheduler.Scheduler, OneTurn.scheduler),
    Context.add(Sockets.Sockets, sockets),
    Context.add(Alarm.Alarm, yield* MemoryAlarm.make(ring, options.whileAlarm)),
    Context.add(Protocol.Protocol, Plain.make(room, sockets))
  )
  const made = yield* Room.makeServices(given, room, options.name ?? "listeners", options)
  const lifecycle = Context.get(made, Lifecycle.Lifecycle)
  // SAFETY: the rest is there once the room has started.
  let services = made as Context.Context<App | Services<Name>>
  const run = <A, E>(effect: Effect.Effect<A, E, App | Services<Name>>): Effect.Effect<A, E> =>
    Effect.suspend(() => Effect.provideContext(effect, services))

  // Everybody is closed before anybody has left: nobody who goes is told of the others.
  const goAway = Effect.suspend(() => {
    const everybody = sockets.list()
    Context.get(made, Outbox.Outbox).flush()
    for (const socket of everybody) socket.close(goingAway.code, goingAway.reason)
    return run(Effect.forEach(everybody, (socket) => lifecycle.close(socket, goingAway), {
      concurrency: "unbounded",
      discard: true
    }))
  }).pipe(Effect.interruptible, Effect.timeoutOption("5 seconds"))

  // A scope of their own: however late they are built, they are there for the last `close` handler.
  const layers = yield* Scope.fork(scope)
  yield* Effect.addFinalizer(() => goAway)
  const start = Effect.map(Room.start(Layer.fresh(live), made, layers), (started) => {
    services = started
  })
  const starting = yield* start.pipe(
    Effect.ignoreCause,
    Effect.provideContext(made),
    Effect.forkIn(layers, { startImmediately: true })
  )
  if (starting.pollUnsafe() === undefined) yield* Effect.timeoutOption(Fiber.await(starting), "20 seconds")

  return {
    connect: (request, socket) => run(lifecycle.connect(request, socket)),
    run
  }
})

const goingAway: CloseCode.Close = {
  code: CloseCode.table.goingAway.code,
  reason: "The server goes down.",
  wasClean: true
}
