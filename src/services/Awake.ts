/**
 * What keeps a room from sleeping: timers that are pending, and handlers that have not ended.
 *
 * An object that waits for nothing goes to sleep, and costs nothing. One that waits is kept in memory, and is billed all
 * the while. `MemoryRoom` watches every room that it makes. In workerd the object of a test is watched if its layer is
 * wrapped by {@link watch}; `Sleep` asks it. Nothing of this is in a Worker that does not import it.
 *
 * Every timer of Effect goes through the `Clock`: `Effect.sleep`, a `Schedule`, a timeout, a batching logger, an exporter.
 * Those are seen. What is not: `setTimeout`, a pending `fetch`, and any promise that no handler waits for.
 *
 * **Example** (a Worker for tests, whose rooms can tell what keeps them awake)
 *
 * ```ts
 * export class TeaRoom extends RoomObject.make(Tea, Awake.watch(Tea, TeaLive)) {}
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Deadlines from "./Deadlines.ts"
import * as Handlers from "./Handlers.ts"
import type * as Room from "./Room.ts"

/** A timer that is pending. */
export const Timer = Schema.TaggedStruct("Timer", {
  /** The innermost span that the timer was set in: the name of an `Effect.fn`, or of `Effect.withSpan`. */
  span: Schema.UndefinedOr(Schema.String),
  /** Where the fiber that waits comes from: the name of a handler (see {@link Handler}), or `the room's layer`. */
  origin: Schema.String,
  /** How long the timer is, in milliseconds. */
  duration: Schema.Finite,
  /** How long ago it was set, in milliseconds. */
  elapsed: Schema.Finite
})
export type Timer = typeof Timer.Type

/** A handler that has not ended. */
export const Handler = Schema.TaggedStruct("Handler", {
  /** `connect`, `open`, `message`, `close`, `alarm`, `retire`, or the name of a deadline or a method; `run` for `run` of a `MemoryRoom`. */
  name: Schema.String,
  /** For which connection it runs. A `connect`, an `alarm` and a method run for none. */
  connection: Schema.UndefinedOr(ConnectionId.ConnectionId),
  /** How long it has been running, in milliseconds. */
  elapsed: Schema.Finite,
  /** The timers that the handler, or what it has forked, waits for. */
  timers: Schema.Array(Timer)
})
export type Handler = typeof Handler.Type

/** Something that keeps a room awake. A timer of a handler that still runs is told of once, with the handler. */
export const Awake = Schema.Union([Timer, Handler])
export type Awake = typeof Awake.Type

/** A room stays awake that should sleep. The message names everything that is known to keep it awake. */
export class StaysAwake extends Schema.TaggedError<StaysAwake>()("StaysAwake", {
  /** Empty if the runtime keeps the object awake for something that is not seen. */
  awake: Schema.Array(Awake)
}) {
  override get message(): string {
    const culprits = this.awake.length === 0 ? [unseen] : this.awake.map(describe)
    return ["The room stays awake:", ...culprits.map((culprit) => `- ${culprit}`)].join("\n")
  }
}

const unseen = "something that is not seen: a setTimeout or setInterval, a fetch or a call that is not answered, " +
  "waitUntil, a standard socket, or what a client does not read"

const describe = (awake: Awake): string => {
  if (awake._tag === "Timer") return describeTimer(awake)
  const { connection, elapsed, name, timers } = awake
  const whose = connection === undefined ? "" : ` of connection ${connection}`
  const since = elapsed === 0 ? "" : ` for ${inWords(elapsed)}`
  return [`the handler ${name}${whose} has not ended${since}`, ...timers.map(describeTimer)].join("; it waits for ")
}

const describeTimer = ({ duration, elapsed, origin, span }: Timer): string => {
  const since = elapsed === 0 ? "" : ` ${inWords(elapsed)} ago`
  return `a timer of ${inWords(duration)}, set${since} by ${
    span === undefined ? origin : `the span ${span} (${origin})`
  }`
}

const inWords = (milliseconds: number) => Duration.format(Duration.millis(milliseconds))

/** What a room that is watched tells about itself. */
export class Watch extends Context.Service<Watch, {
  /** What keeps the room awake now, the oldest first. */
  readonly awake: Effect.Effect<ReadonlyArray<Awake>>
}>()("effect-dormouse/services/Awake/Watch") {}

/**
 * Watches a room: wraps its layer, for tests. What keeps the room awake is then in its service {@link Watch}, which
 * `run` of the room can ask, also while the handlers run.
 */
export const watch = <R extends Room.Any, App, E, RIn>(
  room: R,
  live: Layer.Layer<App, E, RIn>
): Layer.Layer<App | Watch, E, RIn | Handlers.Installation<Room.Name<R>>> =>
  Layer.suspend(() => {
    const { around, awake } = make(room)
    return Layer.merge(around(live), Layer.succeed(Watch, { awake }))
  })

/**
 * Watches one life of a room.
 *
 * @internal
 */
export interface Watcher<R extends Room.Any> {
  /** The layer of the room, so that its timers and handlers are noted. */
  readonly around: <App, E, RIn>(
    live: Layer.Layer<App, E, RIn>
  ) => Layer.Layer<App, E, RIn | Handlers.Installation<Room.Name<R>>>
  /** An effect that runs in the room, so that it is noted like a handler. */
  readonly during: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly awake: Effect.Effect<ReadonlyArray<Awake>>
}

/** Where a fiber comes from. It goes along to the fibers that it forks. */
interface Origin {
  readonly name: string
  readonly connection: ConnectionId.ConnectionId | undefined
  startedAt: number
}

const CurrentOrigin = Context.Reference<Origin>("effect-dormouse/services/Awake/Origin", {
  defaultValue: () => ({ name: "the room's layer", connection: undefined, startedAt: 0 })
})

/**
 * Makes what watches one life of a room.
 *
 * @internal
 */
export const make = <R extends Room.Any>(room: R): Watcher<R> => {
  const running = new Set<Origin>()
  const pending = new Set<{
    readonly origin: Origin
    readonly span: string | undefined
    readonly duration: number
    readonly setAt: number
  }>()

  // A fiber may be interrupted before any of its steps, so what is noted is taken back where it is noted.
  const noted = <K, A, E, R>(
    notes: Set<K>,
    note: K,
    effect: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.onExitPrimitive(
      Effect.suspend(() => {
        notes.add(note)
        return effect()
      }),
      () => {
        notes.delete(note)
        return undefined
      }
    )

  const handling = <A, E, R>(
    name: string,
    connection: ConnectionId.ConnectionId | undefined,
    handler: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) => {
      const origin = { name, connection, startedAt: clock.currentTimeMillisUnsafe() }
      return noted(running, origin, () => {
        const effect = handler()
        return Effect.isEffect(effect)
          ? Effect.provideService(effect, CurrentOrigin, origin)
          : Effect.die(new TypeError("The handler gives no effect"))
      })
    })

  const watchedHandlers = (
    { alarm, close, connect, deadlines, message, methods, open, retire }: Handlers.Handlers
  ): Handlers.Handlers => ({
    connect: (request) => handling("connect", undefined, () => connect(request)),
    open: (connection) => handling("open", connection.id, () => open(connection)),
    message: (connection, received) => handling("message", connection.id, () => message(connection, received)),
    close: (connection, closed) => handling("close", connection.id, () => close(connection, closed)),
    alarm: handling("alarm", undefined, () => alarm),
    retire: handling("retire", undefined, () => retire),
    deadlines: Object.fromEntries(
      Object.entries(deadlines).map(([name, handle]) => [
        name,
        (key: string, payload: unknown, deadline: Deadlines.Deadline) =>
          handling(name, deadline.connection, () => handle(key, payload, deadline))
      ])
    ),
    methods: Object.fromEntries(
      Object.entries(methods).map(([tag, method]) => [
        tag,
        (payload: unknown) => handling(tag, undefined, () => method(payload))
      ])
    )
  })

  const watchedClock = (clock: Clock.Clock): Clock.Clock => {
    const sleep = (duration: Duration.Duration) => {
      const milliseconds = Duration.toMillis(duration)
      // For ever needs no timer.
      if (milliseconds === Infinity) return clock.sleep(duration)
      return Effect.withFiber(({ context }) => {
        const span = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
        const timer = {
          origin: Context.get(context, CurrentOrigin),
          span: span?._tag === "Span" ? span.name : undefined,
          duration: milliseconds,
          setAt: clock.currentTimeMillisUnsafe()
        }
        return noted(pending, timer, () => clock.sleep(duration))
      })
    }
    // A `TestClock` can do more than a clock, and goes on doing so.
    return Object.create(clock, { sleep: { value: sleep } })
  }

  const ClockLive = Layer.effect(Clock.Clock, Effect.clockWith((clock) => Effect.succeed(watchedClock(clock))))

  const installation = Handlers.installation<Room.Name<R>>(room.key)

  const InstallationLive = Layer.effect(
    installation,
    Effect.map(installation, ({ install }) => ({
      install: (handlers: Handlers.Handlers, services: Context.Context<never>) =>
        install(watchedHandlers(handlers), services)
    }))
  )

  return {
    around: (live) => Layer.provide(live, Layer.merge(ClockLive, InstallationLive)),
    during: (name, effect) => handling(name, undefined, () => effect),
    awake: Effect.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      const timersOf = (is: (origin: Origin) => boolean) =>
        [...pending].filter(({ origin }) => is(origin)).map(({ duration, origin, setAt, span }) =>
          Timer.make({ span, origin: origin.name, duration, elapsed: now - setAt })
        )
      const handlers = [...running].map((origin) =>
        Handler.make({
          name: origin.name,
          connection: origin.connection,
          elapsed: now - origin.startedAt,
          timers: timersOf((other) => other === origin)
        })
      )
      const timers = timersOf((origin) => !running.has(origin))
      return Effect.succeed([...handlers, ...timers].toSorted((a, b) => b.elapsed - a.elapsed))
    })
  }
}
