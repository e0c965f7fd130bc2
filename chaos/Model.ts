/**
 * What a room must say of itself, after what its clients and callers have done and were told.
 *
 * Each thing is begun before it is asked for, and confirmed when it was answered. What a crash has left without an answer
 * has happened or has not. A crash may also have stopped what had begun shortly before it: that may happen once more.
 */
import type * as ConnectionId from "../src/domain/ConnectionId.ts"
import type { Report } from "./Annals.ts"

/** From when to when something happened, in milliseconds; the end is `Infinity` until it is known. */
interface Span {
  readonly from: number
  to: number
}

interface End extends Span {
  readonly code: number
  isSure: boolean
  readonly isCrash: boolean
}

/** A connection. */
export interface Connection {
  readonly name: string
  /** For how long its `close` handler takes, in milliseconds. */
  readonly lingers: number
  /** Known once it has entered. */
  id: ConnectionId.ConnectionId | undefined
  /** What it has said last; several where some of it was not answered. */
  said: ReadonlyArray<number>
  readonly ends: Array<End>
}

interface Gone extends Span {
  isSure: boolean
  /** A crash took its connection. It never runs again, and is there until the journal has looked. */
  readonly isCrash: boolean
}

/** A deadline. One that moves is another one. */
export interface Task {
  readonly token: number
  readonly key: string
  readonly at: number
  readonly takes: number
  readonly fails: number
  readonly owner: Connection | undefined
  /** When it was set. */
  readonly set: Span
  isSet: "yes" | "no" | "maybe"
  /** When it was moved, cancelled, or left by its connection. */
  readonly gone: Array<Gone>
}

interface Write {
  readonly token: number
  readonly rows: number
  kept: "all" | "nothing" | "either"
}

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

export class Model {
  readonly connections: Array<Connection> = []
  readonly tasks: Array<Task> = []
  readonly writes: Array<Write> = []
  readonly crashes: Array<Span> = []
  /** When the object slept, which begins the second after its start anew. */
  readonly sleeps: Array<number> = []
  readonly #slack: number
  #tokens = 0

  /** What happened so many milliseconds before a crash may happen once more. */
  constructor(slack: number) {
    this.#slack = slack
  }

  /** Those that are open for sure. */
  get open(): ReadonlyArray<Connection> {
    return this.connections.filter(({ ends, id }) => id !== undefined && ends.length === 0)
  }

  token(): number {
    return ++this.#tokens
  }

  connect(lingers: number): Connection {
    const connection: Connection = { name: `c${this.token()}`, lingers, id: undefined, said: [0], ends: [] }
    this.connections.push(connection)
    return connection
  }

  /** A connection says something. Confirm it with what is returned. */
  say(connection: Connection, said: number): () => void {
    connection.said = [...connection.said, said]
    return () => {
      connection.said = [said]
    }
  }

  /** A connection begins to leave, for whatever reason. Confirm it, or take it back: then there was no such connection. */
  end(connection: Connection, code: number, from: number, isCrash = false): (to: number) => void {
    const end: End = { code, from, to: Infinity, isSure: false, isCrash }
    connection.ends.push(end)
    const owned = this.tasks.filter(({ isSet, owner }) => owner === connection && isSet !== "no")
    const gone = owned.map((task) => this.#go(task, from, isCrash))
    return (to) => {
      end.to = to
      end.isSure = true
      for (const confirm of gone) confirm(to)
    }
  }

  #go(task: Task, from: number, isCrash = false): (to: number) => void {
    const gone: Gone = { from, to: Infinity, isSure: false, isCrash }
    task.gone.push(gone)
    return (to) => {
      gone.to = to
      gone.isSure = true
    }
  }

  /** Those that a key may have now. */
  #under(key: string): ReadonlyArray<Task> {
    return this.tasks.filter((task) => task.key === key && task.isSet !== "no" && !isGone(task))
  }

  /** A deadline is about to be set. */
  set(task: Omit<Task, "gone" | "isSet" | "set" | "token">, from: number): {
    readonly task: Task
    readonly confirm: (isSet: boolean, to: number) => void
  } {
    const set: Task = { ...task, token: this.token(), set: { from, to: Infinity }, isSet: "maybe", gone: [] }
    const before = this.#under(task.key)
    const moved = before.map((other) => this.#go(other, from))
    this.tasks.push(set)
    return {
      task: set,
      confirm: (isSet, to) => {
        set.set.to = to
        set.isSet = isSet ? "yes" : "no"
        if (isSet) { for (const confirm of moved) confirm(to) }
        else for (const other of before) other.gone.pop()
      }
    }
  }

  /** A key is about to be cancelled. Confirming tells what is wrong with the answer. */
  cancel(key: string, from: number): (had: boolean, to: number) => ReadonlyArray<string> {
    const before = this.#under(key)
    const cancelled = before.map((task) => this.#go(task, from))
    return (had, to) => {
      for (const confirm of cancelled) confirm(to)
      const isKnown = this.tasks.every((task) => task.key !== key || !isLeft(task))
      if (had && isKnown && before.length === 0) return [`${key} was cancelled, and nothing was set`]
      const lost = before.find(({ at, gone, isSet }) => isSet === "yes" && gone.length === 1 && at > to)
      return !had && lost !== undefined ? [`task ${lost.token} was not there any more when it was cancelled`] : []
    }
  }

  /** Something is about to be written. */
  write(rows: number): { readonly write: Write; readonly confirm: (isKept: boolean) => void } {
    const write: Write = { token: this.token(), rows, kept: "either" }
    this.writes.push(write)
    return {
      write,
      confirm: (isKept) => {
        write.kept = isKept ? "all" : "nothing"
      }
    }
  }

  /** Everybody has gone at once, and what was under way was left. */
  crash(from: number, to: number): void {
    this.crashes.push({ from, to })
    for (const connection of this.connections) {
      if (connection.ends.some(({ isSure }) => isSure)) continue
      this.end(connection, 1006, from, true)(to)
    }
    const spans = [
      ...this.connections.flatMap(({ ends }) => ends),
      ...this.tasks.flatMap(({ gone, set }) => [set, ...gone])
    ]
    for (const span of spans) span.to = Math.min(span.to, to)
  }

  /** Whether a crash may have stopped what began at a time and took so long. */
  #isExcused(at: number, millis: number): boolean {
    return this.crashes.some(({ from, to }) => to >= at && from <= at + millis + this.#slack)
  }

  /** When the last thing is to come that is known of, without retries. */
  get lastDue(): number {
    return Math.max(0, ...this.tasks.filter((task) => !isGone(task)).map(({ at, takes }) => at + takes))
  }

  /** What is wrong with a report that was asked for at a time: in the middle of a run, or when all is over. */
  verify(report: Report, now: number, isOver: boolean): ReadonlyArray<string> {
    return [
      ...this.#verifyOpen(report, isOver),
      ...this.#verifyClosed(report, isOver),
      ...this.#verifyTasks(report, now, isOver),
      ...this.#verifyOrder(report),
      ...this.#verifyWrites(report)
    ]
  }

  /** What is not done, though it was due for so long, and the room was left alone until a time. */
  verifyPrompt({ closed, ran }: Report, until: number, patience: number): ReadonlyArray<string> {
    const begun = new Set(ran.filter(({ at }) => at <= until).map(({ token }) => token))
    const left = new Set(closed.filter(({ at }) => at <= until).map(({ name }) => name))
    const late = this.tasks.filter(({ at, gone, isSet, token }) =>
      isSet === "yes" && gone.length === 0 && at + patience <= until && !begun.has(token)
    )
    const open = patience < minute ? [] : this.connections.filter(({ id, name }) => id !== undefined && !left.has(name))
    return [...late.map(({ token }) => `task ${token}`), ...open.map(({ name }) => `the close of ${name}`)]
      .map((what) => `${what} did not run by itself, while the room was left undisturbed`)
  }

  #verifyOpen({ journal, open }: Report, isOver: boolean): ReadonlyArray<string> {
    const found = open.map(({ name, said }) => `${name}: ${said}`).join(", ")
    const expected = this.open.map(({ name, said }) => `${name}: ${said.join(" or ")}`).join(", ")
    const problems = found === expected ? [] : [`open are [${found}], and not [${expected}]`]
    return isOver && journal !== open.length
      ? [...problems, `the journal has ${journal} connections, and ${open.length} are open`]
      : problems
  }

  #verifyClosed({ closed }: Report, isOver: boolean): ReadonlyArray<string> {
    const problems: Array<string> = []
    const rows = grouped(closed, ({ name }) => name)
    const inOrder = closed.map(({ name }) => name)
    let last = -1
    for (const connection of this.connections) {
      const { ends, id, lingers, name, said } = connection
      const closes = rows.get(name) ?? []
      const [first] = ends
      const sure = ends.find(({ isSure }) => isSure)
      if (first === undefined) {
        if (closes.length > 0) problems.push(`${name} is open, and had its close`)
        continue
      }
      if (isOver && id !== undefined && closes.length === 0) problems.push(`${name} never had its close`)
      const codes = new Set(ends.map(({ code }) => code))
      if (this.#isExcused(first.from, (sure?.to ?? first.from) - first.from + lingers)) codes.add(1006)
      for (const [index, { at, code, said: told }] of closes.entries()) {
        if (!codes.has(code)) problems.push(`${name} was closed with ${code}, and not with ${[...codes].join(" or ")}`)
        if (!said.includes(told)) problems.push(`${name} had said ${said.join(" or ")}, and its close had ${told}`)
        if (at < first.from) problems.push(`${name} had its close before it left`)
        if (index < closes.length - 1 && !this.#isExcused(at, lingers)) problems.push(`${name} had its close twice`)
      }
      if (!first.isCrash || id === undefined || closes.length === 0) continue
      const position = inOrder.indexOf(name)
      if (position < last) problems.push(`${name} had its close before one that had entered earlier`)
      last = position
      // Where a process starts anew, its start is no moment.
      if (this.#slack > 0) continue
      const busy = this.tasks.filter(({ takes }) => takes > 0).length * holdUp +
        this.connections.reduce((sum, { lingers }) => sum + lingers, 0)
      const soon = first.to + second + busy
      const isDelayed = [...this.crashes.map(({ from }) => from), ...this.sleeps].some((at) =>
        at > first.to && at <= soon
      )
      if (!isDelayed && closes[0]!.at > soon) {
        problems.push(`${name} waited ${closes[0]!.at - first.to} ms for its close`)
      }
    }
    const names = new Set(this.connections.map(({ name }) => name))
    for (const name of new Set(inOrder)) if (!names.has(name)) problems.push(`nobody knows ${name}, who had a close`)
    return problems
  }

  #verifyTasks({ failed, pending, ran }: Report, now: number, isOver: boolean): ReadonlyArray<string> {
    const problems: Array<string> = []
    const runs = grouped(ran, ({ token }) => token)
    const set = new Map(pending.map((row) => [row.token, row]))
    const aside = new Map(failed.map((row) => [row.token, row]))
    for (const task of this.tasks) {
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
        } else if (!this.#isExcused(rows[index - 1]!.at, takes)) {
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
    const tokens = new Set(this.tasks.map(({ token }) => token))
    for (const token of [...runs.keys(), ...set.keys(), ...aside.keys()]) {
      if (!tokens.has(Number(token))) problems.push(`nobody has set task ${token}`)
    }
    return problems
  }

  // Those that were both set before one of them was due begin in order of time.
  #verifyOrder({ ran }: Report): ReadonlyArray<string> {
    const known = new Map(this.tasks.map((task) => [task.token, task]))
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

  #verifyWrites({ wrote }: Report): ReadonlyArray<string> {
    const problems: Array<string> = []
    const rows = grouped(wrote, ({ token }) => token)
    for (const { kept, rows: count, token } of this.writes) {
      const parts = (rows.get(token) ?? []).map(({ part }) => part).join()
      const all = Array.from({ length: count }, (_, part) => part).join()
      if (kept !== "nothing" && parts === all || kept !== "all" && parts === "") continue
      problems.push(`write ${token} has the rows [${parts}], and not ${kept === "nothing" ? "none" : `[${all}]`}`)
    }
    const tokens = new Set(this.writes.map(({ token }) => token))
    for (const token of rows.keys()) if (!tokens.has(Number(token))) problems.push(`nobody has written ${token}`)
    return problems
  }
}

const isGone = ({ gone }: Task): boolean => gone.some(({ isSure }) => isSure)

// Left by a connection that a crash took, and by nothing else.
const isLeft = ({ gone }: Task): boolean =>
  gone.some(({ isCrash }) => isCrash) && gone.every(({ isCrash, isSure }) => isCrash || !isSure)
