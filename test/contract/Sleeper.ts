/**
 * Twelve rooms, each of which does one thing that keeps an object awake, or one that does not.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Room from "../../src/services/Room.ts"

export const Sleeper = Room.make("sleeper", { format: "text", receive: Schema.String, send: Schema.String })

export interface Case {
  /** What the room's layer does, beside giving the room its handlers. */
  readonly layer?: Layer.Layer<never, never, Alarm.Alarm>
  /** What the handler does with `go`, once it has told the client that it begins. Nobody speaks if it is absent. */
  readonly message?: Effect.Effect<unknown, unknown>
  /** What `awake` tells; nothing if the room sleeps. */
  readonly awake: ReadonlyArray<{
    readonly _tag: "Timer" | "Handler"
    /** The span, or where there is none the handler or the layer. */
    readonly by: string
    /** In milliseconds: of the timer, or of those that the handler waits for. */
    readonly durations: ReadonlyArray<number>
  }>
}

const anHour = 3_600_000

/** The rooms, by their names. The name of a real object says which of them it is. */
export const cases: Readonly<Record<string, Case>> = {
  "a sleep in a fiber of the layer": {
    layer: Layer.effectDiscard(Effect.sleep("1 hour").pipe(Effect.withSpan("housekeeping"), Effect.forkScoped)),
    awake: [{ _tag: "Timer", by: "housekeeping", durations: [anHour] }]
  },
  "a schedule in a fiber of the layer": {
    layer: Layer.effectDiscard(
      Effect.void.pipe(
        Effect.repeat(Schedule.spaced("100 millis")),
        Effect.withSpan("heartbeat"),
        Effect.forkScoped
      )
    ),
    awake: [{ _tag: "Timer", by: "heartbeat", durations: [100] }]
  },
  "a logger that writes in batches": {
    layer: Logger.layer([Logger.formatJson.pipe(Logger.batched({ window: "1 minute", flush: () => Effect.void }))]),
    awake: [{ _tag: "Timer", by: "the room's layer", durations: [60_000] }]
  },
  "a handler that waits for ever": {
    message: Effect.flatMap(Deferred.make<void>(), Deferred.await),
    awake: [{ _tag: "Handler", by: "message", durations: [] }]
  },
  "a handler that sleeps": {
    message: Effect.sleep("1 hour"),
    awake: [{ _tag: "Handler", by: "message", durations: [anHour] }]
  },
  "a timeout that runs, forked by a handler that has ended": {
    message: Effect.never.pipe(Effect.timeout("1 hour"), Effect.forkDetach),
    awake: [{ _tag: "Timer", by: "message", durations: [anHour] }]
  },
  "nobody": { awake: [] },
  "a connection that is open and silent": { message: Effect.void, awake: [] },
  "a sleep that was interrupted": {
    message: Effect.gen(function*() {
      const fiber = yield* Effect.forkDetach(Effect.sleep("1 hour"), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
    }),
    awake: []
  },
  "a timeout that was in time": {
    message: Effect.yieldNow.pipe(Effect.timeout("1 hour")),
    awake: []
  },
  "fibers that wait for a queue and for ever": {
    message: Effect.gen(function*() {
      const queue = yield* Queue.unbounded<string>()
      yield* Effect.forkDetach(Queue.take(queue), { startImmediately: true })
      yield* Effect.forkDetach(Effect.never, { startImmediately: true })
    }),
    awake: []
  },
  "an alarm in the future": {
    layer: Layer.effectDiscard(Alarm.Alarm.use((alarm) => alarm.set(Date.UTC(2100, 0)))),
    awake: []
  }
}

/** The room that its name says. The message `stop` ends what a handler waits for. */
export const SleeperLive = Layer.unwrap(Effect.gen(function*() {
  const room = yield* Sleeper
  const { layer = Layer.empty, message = Effect.void } = cases[room.name]!
  const stopped = yield* Deferred.make<void>()
  const handlers = Sleeper.toLayer({
    message: Effect.fnUntraced(function*({ id }, text) {
      yield* room.send(id, "begins")
      if (text === "stop") yield* Deferred.succeed(stopped, undefined)
      else yield* Effect.raceFirst(message, Deferred.await(stopped))
    })
  })
  return Layer.merge(handlers, layer)
}))
