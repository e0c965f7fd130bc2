/**
 * Whether what a room says of itself is what its model says.
 */
import * as CloseCode from "../src/domain/CloseCode.ts"
import type { Report } from "./Annals.ts"
import { isLeft, type Model, type Task } from "./Model.ts"

/** A deadline is tried so often: once, and six times again. */
const attempts = 7

/** How long a deadline may hold up those that are due with it, in milliseconds. */
const holdUp = 5_000

/** How soon after a start whoever a crash has taken has its `close`, in milliseconds. */
const second = 1_000

/** How soon it has it, if nothing starts the room. */
const minute = 60_000

const grouped = <A>(rows: ReadonlyArray<A>, keyOf: (row: A) => unknown): ReadonlyMap<unknown, ReadonlyArray<A>> =>
  Map.groupBy(rows, keyOf)

/** What is wrong with a report that was asked for at a time: in the middle of a run, or when all is over. */
export const verify = (model: Model, report: Report, now: number, isOver: boolean): ReadonlyArray<string> => [
  ...verifyOpen(model, report, now, isOver),
  ...verifyClosed(model, report, now, isOver),
  ...verifyTasks(model, report, now, isOver),
  ...verifyOrder(model, report),
  ...verifyWrites(model, report)
]

/** What is not done, though it was due for so long, and the room was left alone until a time. */
export const verifyPrompt = (
  model: Model,
  { closed, ran }: Report,
  until: number,
  patience: number
): ReadonlyArray<string> => {
  const begun = new Set(ran.filter(({ at }) => at <= until).map(({ token }) => token))
  const left = new Set(closed.filter(({ at }) => at <= until).map(({ name }) => name))
  const late = model.tasks.filter(({ at, gone, isSet, token }) =>
    isSet === "yes" && gone.length === 0 && at + patience <= until && !begun.has(token)
  )
  const open = patience < minute ? [] : model.connections.filter(({ id, name }) => id !== undefined && !left.has(name))
  return [...late.map(({ token }) => `task ${token}`), ...open.map(({ name }) => `the close of ${name}`)]
    .map((what) => `${what} did not run by itself, while the room was left undisturbed`)
}

const verifyOpen = (
  model: Model,
  { journal, open }: Report,
  now: number,
  isOver: boolean
): ReadonlyArray<string> => {
  const ending = new Set(model.expired(now).map(({ name }) => name))
  const told = (those: ReadonlyArray<{ readonly name: string; readonly said: unknown }>) =>
    those.filter(({ name }) => !ending.has(name)).map(({ name, said }) => `${name}: ${said}`).join(", ")
  const [found, expected] = [told(open), told(model.open)]
  const problems = found === expected ? [] : [`open are [${found}], and not [${expected}]`]
  return isOver && journal !== open.length
    ? [...problems, `the journal has ${journal} connections, and ${open.length} are open`]
    : problems
}

const verifyClosed = (
  model: Model,
  { closed }: Report,
  now: number,
  isOver: boolean
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const rows = grouped(closed, ({ name }) => name)
  const inOrder = closed.map(({ name }) => name)
  let last = -1
  for (const connection of model.connections) {
    const { busy, ends, expiresAt, id, lingers, name, said } = connection
    const closes = rows.get(name) ?? []
    const [first] = ends
    const sure = ends.find(({ isSure }) => isSure)
    if (first === undefined) {
      if (closes.length > 0 && expiresAt > now) problems.push(`${name} is open, and had its close`)
      continue
    }
    if (isOver && id !== undefined && closes.length === 0) problems.push(`${name} never had its close`)
    const begun = Math.min(...ends.map(({ from }) => from))
    const codes = new Set(ends.flatMap(({ codes }) => codes))
    if (model.isExcused(begun, (sure?.to ?? begun) - begun + lingers + busy)) codes.add(CloseCode.abnormal)
    for (const [index, { at, code, said: told }] of closes.entries()) {
      if (!codes.has(code)) problems.push(`${name} was closed with ${code}, and not with ${[...codes].join(" or ")}`)
      if (!said.includes(told)) problems.push(`${name} had said ${said.join(" or ")}, and its close had ${told}`)
      if (at < begun) problems.push(`${name} had its close before it left`)
      if (index < closes.length - 1 && !model.isExcused(at, lingers)) problems.push(`${name} had its close twice`)
    }
    if (!ends.every(({ isCrash }) => isCrash) || id === undefined || closes.length === 0) continue
    const position = inOrder.indexOf(name)
    if (position < last) problems.push(`${name} had its close before one that had entered earlier`)
    last = position
    // Where a process starts anew, its start is no moment.
    if (model.slack > 0) continue
    const others = model.tasks.filter(({ takes }) => takes > 0).length * holdUp +
      model.connections.reduce((sum, { lingers }) => sum + lingers, 0)
    const soon = first.to + second + others
    const isDelayed = [...model.crashes.map(({ from }) => from), ...model.sleeps].some((at) =>
      at > first.to && at <= soon
    )
    if (!isDelayed && closes[0]!.at > soon) {
      problems.push(`${name} waited ${closes[0]!.at - first.to} ms for its close`)
    }
  }
  const names = new Set(model.connections.map(({ name }) => name))
  for (const name of new Set(inOrder)) if (!names.has(name)) problems.push(`nobody knows ${name}, who had a close`)
  return problems
}

const verifyTasks = (
  model: Model,
  { failed, pending, ran }: Report,
  now: number,
  isOver: boolean
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const runs = grouped(ran, ({ token }) => token)
  const set = new Map(pending.map((row) => [row.token, row]))
  const aside = new Map(failed.map((row) => [row.token, row]))
  for (const task of model.tasks) {
    const { at, fails, gone, isSet, key, takes, token } = task
    const name = `task ${token}`
    const rows = runs.get(token) ?? []
    const last = Math.min(fails, attempts - 1)
    const isDone = rows.some(({ failures }) => failures >= last)
    if (isSet === "no") {
      if (rows.length > 0 || set.has(token) || aside.has(token)) problems.push(`${name} was refused, and is there`)
      continue
    }
    const end = Math.min(Infinity, ...gone.filter(({ isSure }) => isSure).map(({ to }) => to))
    let before = -1
    let earliest = at
    for (const [index, row] of rows.entries()) {
      if (row.at > end) problems.push(`${name} ran at ${row.at}, and it was taken back by ${end}`)
      if (row.failures > last) {
        problems.push(`${name} ran after ${row.failures} failures, and it fails ${fails} times`)
      }
      if (row.failures === before + 1) {
        if (row.at < earliest) problems.push(`${name} ran at ${row.at}, before ${earliest}`)
        before = row.failures
        earliest = row.at + takes + 1_000 * 2 ** row.failures
      } else if (row.failures !== before) {
        problems.push(`${name} ran after ${row.failures} failures, and had failed ${before + 1} times`)
      } else if (!model.isExcused(rows[index - 1]!.at, takes)) {
        problems.push(`${name} ran twice after ${row.failures} failures`)
      }
    }
    const isKnown = isSet === "yes" && gone.length === 0
    if (isKnown && isOver && !isDone) problems.push(`${name} ran ${rows.length} times, and not ${last + 1}`)
    if (isKnown && at > now && (set.get(token)?.at !== at || set.get(token)?.key !== key)) {
      problems.push(`${name} is not set any more`)
    }
    const mustBeGone = end < Infinity && !isLeft(task)
    if (set.has(token) && (isOver || mustBeGone)) problems.push(`${name} is still set`)
    const isAside = fails >= attempts && isDone
    if (isKnown && isOver && isAside && aside.get(token)?.failures !== attempts) {
      problems.push(`${name} failed each time, and is not set aside`)
    }
    if (aside.has(token) && (!isAside || (isOver ? end < Infinity : mustBeGone))) {
      problems.push(`${name} is set aside`)
    }
  }
  const tokens = new Set(model.tasks.map(({ token }) => token))
  for (const token of [...runs.keys(), ...set.keys(), ...aside.keys()]) {
    if (!tokens.has(Number(token))) problems.push(`nobody has set task ${token}`)
  }
  return problems
}

// Those that were both set before one of them was due begin in order of time.
const verifyOrder = (model: Model, { ran }: Report): ReadonlyArray<string> => {
  const known = new Map(model.tasks.map((task) => [task.token, task]))
  const begun = new Set<number>()
  const problems: Array<string> = []
  let latest: Task | undefined
  for (const { token } of ran) {
    const task = known.get(token)
    if (begun.has(token) || task === undefined) continue
    begun.add(token)
    if (latest !== undefined && task.at < latest.at && task.set.to < task.at) {
      problems.push(`task ${token} began after task ${latest.token}, which was due later`)
    }
    if (latest === undefined || task.at > latest.at) latest = task
  }
  return problems
}

const verifyWrites = (model: Model, { wrote }: Report): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const rows = grouped(wrote, ({ token }) => token)
  for (const { kept, rows: count, token } of model.writes) {
    const parts = (rows.get(token) ?? []).map(({ part }) => part).join()
    const all = Array.from({ length: count }, (_, part) => part).join()
    if (kept !== "nothing" && parts === all || kept !== "all" && parts === "") continue
    problems.push(`write ${token} has the rows [${parts}], and not ${kept === "nothing" ? "none" : `[${all}]`}`)
  }
  const tokens = new Set(model.writes.map(({ token }) => token))
  for (const token of rows.keys()) if (!tokens.has(Number(token))) problems.push(`nobody has written ${token}`)
  return problems
}
