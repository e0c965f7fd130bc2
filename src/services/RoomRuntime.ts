/**
 * A room on a runtime: its services and its layer over the ports, and the events that come in.
 *
 * `RoomObject`, `MemoryRoom` and `NodeRooms` differ only in their ports. Every room starts in the same way. Its layer
 * is built at once, and events wait for it. If that fails, the next event tries again, at the earliest 1, 2, 4 … 30
 * seconds after the last failure; no timer runs for that. Events get an answer also while the room has not started: a
 * newcomer is told when to come back, a close runs once the room has started, and an alarm fails, so that the runtime
 * repeats it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"
import type * as Problem from "../domain/Problem.ts"
import * as Alarm from "./Alarm.ts"
import { type Assembly, Inside } from "./Assembly.ts"
import * as Broadcaster from "./Broadcaster.ts"
import * as Calls from "./Calls.ts"
import * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as Handlers from "./Handlers.ts"
import * as Lifecycle from "./Lifecycle.ts"
import * as Outbox from "./Outbox.ts"
import * as Plain from "./Plain.ts"
import type * as Protocol from "./Protocol.ts"
import type * as Room from "./Room.ts"
import * as RoomService from "./RoomService.ts"
import * as Sockets from "./Sockets.ts"
import * as Spans from "./Spans.ts"
import * as Storage from "./Storage.ts"

/** The ports of a room: what a runtime offers. */
export type Ports = Alarm.Alarm | Sockets.Sockets | Storage.Storage

/** What a room's layer, and an effect that is run in a room, may use in every runtime. */
export type Services<R extends Room.Any> =
  | Room.Identifier<Room.Name<R>>
  | Inside
  | Broadcaster.Broadcaster
  | ConnectionRegistry.ConnectionRegistry
  | Handlers.Installation<Room.Name<R>>
  | Lifecycle.Lifecycle
  | Outbox.Outbox
  | Ports

/** The bounds of a room. Each has a default that is safe with unknown clients. */
export type Options = Partial<Lifecycle.Options & Limits.ClientLimits & Outbox.Options>

/** A room that runs. `App` is what its layer provides beside the room. */
export interface RoomRuntime<in out App> {
  /** The services that effects of the room run in. Those of the layer are there once it is built. */
  readonly services: () => Context.Context<App>
  /**
   * Lets a client in, on the server's end of a new socket. If it succeeds, the runtime holds the socket, and the
   * adapter completes the handshake. If it fails, the problem is the client's answer, and no trace of the socket is
   * left.
   */
  readonly connect: (
    request: Handlers.ConnectRequest,
    socket: Sockets.Socket
  ) => Effect.Effect<Lifecycle.Handshake, Problem.Problem>
  readonly message: (socket: Sockets.Socket, frame: Protocol.Received) => Effect.Effect<unknown>
  readonly close: (socket: Sockets.Socket, close: CloseCode.Close) => Effect.Effect<void>
  readonly error: (socket: Sockets.Socket, error: unknown) => Effect.Effect<void>
  /**
   * Fails if the handler fails, after the failure is logged: the runtime repeats the alarm. `repetition` is how often it
   * has done so.
   */
  readonly alarm: (repetition: number) => Effect.Effect<void, unknown>
  /** Answers a call of `Rooms`, in the trace of the caller where there is one. */
  readonly call: (method: string, payload: string, trace?: string) => Effect.Effect<string>
  /** Runs an event in the room's services, and in nothing that stands around whoever brings it. */
  readonly inside: <A, E>(event: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Runs an effect inside the room, once it has started. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App>) => Effect.Effect<A, E>
  /** Sends now what was collected, and not with the next macrotask. */
  readonly flush: () => void
  /** The room goes: what waited for its start is lost, and that is logged. No other event comes after it. */
  readonly end: Effect.Effect<void>
}

/** How long an event waits for a layer that is being built, in milliseconds. */
const patience = 20_000

/** In seconds, after the first failure, the second, and so on. The last one repeats. */
const pauses = [1, 2, 4, 8, 16, 30]

// The context that is there, with what others have beside it. A fiber keeps what it looked up in a context, so most rooms,
// whose layers add nothing, wake a tenth faster by it.
const extended = (
  context: Context.Context<never>,
  ...others: ReadonlyArray<Context.Context<never> | undefined>
): Context.Context<never> => {
  const added = new Map<string, unknown>()
  for (const other of others) {
    for (const [key, value] of other?.mapUnsafe ?? []) {
      if (context.mapUnsafe.get(key) !== value && !ofLayers.has(key)) added.set(key, value)
    }
  }
  return added.size === 0 ? context : Context.merge(context, Context.makeUnsafe(added))
}

// What only the building of a layer is about.
const ofLayers: ReadonlySet<string> = new Set([Scope.Scope.key, Layer.CurrentMemoMap.key])

/** The services that a room's own layer may replace, and the place of each in the assembly. */
const replaceable = [
  [Sockets.Sockets, "sockets"],
  [ConnectionRegistry.ConnectionRegistry, "registry"],
  [Outbox.Outbox, "outbox"],
  [Broadcaster.Broadcaster, "broadcaster"],
  [Lifecycle.Lifecycle, "lifecycle"]
] as const satisfies ReadonlyArray<readonly [Context.Key<any, any>, keyof Assembly]>

/**
 * Makes a room with a name on the ports of its runtime, and begins to start it. The room's layer lives in `scope`.
 * Never fails, and never waits.
 */
export const make = <R extends Room.Any, App, E, Given>(
  room: R,
  live: Layer.Layer<App, E, Given | Services<R>>,
  { given, name, options = {}, scope = Scope.makeUnsafe() }: {
    readonly given: Context.Context<Given | Ports>
    readonly name: string
    readonly options?: Options | undefined
    readonly scope?: Scope.Scope | undefined
  }
): RoomRuntime<App | Given | Services<R>> => {
  type All = App | Given | Services<R>

  const port = Context.get(given, Alarm.Alarm)
  // SAFETY: the services that follow are put in before anything is asked of them.
  const assembly = {
    room,
    name,
    storage: Context.get(given, Storage.Storage),
    sockets: Context.get(given, Sockets.Sockets),
    port,
    alarm: port,
    protocol: Plain.make(room),
    handlers: undefined,
    deadlines: undefined,
    limits: { ...Limits.client, ...room.limits, ...options },
    door: undefined,
    tracer: undefined,
    keepers: [],
    answers: new Map(),
    arriving: 0,
    asking: 0,
    fork: (effect) => fork(effect),
    leaving: new Set(),
    end: (last) => end(last),
    release: Effect.suspend(() => Scope.close(lives, Exit.void))
  } as Partial<Assembly> as Assembly
  assembly.registry = ConnectionRegistry.make(assembly, room.state)
  assembly.outbox = Outbox.make(
    assembly,
    options,
    (socket) => fork(Lifecycle.letGo(assembly, socket, CloseCode.slow, "Too much waits to be read."))
  )
  assembly.broadcaster = Broadcaster.make(assembly)
  assembly.lifecycle = Lifecycle.make(assembly, room.order, options, {
    retryAfter: Effect.suspend(() => retryAfter),
    whenReady: (event) => whenReady(event),
    onceStarted: (event) => void postponed.push(event),
    fork: (effect) => fork(effect)
  })
  const service = RoomService.make(assembly)
  assembly.calls = Calls.make(room, service, assembly, Effect.suspend(() => retryAfter), () => isEnding)

  // What a layer has replaced goes with it.
  const own = { ...assembly }
  let installed: { readonly handlers: Handlers.Handlers; readonly services: Context.Context<never> } | undefined
  const house = Context.makeUnsafe<Given | Services<R>>(
    new Map([
      ...given.mapUnsafe,
      [room.key, service],
      [Inside.key, assembly],
      [Alarm.Alarm.key, {
        set: (at: number) => Effect.suspend(() => assembly.alarm.set(at)),
        get: Effect.suspend(() => assembly.alarm.get),
        clear: Effect.suspend(() => assembly.alarm.clear)
      }],
      ...replaceable.map(([key, place]) => [key.key, assembly[place]] as const),
      [Handlers.installation(room.key).key, {
        install: (handlers: Handlers.Handlers, services: Context.Context<never>) => {
          installed = { handlers, services }
        }
      }]
    ])
  )

  // SAFETY: what the layer provides is there once it is built; until then only what needs none of it is run.
  let services = house as Context.Context<All>
  let starting: Fiber.Fiber<unknown, unknown> | undefined
  let ending: Fiber.Fiber<unknown, unknown> | undefined
  let isStarted = false
  let isEnding = false
  let outside = services
  // Where the room's layer lives.
  let lives: Scope.Closeable
  let hangs = false
  // Since when events wait for a start, or an end.
  let since = 0
  let failures = 0
  let retryAt = 0
  let postponed: Array<Effect.Effect<void>> = []

  const fork = <A>(effect: Effect.Effect<A, never, All>) => Effect.runForkWith(services)(effect)

  const retryAfter = Effect.clockWith((clock) =>
    Effect.succeed(Math.max(1, Math.ceil((retryAt - clock.currentTimeMillisUnsafe()) / 1_000)))
  )

  // What the layer brings of ours takes its place; the handlers run in what their layer was built with.
  const settle = (app: Context.Context<App>) => {
    if (installed === undefined) return Effect.die(new Error("The room's layer gives the room no handlers"))
    for (const [key, place] of replaceable) {
      const own = app.mapUnsafe.get(key.key)
      if (own !== undefined) Object.assign(assembly, { [place]: own })
    }
    assembly.handlers = installed.handlers
    services = extended(house, app, installed.services) as Context.Context<All>
    outside = app.mapUnsafe.size === 0 ? services : extended(house, installed.services, app) as Context.Context<All>
    assembly.tracer = Spans.tracerOf(services)
    isStarted = true
    failures = 0
    catchUp()
    for (const { started } of assembly.keepers) if (started !== undefined) fork(started)
    return Effect.void
  }

  const catchUp = () => {
    const overdue = postponed
    postponed = []
    for (const event of overdue) fork(event)
  }

  // Nothing is left of a start that failed, nor of a room that has ended.
  const forget = () => {
    const { arriving, asking } = assembly
    Object.assign(assembly, own, { arriving, asking })
    assembly.answers.clear()
    installed = undefined
    services = outside = house as Context.Context<All>
  }

  const build = Effect.suspend(() => {
    const attempt = lives = Scope.forkUnsafe(scope)
    return Layer.buildWithMemoMap(live, Layer.makeMemoMapUnsafe(), attempt).pipe(
      Effect.flatMap(settle),
      // One that is given up has failed, too.
      (building) =>
        Effect.onExitPrimitive(building, (exit) => {
          if (exit._tag === "Success") return undefined
          forget()
          return Effect.clockWith((clock) => {
            retryAt = clock.currentTimeMillisUnsafe() + pauses[Math.min(failures++, pauses.length - 1)]! * 1_000
            return Effect.andThen(
              Effect.logError("The room could not be started", exit.cause),
              Scope.close(attempt, exit)
            )
          })
        })
    )
  })

  const start = (now: number) => {
    hangs = false
    since = now
    const fiber = Effect.runForkWith(house)(build)
    if (fiber.pollUnsafe() !== undefined) return
    starting = fiber
    fiber.addObserver(() => {
      starting = undefined
    })
  }

  // `Effect.timeout` would do the same, for 0.3 KiB of every Worker. Only the first events wait so long: the others do not
  // wait for a start that hangs.
  const ended = (start: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const timer = setTimeout(() => {
        hangs = true
        resume(Effect.void)
      }, patience)
      const forget = start.addObserver(() => {
        clearTimeout(timer)
        resume(Effect.void)
      })
      return Effect.sync(() => {
        clearTimeout(timer)
        forget()
      })
    })

  // A start that hangs, or an end, is given up after a while, and has failed then.
  const giveUp = Effect.clockWith((clock) => {
    const now = clock.currentTimeMillisUnsafe()
    if (now >= since + 3 * patience) (starting ?? ending)?.interruptUnsafe()
    return Effect.succeed(now)
  })

  // Waits for a start that is under way, or an end, after which comes a start. Tries again if the last one failed and its
  // pause is over.
  const ready: Effect.Effect<unknown> = Effect.flatMap(giveUp, (now) => {
    if (starting === undefined && !isStarted && !isEnding && now >= retryAt) start(now)
    const first = starting ?? ending
    return first === undefined || hangs ? Effect.void : Effect.andThen(ended(first), ready)
  })

  const end = <A, E>(last: (handlers: Handlers.Handlers) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.clockWith((clock) => {
      const { handlers } = assembly
      // Who comes second waits for the same end.
      // SAFETY: it ends as the first one does, and all who end a room do so in the same way.
      if (ending !== undefined) return Fiber.join(ending as Fiber.Fiber<A, E>)
      if (!isStarted || handlers === undefined) return Effect.interrupt
      isEnding = true
      isStarted = hangs = false
      since = clock.currentTimeMillisUnsafe()
      assembly.handlers = undefined
      // Nothing cuts it off but where `last` allows that.
      const fiber = Effect.runForkWith(services)(
        Effect.onExitPrimitive(Effect.suspend(() => last(handlers)), ({ _tag }) =>
          Effect.sync(() => {
            isEnding = false
            ending = undefined
            if (_tag === "Success") {
              forget()
              assembly.leaving.clear()
            } else {
              isStarted = true
              assembly.handlers = handlers
              catchUp()
            }
          })),
        { uninterruptible: true }
      )
      if (isEnding) ending = fiber
      return Fiber.join(fiber)
    })

  const inside = <A, E>(event: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.updateContext(event, () => services as Context.Context<never>)

  const whenReady = <A, E>(event: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    isStarted ? event() : Effect.andThen(ready, inside(Effect.suspend(event)))

  const run = <A, E>(effect: Effect.Effect<A, E, All>): Effect.Effect<A, E> =>
    Effect.suspend(() => Effect.provideContext(effect, outside))

  Effect.runForkWith(house)(Effect.clockWith((clock) => Effect.sync(() => start(clock.currentTimeMillisUnsafe()))))

  return {
    services: () => services,
    connect: (request, socket) =>
      Effect.suspend(() => {
        assembly.arriving++
        return whenReady(() => {
          // The runtime keeps it through every sleep: a room that wakes need not tell it again.
          if (room.autoResponse !== undefined) assembly.sockets.autoRespond(...room.autoResponse)
          return assembly.lifecycle.connect(request, socket)
        })
      }).pipe((connecting) =>
        Effect.onExitPrimitive(connecting, () => {
          assembly.arriving--
          return undefined
        })
      ),
    message: (socket, frame) => Effect.suspend(() => assembly.lifecycle.message(socket, frame)),
    close: (socket, close) => Effect.suspend(() => assembly.lifecycle.close(socket, close)),
    error: (socket, error) => Effect.suspend(() => assembly.lifecycle.error(socket, error)),
    alarm: (repetition) =>
      Effect.onExitPrimitive(
        whenReady(() => assembly.lifecycle.alarm),
        ({ _tag }) =>
          _tag === "Failure" && repetition >= Alarm.repetitions
            ? isStarted && assembly.alarm === port
              ? Effect.logError("The alarm is lost: it failed each time")
              // It waits for a room that starts, or for the storage of its deadlines.
              : Effect.clockWith((clock) => port.set(clock.currentTimeMillisUnsafe() + 60_000))
            : undefined
      ),
    call: (method, payload, trace) => {
      const answer = () => assembly.calls.call(method, payload, trace)
      return isEnding && method === "destroy" ? Effect.flatMap(giveUp, answer) : whenReady(answer)
    },
    inside,
    run: (effect) => Effect.suspend(() => isStarted ? run(effect) : Effect.andThen(ready, run(effect))),
    flush: () => assembly.outbox.flush(),
    end: Effect.suspend(() =>
      postponed.length === 0
        ? Effect.void
        : Effect.logError(`The room never started: ${postponed.length} closes are lost`)
    )
  }
}
