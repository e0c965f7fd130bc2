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
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Alarm from "./Alarm.ts"
import { Inside } from "./Assembly.ts"
import * as Deadlines from "./Deadlines.ts"
import type * as Storage from "./Storage.ts"

/** Ends a room that is empty. */
export class Lifetime extends Context.Service<Lifetime, {
  /** When the room ends, in milliseconds since 1970, if nobody comes. */
  readonly end: Effect.Effect<Option.Option<number>>
}>()("effect-dormouse/services/Lifetime") {}

const name = ":lifetime"

const make = Effect.gen(function*() {
  const assembly = yield* Inside
  const deadlines = yield* Deadlines.Deadlines
  const { drop, handle, setAt, timeOf } = deadlines
  const { lifetime } = assembly.room
  const emptyFor = lifetime === undefined ? Infinity : Duration.toMillis(lifetime.emptyFor)
  const end = Effect.orElseSucceed(timeOf(name, ""), Option.none)

  const isEmpty = () => Effect.map(assembly.registry.count(Audience.all), (count) => count === 0)

  const endIn = (millis: number) => Effect.flatMap(Clock.currentTimeMillis, (now) => setAt(name, "", now + millis))

  // Somebody is about to enter, or has not had its `close`.
  const isBusy = () =>
    assembly.arriving > 0 || assembly.leaving.size > 0 || assembly.keepers.some(({ isBusy }) => isBusy?.())

  // Unless it is set, somebody has come, or the room has ended meanwhile.
  const begin = Effect.gen(function*() {
    if (assembly.deadlines !== deadlines) return
    if (emptyFor === Infinity || !(yield* isEmpty()) || Option.isSome(yield* end)) return
    yield* endIn(emptyFor)
  }).pipe(Effect.catchCause((cause) => Effect.logError("The end of the room was not set", cause)))

  handle(name, () =>
    Effect.flatMap(isEmpty(), (empty) => {
      if (!empty) return Effect.void
      return isBusy() ? endIn(1_000) : assembly.end
    }))

  const everybody = { code: CloseCode.ended, reason: "The room has ended." }

  const closeAll = Effect.gen(function*() {
    for (const socket of assembly.registry.open(Audience.all)) {
      yield* Effect.ignore(
        Effect.flatMap(
          assembly.registry.identify(socket),
          ({ id }) => assembly.lifecycle.disconnect(id, everybody)
        )
      )
    }
  })

  // Whoever comes meanwhile is closed, too. A handler that takes longer than a minute loses its room.
  const destroy = Effect.gen(function*() {
    for (let round = 0; round < 3_000; round++) {
      yield* closeAll
      if (!isBusy()) break
      yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, round < 10 ? 0 : 20)))
    }
    yield* Effect.orDie(assembly.end)
  })

  assembly.answers.set("destroy", () => destroy)
  assembly.keepers = [...assembly.keepers, {
    entering: () => drop(name),
    left: () => begin,
    started: Effect.andThen(Effect.promise(() => new Promise((resume) => setImmediate(resume))), begin)
  }]

  return Lifetime.of({ end })
})

/** The end of a room, for the layer of every room that has a `lifetime`. It brings `Deadlines`. */
export const layer: Layer.Layer<Deadlines.Deadlines | Lifetime, never, Inside | Alarm.Alarm | Storage.Storage> = Layer
  .effect(
    Lifetime,
    make
  ).pipe(Layer.provideMerge(Deadlines.layer))
