/**
 * What is to be said later: any number of moments, of which an alarm needs the next alone.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

/** A text, and the id under which it is kept. */
export interface Kept {
  readonly id: number
  readonly text: string
}

/** Moments are milliseconds since 1970. */
export class Due extends Context.Service<Due, {
  /** Keeps a text until a moment. */
  readonly add: (at: number, text: string) => Effect.Effect<void>
  /** The texts whose moment has come, the oldest first. They stay until they are removed. */
  readonly until: (now: number) => Effect.Effect<ReadonlyArray<Kept>>
  readonly remove: (id: number) => Effect.Effect<void>
  /** The next moment. */
  readonly next: Effect.Effect<Option.Option<number>>
}>()("effect-dormouse/examples/ease/src/Due") {
  /** What one object keeps, in memory. Make it once for a room: then it outlives the room's sleeps. */
  static readonly layerMemory = (): Layer.Layer<Due> => {
    let kept: ReadonlyArray<Kept & { readonly at: number }> = []
    let ids = 0
    return Layer.succeed(Due)({
      add: (at, text) =>
        Effect.sync(() => {
          kept = [...kept, { id: ids++, at, text }].toSorted((one, other) => one.at - other.at)
        }),
      until: (now) => Effect.sync(() => kept.filter(({ at }) => at <= now)),
      remove: (id) =>
        Effect.sync(() => {
          kept = kept.filter((one) => one.id !== id)
        }),
      next: Effect.sync(() => Option.fromUndefinedOr(kept[0]?.at))
    })
  }
}
