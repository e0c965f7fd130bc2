/** How a figure is measured: its subjects in turns, and a sample a round. */
import type { Measured } from "./generator.ts"
import { open, type Subject, type Target } from "./servers.ts"

export interface Sample {
  readonly figure: string
  /** What the figure varies: a number of clients, a kind of lookup. */
  readonly setting: string
  readonly metric: string
  readonly subject: string
  /** Samples of one round were taken within seconds of each other; ratios are only taken inside a round. */
  readonly round: number
  readonly value: number
}

export interface Run {
  readonly quick: boolean
  readonly subjects: ReadonlyArray<Subject>
  readonly record: (setting: string, metric: string, subject: string, round: number, value: number) => void
  /** How far the figure is, from 0 to 1, and what it does now. */
  readonly progress: (done: number, what: string) => void
}

export interface Figure {
  readonly name: string
  readonly title: string
  readonly work: string
  /** About how many seconds it takes: only the progress line believes it. */
  readonly seconds: { readonly quick: number; readonly full: number }
  readonly measure: (run: Run) => Promise<void>
}

export interface Plan {
  /** How often all servers are started anew: a process may be lucky with its memory layout. */
  readonly sittings: number
  readonly rounds: number
  readonly subjects?: ReadonlyArray<Subject>
  readonly prepare: (target: Target) => Promise<void>
  readonly measure: (target: Target, round: number) => Promise<void>
}

/** The same, beginning further on: whoever is first, or comes after whom, is to be another one each time. */
export const turned = <A>(all: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const at = by % all.length
  return [...all.slice(at), ...all.slice(0, at)]
}

/**
 * One sitting: the servers are started and prepared, worked with and stopped. Each sitting begins with another subject
 * than the one before: who starts on an empty machine, and who beside the others, shows in every figure of a process.
 */
export const sit = async (
  subjects: ReadonlyArray<Subject>,
  sitting: number,
  prepare: (target: Target) => Promise<void>,
  work: (targets: ReadonlyArray<Target>) => Promise<void>
): Promise<void> => {
  const targets: Array<Target> = []
  try {
    for (const subject of turned(subjects, sitting)) {
      const target = await open(subject)
      targets.push(target)
      await prepare(target)
    }
    await work(targets)
  } finally {
    await Promise.all(targets.map((target) => target.close()))
  }
}

/** Rounds that interleave the subjects, each time with another one first. */
export const rounds = async (run: Run, plan: Plan): Promise<void> => {
  const subjects = plan.subjects ?? run.subjects
  const steps = plan.sittings * (plan.rounds + 1) * subjects.length
  let step = 0
  for (let sitting = 0; sitting < plan.sittings; sitting++) {
    await sit(subjects, sitting, (target) => {
      run.progress(step++ / steps, `connecting to ${target.subject.title}`)
      return plan.prepare(target)
    }, async (targets) => {
      for (let i = 0; i < plan.rounds; i++) {
        const round = sitting * plan.rounds + i
        for (const target of turned(targets, i)) {
          run.progress(step++ / steps, `${target.subject.title}, round ${round + 1} of ${plan.sittings * plan.rounds}`)
          await plan.measure(target, round)
        }
      }
    })
  }
}

/** Rounds in which each subject has a server of its own that nothing came before, and nothing runs beside. */
export const alone = async (
  run: Run,
  count: number,
  measure: (target: Target, round: number) => Promise<void>
): Promise<void> => {
  const { subjects } = run
  for (let round = 0; round < count; round++) {
    for (const [turn, subject] of turned(subjects, round).entries()) {
      run.progress((round + turn / subjects.length) / count, `${subject.title}, round ${round + 1} of ${count}`)
      await sit([subject], 0, async () => {}, ([target]) => measure(target!, round))
    }
  }
}

export const connect = (target: Target, room: string, clients: number, state?: number) =>
  target.call("connect", {
    room,
    clients,
    ndjson: target.subject.ndjson,
    ...(state === undefined ? {} : { state })
  })

export const perSecond = ({ delivered, wall }: Measured) => delivered * 1000 / wall
export const perDelivery = ({ cpu, delivered }: Measured) => cpu / delivered
