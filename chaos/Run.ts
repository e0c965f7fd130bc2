/**
 * Plays random steps against a room and a model of it, and finds the shortest sequence in which they differ. Steps come in
 * chapters, each with a room of its own.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Play from "./Play.ts"
import * as Step from "./Step.ts"
import type { Kind } from "./World.ts"

/** A chapter in which a room was not as the model says. */
export class Failure extends Data.TaggedError("Failure")<{
  readonly kind: Kind
  /** The seed of the chapter. */
  readonly seed: string
  /** How many steps the chapter had, and what was done in the shortest one that was found. */
  readonly steps: number
  readonly violation: Play.Violation
}> {}

/** What a run is to do. */
export interface Options {
  /** `7` begins with the first chapter of the seed 7, and `7.42` with its chapter 42. */
  readonly seed: string
  /** Chapters are played until there were so many steps. */
  readonly steps: number
  /** How long a shorter sequence is looked for, in milliseconds; three minutes, unless given. */
  readonly shrinkFor?: number
  /** A chapter has been played to its end: how many steps and chapters there were by now. */
  readonly onChapter?: (steps: number, chapters: number) => void
  /** There is a violation, and a shorter sequence is looked for. */
  readonly onViolation?: () => void
}

/** Plays chapters in worlds of a kind, until there were enough steps. Succeeds with how many there were. */
export const run = Effect.fnUntraced(function*(
  kind: Kind,
  { onChapter, onViolation, seed, shrinkFor = 180_000, steps }: Options
): Effect.fn.Return<number, Failure> {
  const [name, first = "0"] = seed.split(".")
  const sequences = Step.sequences(kind.failures)
  let next = Number(first)
  let begun = 0
  let played = 0
  let chapters = 0
  let hasFailed = false

  const turn = Effect.fnUntraced(function*(chapter: number) {
    const seed = `${name}.${chapter}`
    // The first sequence is the chapter, and those that follow are shorter.
    let length: number | undefined
    let until = Infinity
    const result = yield* Arbitrary.checkEffect(
      sequences,
      (sequence) => {
        if (length === undefined) {
          length = sequence.length
          begun += length
        }
        if (performance.now() > until) return true
        return Effect.as(Play.perform(kind, sequence, chapter), true).pipe(
          Effect.tapError(() =>
            Effect.sync(() => {
              if (!hasFailed) onViolation?.()
              hasFailed = true
              until = Math.min(until, performance.now() + shrinkFor)
            })
          )
        )
      },
      { runs: 1, size: 100, seed, maxShrinks: 100_000 }
    )
    if (result._tag === "Falsified" && result.failure._tag === "PropertyError") {
      return yield* new Failure({ kind, seed, steps: length ?? 0, violation: result.failure.error })
    }
    played += length ?? 0
    onChapter?.(played, ++chapters)
  })

  const chaptersInTurn: Effect.Effect<void, Failure> = Effect.suspend(() =>
    begun < steps && !hasFailed ? Effect.andThen(turn(next++), chaptersInTurn) : Effect.void
  )
  yield* Effect.all(Array.from({ length: kind.concurrency }, () => chaptersInTurn), {
    concurrency: "unbounded",
    discard: true
  })
  return played
})

/** What a person reads about a failure. */
export const toText = ({ kind, seed, steps, violation: { lines, problems } }: Failure): string =>
  [
    `A room in ${kind.name} is not as it should be:`,
    ...problems.map((problem) => `  ${problem}`),
    `The shortest sequence that was found, of ${steps} steps:`,
    ...lines.map((line) => `  ${line}`),
    `Again: npm run chaos -- --world ${kind.name} --seed ${seed} --steps 1`
  ].join("\n")
