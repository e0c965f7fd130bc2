/**
 * Plays steps against a room and a model of it, and finds out whether they agree.
 *
 * At the end the process is killed once more, what is due gets its time, and then the room must say what the model says.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Actions from "./Actions.ts"
import { Model } from "./Model.ts"
import type * as Step from "./Step.ts"
import * as Verdict from "./Verdict.ts"
import type { Kind, Unanswered, World } from "./World.ts"

/** The room is not as the model says. */
export class Violation extends Data.TaggedError("Violation")<{
  readonly problems: ReadonlyArray<string>
  /** What was done, a line each. */
  readonly lines: ReadonlyArray<string>
}> {}

/** How long a room may take for what is due, and its retries, in milliseconds. */
const longest = 180_000

// Plays steps in a world. What was done is written into `lines`.
const play = Effect.fnUntraced(function*(
  world: World,
  kind: Kind,
  steps: ReadonlyArray<Step.Step>,
  patience: number,
  lines: Array<string>
): Effect.fn.Return<void, Actions.Wrong | Unanswered> {
  const { slack, tick } = kind
  const model = new Model(slack)
  const { now } = world
  const { act, expire, forget, look, somethingWaits } = Actions.make(
    world,
    kind,
    model,
    (line) => void lines.push(line)
  )

  const isHeld = () => !kind.sleepsUnread && somethingWaits()

  const crash = Effect.fnUntraced(
    function*(how: Effect.Effect<void>, during?: Fiber.Fiber<void, Actions.Wrong | Unanswered>) {
      const from = yield* now
      yield* how
      if (during !== undefined) yield* Fiber.interrupt(during)
      model.crash(from, yield* now)
      forget()
    }
  )

  const step = Effect.fnUntraced(function*(step: Step.Step): Effect.fn.Return<void, Actions.Wrong | Unanswered> {
    switch (step._tag) {
      case "Wait":
        lines.push(`${step.ticks * tick} ms pass`)
        return yield* world.sleep(step.ticks * tick)
      case "Evict":
        if (isHeld()) return
        lines.push("the object sleeps")
        model.sleeps.push(yield* now)
        return yield* world.evict
      case "Abort":
        lines.push("the object goes, with its sockets")
        return yield* crash(isHeld() ? world.kill : world.abort)
      case "Kill": {
        if (step.during === undefined) {
          lines.push("the process is killed")
          return yield* crash(world.kill)
        }
        const fiber = yield* Effect.forkChild(act(step.during), { startImmediately: true })
        yield* world.hesitate(step.moments)
        lines.push(`  meanwhile the process is killed, at moment ${step.moments}`)
        yield* crash(world.kill, fiber)
        const exit = yield* Fiber.await(fiber)
        if (Exit.isSuccess(exit)) return
        const reason = exit.cause.reasons.find(Cause.isFailReason)
        return reason?.error._tag === "Wrong" ? yield* reason.error : undefined
      }
      default:
        return yield* act(step)
    }
  })

  for (const each of steps) {
    yield* step(each)
    yield* expire
  }
  lines.push("at the end the process is killed, and what is due gets its time")
  yield* crash(world.kill)

  // Nobody disturbs the room: what is due must wake it.
  const from = yield* now
  yield* world.sleep(Math.max(0, model.lastDue - from) + patience)
  const undisturbed = yield* now
  const limit = undisturbed + longest
  for (let isFirst = true;; isFirst = false) {
    const report = yield* look
    const late = isFirst ? Verdict.verifyPrompt(model, report, undisturbed, patience) : []
    if (late.length > 0) return yield* Actions.wrong(...late)
    const problems = Verdict.verify(model, report, yield* now, true)
    if (problems.length === 0) return
    if ((yield* now) > limit) return yield* Actions.wrong(...problems)
    yield* world.sleep(20 * tick)
  }
})

/** Plays the steps of a chapter in a world of their own. */
export const perform = (kind: Kind, steps: ReadonlyArray<Step.Step>, chapter: number): Effect.Effect<void, Violation> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const failed = (...problems: ReadonlyArray<string>) => Effect.fail(new Violation({ problems, lines }))
    return kind.run((world) => play(world, kind, steps, kind.patience(chapter), lines)).pipe(
      Effect.catchTags({
        Unanswered: ({ what }) => failed(`not answered: ${what}`),
        Wrong: ({ problems }) => failed(...problems)
      }),
      Effect.catchDefect((defect) => failed(defect instanceof Error ? defect.stack ?? defect.message : String(defect)))
    )
  })
