/**
 * A room that ends when nobody has been there for a while.
 *
 * A room with a `lifetime` ends when it has been empty for so long. Its `retire` handler runs, and then its storage is
 * deleted: its tables, its deadlines and its alarm. Whoever comes meanwhile waits, and enters a room that starts anew.
 * If the handler fails, the room stays and it is tried again, as a deadline is.
 *
 * `Rooms` can end a room at once: `destroy` closes everybody with 4500 first. It needs the same layer, and no lifetime.
 *
 * **Example** (a room whose last words are kept elsewhere)
 *
 * ```ts
 * const Wiki = Room.make("wiki", { receive: Schema.String, send: Schema.String, lifetime: { emptyFor: "30 days" } })
 *
 * const WikiLive = Wiki.toLayer({
 *   retire: Effect.log("nobody has been here for a month")
 * }).pipe(Layer.provide(Lifetime.layer))
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Alarm from "./Alarm.ts"
import { Inside } from "./Assembly.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Storage from "./Storage.ts"

/** Ends the room. */
export class Lifetime extends Context.Service<Lifetime, {
  /** When the room ends, in milliseconds since 1970, if nobody comes. */
  readonly end: Effect.Effect<Option.Option<number>>
  /**
   * Ends the room soon, as `destroy` of `Rooms` does. Use it in the room's own handlers: that one would wait for the
   * handler that waits for it.
   */
  readonly destroy: Effect.Effect<void>
}>()("effect-dormouse/services/Lifetime") {}

const name = ":lifetime"

/** The time until a room that is busy is looked at again, which is doubled each time, and its bound, in milliseconds. */
const pause = 1_000
const longestPause = 60_000

/** How often `retire` is tried again before a longer pause, and how long that is at least, in milliseconds. */
const tries = 5
const longPause = 3_600_000

/** How long each part of the room may take to end, and the finalizers of its layer. */
const patience = "10 seconds"

/** The time until a room whose storage could not be deleted is woken, in milliseconds. */
const again = 60_000

const make = Effect.gen(function*() {
  const assembly = yield* Inside
  const deadlines = yield* Deadlines.Deadlines
  const { drop, handle, isRunning, isWaiting, moment, setAt } = deadlines
  const { port, room: { lifetime }, storage } = assembly
  const emptyFor = lifetime === undefined ? Infinity : Duration.toMillis(lifetime.emptyFor)
  if (!(emptyFor > 0)) return yield* Effect.die(new Error("The time after which a room ends must be longer than none."))

  const set = Effect.catch(moment(name, ""), () => Effect.succeedNone)

  const open = () => assembly.registry.open(Audience.all)
  const isEmpty = () => open().length === 0

  // Somebody is about to enter, asks something, or has not had its `close`, or a deadline is under way.
  const isBusy = () =>
    assembly.arriving > 0 || assembly.asking > 0 || assembly.leaving.size > 0 || isRunning(name) ||
    assembly.keepers.some(({ isBusy }) => isBusy?.())

  const endAt = (at: number) => setAt(name, "", at, String(emptyFor))
  const endIn = (millis: number) => Effect.flatMap(Clock.currentTimeMillis, (now) => endAt(now + millis))

  // What an older version of the room has set follows the definition.
  const adjust = ({ at, payload }: { readonly at: number; readonly payload: string }) =>
    emptyFor === Infinity ? drop(name) : endAt(at - Number(payload) + emptyFor)

  // Somebody came, and the end could not be taken back.
  let isStale = false

  let nextPause = pause

  // Unless it is set, somebody has come, or the room has ended meanwhile. A storage that is away may be back in a while.
  const begin = (wait = pause): Effect.Effect<void> =>
    Effect.gen(function*() {
      if (assembly.deadlines !== deadlines) return
      const known = Option.getOrUndefined(yield* set)
      // An earlier life of the object may have found that.
      if (known !== undefined && !isEmpty()) isStale = true
      if (known !== undefined && known.payload !== String(emptyFor)) yield* adjust(known)
      else if ((known === undefined || isStale) && emptyFor < Infinity && isEmpty()) {
        yield* endIn(emptyFor)
        isStale = false
        nextPause = pause
      }
    }).pipe(Effect.catchCause((cause) => {
      if (wait <= longestPause) assembly.fork(Effect.delay(begin(2 * wait), wait))
      return Effect.logError("The end of the room was not set", cause)
    }))

  // What hangs is left alone: it may be something that cannot be interrupted, like a finalizer.
  const inTime = (what: string, step: Effect.Effect<unknown, unknown>) =>
    Effect.suspend(() => {
      const going = assembly.fork(Effect.catchCause(step, (cause) => Effect.logError(what, cause)))
      return Effect.timeoutOption(Fiber.await(going), patience)
    })

  // Once it has retired there is no way back: the room starts anew, whatever happens. If its storage stays, it is woken to
  // end again.
  const vanish = Effect.gen(function*() {
    for (const { ending } of assembly.keepers) {
      if (ending !== undefined) yield* inTime("A part of the room has not ended", ending)
    }
    yield* inTime("What the room's layer holds was not released", assembly.release)
    yield* Effect.onError(
      storage.clear,
      (cause) =>
        Effect.logError("The storage of the room was not deleted", cause).pipe(
          Effect.andThen(Clock.currentTimeMillis),
          Effect.flatMap((now) => port.set(now + again))
        )
    )
  })

  const end = Effect.flatten(
    assembly.end(({ retire }) => Effect.andThen(Effect.interruptible(retire), Effect.exit(vanish)))
  )

  handle(name, (_, payload, deadline) =>
    Effect.suspend(() => {
      if (!isEmpty()) return Effect.void
      if (payload !== String(emptyFor)) return adjust({ at: deadline.at, payload })
      if (isBusy() || isWaiting(name)) {
        const millis = nextPause
        nextPause = Math.min(2 * millis, longestPause)
        return endIn(millis)
      }
      return Effect.catchCause(end, (cause) =>
        deadline.failures < tries
          ? Effect.failCause(cause)
          : Effect.andThen(
            Effect.logError("The room has not ended: it is tried again later", cause),
            endIn(Math.max(longPause, emptyFor))
          ))
    }))

  const everybody = { code: CloseCode.ended, reason: "The room has ended." }

  const closeAll = Effect.gen(function*() {
    for (const socket of open()) {
      yield* Effect.ignore(
        Effect.flatMap(
          assembly.registry.identify(socket),
          ({ id }) => assembly.lifecycle.disconnect(id, everybody)
        )
      )
    }
  })

  // Whoever comes meanwhile is closed, too. A `close` that takes longer than a minute is not waited for.
  const destroyNow = Effect.gen(function*() {
    for (let round = 0; round < 3_000; round++) {
      yield* closeAll
      for (const { finish } of assembly.keepers) if (finish !== undefined) yield* finish
      if (isEmpty() && !isBusy()) return yield* end
      yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, round < 10 ? 0 : 20)))
    }
    if (assembly.arriving > 0) return yield* Effect.die(new Error("Somebody has been about to enter for a minute."))
    yield* end
  })

  // Who asks for it meanwhile waits for the same end.
  let destroying: Fiber.Fiber<Exit.Exit<void, unknown>> | undefined
  const destroy = Effect.suspend(() => {
    if (destroying === undefined) {
      const fiber = assembly.fork(Effect.exit(destroyNow))
      if (fiber.pollUnsafe() === undefined) {
        destroying = fiber
        fiber.addObserver(() => {
          destroying = undefined
        })
      }
      return Fiber.join(fiber)
    }
    return Fiber.join(destroying)
  })

  // At least so many are there. To ask for them takes the longer the more there are, so that is not done each time.
  let others = 0
  const leaves = Effect.suspend(() => {
    if (--others > 0) return Effect.void
    others = open().length
    return others > 0 ? Effect.void : begin()
  })

  assembly.answers.set("destroy", () => Effect.orDie(Effect.flatten(destroy)))
  assembly.keepers = [...assembly.keepers, {
    // Where somebody is, a room does not end, whatever is set. So nobody is sent away for that.
    entering: () =>
      Effect.catchCause(drop(name), (cause) => {
        isStale = true
        return Effect.logError("The end of the room was not taken back", cause)
      }),
    left: () => leaves,
    started: Effect.andThen(Effect.promise(() => new Promise((resume) => setImmediate(resume))), begin())
  }]

  return Lifetime.of({
    end: Effect.map(set, (known) => Option.map(known, ({ at }) => at)),
    destroy: Storage.afterwards(() =>
      void assembly.fork(
        Effect.flatMap(Effect.flatten(destroy), () => Effect.void).pipe(
          Effect.catchCause((cause) => Effect.logError("The room was not destroyed", cause))
        )
      )
    )
  })
})

/** The end of a room, for the layer of every room that has a `lifetime`. It brings `Deadlines`. */
export const layer: Layer.Layer<Deadlines.Deadlines | Lifetime, never, Inside | Alarm.Alarm | Storage.Storage> = Layer
  .effect(Lifetime, make).pipe(Layer.provideMerge(Deadlines.layer))
