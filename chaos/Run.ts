/**
 * Plays steps against a room and a model of it, and finds the shortest sequence in which they differ.
 *
 * Steps come in chapters, each with a room of its own. At the end of a chapter the process is killed once more, what is
 * due gets its time, and then the room must say what the model says.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type Connection, Model } from "./Model.ts"
import * as Step from "./Step.ts"
import type { Client, Kind, Unanswered, World } from "./World.ts"

/** The room is not as the model says. */
export class Violation extends Data.TaggedError("Violation")<{
  readonly problems: ReadonlyArray<string>
  /** What was done, a line each. */
  readonly lines: ReadonlyArray<string>
}> {}

/** How long a room may take for what is due, and its retries, in milliseconds. */
const longest = 180_000

/** How long the room may take to notice who has vanished, in milliseconds. */
const noticing = 20_000

const wrong = (...problems: ReadonlyArray<string>) => Effect.fail(new Violation({ problems, lines: [] }))

// Plays steps in a world. What was done is written into `lines`.
const play = Effect.fnUntraced(function*(
  world: World,
  { slack, tick }: Kind,
  steps: ReadonlyArray<Step.Step>,
  patience: number,
  lines: Array<string>
): Effect.fn.Return<void, Unanswered | Violation> {
  const model = new Model(slack)
  const clients = new Map<Connection, Client>()
  const { call, now } = world

  // Those of whom there are none take no step.
  const whoever = (who: number): readonly [Connection, Client] | undefined => {
    const { open } = model
    const connection = open[who % Math.max(1, open.length)]
    const client = connection && clients.get(connection)
    return client === undefined ? undefined : [connection!, client]
  }

  const look = Effect.gen(function*() {
    const report = yield* call("look", null)
    const problems = model.verify(report, yield* now, false)
    return problems.length === 0 ? report : yield* wrong(...problems)
  })

  // Until the room has noticed that somebody has vanished.
  const noticed = Effect.fnUntraced(function*({ name }: Connection) {
    const from = yield* now
    for (;;) {
      const { open } = yield* call("look", null)
      if (open.every((other) => other.name !== name)) return
      if ((yield* now) > from + noticing) return yield* wrong(`nobody noticed that ${name} has vanished`)
      yield* world.sleep(tick)
    }
  })

  const leaving = (
    who: number,
    code: number,
    how: string,
    leave: (connection: Connection, client: Client) => Effect.Effect<unknown, Unanswered | Violation>
  ) => {
    const found = whoever(who)
    if (found === undefined) return Effect.void
    const [connection, client] = found
    lines.push(`${connection.name} ${how}`)
    return Effect.gen(function*() {
      const confirm = model.end(connection, code, yield* now)
      yield* leave(connection, client)
      confirm(yield* now)
    })
  }

  const act = Effect.fnUntraced(function*(action: Step.Action): Effect.fn.Return<void, Unanswered | Violation> {
    switch (action._tag) {
      case "Look":
        lines.push("look")
        yield* look
        return
      case "Speak": {
        const found = whoever(action.who)
        if (found === undefined) return
        const [connection, client] = found
        const said = model.token()
        lines.push(`${connection.name} says ${said}`)
        const confirm = model.say(connection, said)
        yield* client.say(said)
        return confirm()
      }
      case "Write": {
        const { confirm, write: { token } } = model.write(action.rows)
        lines.push(`write ${token} of ${action.rows} rows${action.fails ? ", which is rolled back" : ""}`)
        const isKept = yield* call("write", { ...action, token })
        if (isKept === action.fails) return yield* wrong(`write ${token} was answered with ${isKept}`)
        return confirm(isKept)
      }
      case "Connect": {
        const connection = model.connect(action.lingers * tick)
        const { lingers, name } = connection
        lines.push(`${name} enters${lingers > 0 ? `, and its close will take ${lingers} ms` : ""}`)
        const client = yield* world.connect(`?name=${name}&lingers=${lingers}`)
        clients.set(connection, client)
        connection.id = client.id
        return
      }
      case "Leave":
        return yield* leaving(
          action.who,
          action.code ?? 1005,
          `leaves with ${action.code ?? "no code"}`,
          (_, client) => client.leave(action.code)
        )
      case "Kick":
        return yield* leaving(
          action.who,
          action.code,
          `is closed with ${action.code}`,
          ({ name }, { id }) =>
            Effect.flatMap(
              call("kick", { id, code: action.code }),
              (had) => had ? Effect.void : wrong(`${name} was not there any more`)
            )
        )
      case "Vanish":
        return yield* leaving(
          action.who,
          1006,
          "vanishes",
          (connection, client) => Effect.andThen(client.vanish, noticed(connection))
        )
      case "Cancel": {
        const key = `k${action.key}`
        lines.push(`cancel ${key}`)
        const confirm = model.cancel(key, yield* now)
        const had = yield* call("cancel", { key })
        const problems = confirm(had, yield* now)
        return problems.length === 0 ? undefined : yield* wrong(...problems)
      }
      case "Set": {
        const [owner, client] = action.who === undefined ? [] : whoever(action.who) ?? []
        const [key, after, takes] = [`k${action.key}`, action.after * tick, action.takes * tick]
        const from = yield* now
        const { fails } = action
        const { confirm, task } = model.set({ key, at: from + after, takes, fails, owner }, from)
        const { at, token } = task
        lines.push(
          `set task ${token} under ${key}, due in ${after} ms${owner ? `, of ${owner.name}` : ""}` +
            (takes > 0 ? `, which takes ${takes} ms` : "") + (fails > 0 ? `, which fails ${fails} times` : "")
        )
        const isSet = yield* call("set", {
          key,
          at,
          task: { token, takes, fails },
          ...(client === undefined ? {} : { connection: client.id })
        })
        confirm(isSet, yield* now)
        return isSet ? undefined : yield* wrong(`task ${token} was refused`)
      }
    }
  })

  const crash = Effect.fnUntraced(
    function*(how: Effect.Effect<void>, during?: Fiber.Fiber<void, Unanswered | Violation>) {
      const from = yield* now
      yield* how
      if (during !== undefined) yield* Fiber.interrupt(during)
      model.crash(from, yield* now)
      clients.clear()
    }
  )

  const step = Effect.fnUntraced(function*(step: Step.Step): Effect.fn.Return<void, Unanswered | Violation> {
    switch (step._tag) {
      case "Wait":
        lines.push(`${step.ticks * tick} ms pass`)
        return yield* world.sleep(step.ticks * tick)
      case "Evict":
        lines.push("the object sleeps")
        model.sleeps.push(yield* now)
        return yield* world.evict
      case "Abort":
        lines.push("the object goes, with its sockets")
        return yield* crash(world.abort)
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
        return reason?.error._tag === "Violation" ? yield* reason.error : undefined
      }
      default:
        return yield* act(step)
    }
  })

  for (const each of steps) yield* step(each)
  lines.push("at the end the process is killed, and what is due gets its time")
  yield* crash(world.kill)

  // Nobody disturbs the room: what is due must wake it.
  const from = yield* now
  yield* world.sleep(Math.max(0, model.lastDue - from) + patience)
  const undisturbed = yield* now
  const limit = undisturbed + longest
  for (let isFirst = true;; isFirst = false) {
    const report = yield* look
    const late = isFirst ? model.verifyPrompt(report, undisturbed, patience) : []
    if (late.length > 0) return yield* wrong(...late)
    const problems = model.verify(report, yield* now, true)
    if (problems.length === 0) return
    if ((yield* now) > limit) return yield* wrong(...problems)
    yield* world.sleep(20 * tick)
  }
})

// Plays the steps of a chapter in a world of their own.
const perform = (kind: Kind, steps: ReadonlyArray<Step.Step>, chapter: number): Effect.Effect<void, Violation> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const failed = (...problems: ReadonlyArray<string>) => Effect.fail(new Violation({ problems, lines }))
    return kind.run((world) => play(world, kind, steps, kind.patience(chapter), lines)).pipe(
      Effect.catchTags({
        Unanswered: ({ what }) => failed(`not answered: ${what}`),
        Violation: ({ problems }) => failed(...problems)
      }),
      Effect.catchDefect((defect) => failed(defect instanceof Error ? defect.stack ?? defect.message : String(defect)))
    )
  })

/** A chapter in which a room was not as the model says. */
export class Failure extends Data.TaggedError("Failure")<{
  readonly kind: Kind
  /** The seed of the chapter. */
  readonly seed: string
  /** How many steps the chapter had, and what was done in the shortest one that was found. */
  readonly steps: number
  readonly violation: Violation
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
        return Effect.as(perform(kind, sequence, chapter), true).pipe(
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
