/**
 * What a room must say of itself, after what its clients and callers have done and were told.
 *
 * Each thing is begun before it is asked for, and confirmed when it was answered. What a crash has left without an answer
 * has happened or has not. A crash may also have stopped what had begun shortly before it: that may happen once more.
 */
import * as CloseCode from "../src/domain/CloseCode.ts"
import type * as ConnectionId from "../src/domain/ConnectionId.ts"
import { bounds } from "./Annals.ts"
import { Pace } from "./Pace.ts"
import type { Token } from "./Token.ts"
import type { Answer } from "./World.ts"

/** From when to when something happened, in milliseconds; the end is `Infinity` until it is known. */
interface Span {
  readonly from: number
  to: number
}

interface End extends Span {
  /** The codes that its close may have. */
  codes: ReadonlyArray<number>
  isSure: boolean
  readonly isCrash: boolean
}

/** What may have ended a connection. */
interface Ending {
  /** It has, with one of the codes. */
  readonly confirm: (to: number, code?: number) => void
  /** It has not. */
  readonly undo: () => void
}

/** A connection. */
export interface Connection {
  readonly name: string
  /** For how long its `close` handler takes, in milliseconds. */
  readonly lingers: number
  /** The user of its token; without one nobody knows it. */
  readonly user: string | undefined
  /** When its token ends, in milliseconds since 1970. */
  expiresAt: number
  readonly pace: Pace
  /** For how long its messages keep its handlers at most, in milliseconds. */
  busy: number
  /** Bytes that it was sent since it has stopped reading. */
  unread: number | undefined
  /** What everybody was told since it entered, while it read. */
  readonly shouts: Array<number>
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

interface Revocation extends Span {
  readonly user: string
  isSure: boolean
}

/** By how much a token may seem to be issued later than it was, in milliseconds. */
const skew = 5_000

const never: ReadonlyArray<string> = []

export class Model {
  readonly connections: Array<Connection> = []
  readonly tasks: Array<Task> = []
  readonly writes: Array<Write> = []
  readonly crashes: Array<Span> = []
  /** When the object slept, which begins the second after its start anew. */
  readonly sleeps: Array<number> = []
  readonly #revocations: Array<Revocation> = []
  readonly slack: number
  #tokens = 0

  /** What happened so many milliseconds before a crash may happen once more. */
  constructor(slack: number) {
    this.slack = slack
  }

  /** Those that are open for sure. */
  get open(): ReadonlyArray<Connection> {
    return this.connections.filter(({ ends, id }) => id !== undefined && ends.length === 0)
  }

  token(): number {
    return ++this.#tokens
  }

  /** Somebody asks to be let in. */
  connect(lingers: number, token: Token | undefined, from: number): Connection {
    const connection: Connection = {
      name: `c${this.token()}`,
      lingers,
      user: token?.user,
      expiresAt: token?.expiresAt ?? Infinity,
      // A tenth of a second, where time is real.
      pace: new Pace(from, this.slack < 0 ? 0 : 1),
      busy: 0,
      unread: undefined,
      shouts: [],
      id: undefined,
      said: [0],
      ends: []
    }
    this.connections.push(connection)
    return connection
  }

  /** Somebody was not let in. */
  refuse(connection: Connection): void {
    this.connections.splice(this.connections.indexOf(connection), 1)
  }

  /** Whether a token lets somebody in between two times; `undefined` if both would do. */
  lets(token: Token | undefined, from: number, to: number): boolean | undefined {
    if (token === undefined) return true
    const { expiresAt = Infinity } = token
    const isRevoked = this.#isRevoked(token)
    if (expiresAt <= from || isRevoked === true) return false
    return expiresAt > to && isRevoked === false ? true : undefined
  }

  #isRevoked({ issuedAt, user }: Token): boolean | undefined {
    const known = this.#revocations.filter((other) => other.user === user)
    if (known.some(({ from, isSure }) => isSure && issuedAt <= from + skew)) return true
    return known.every(({ to }) => issuedAt > to + skew) ? false : undefined
  }

  /** Those whose tokens have ended. */
  expired(now: number): ReadonlyArray<Connection> {
    return this.open.filter(({ expiresAt }) => expiresAt <= now)
  }

  /** A user is closed out. Confirming tells what is wrong with how many connections were closed. */
  closeOut(user: string, from: number): (closed: number, to: number) => ReadonlyArray<string> {
    const revocation: Revocation = { user, from, to: Infinity, isSure: false }
    this.#revocations.push(revocation)
    const open = this.open.filter((connection) => connection.user === user)
    const endings = open.map((connection) => this.end(connection, [CloseCode.revoked], from))
    return (closed, to) => {
      revocation.to = to
      revocation.isSure = true
      for (const { confirm } of endings) confirm(to)
      const sure = open.filter(({ expiresAt }) => expiresAt > to).length
      return closed >= sure && closed <= open.length ? never : [`${closed} of ${user} were closed, and not ${sure}`]
    }
  }

  /**
   * A connection says some numbers at once, and the handler of the first takes so many milliseconds. Confirm it with what
   * was answered, and with the code of its close if it was closed. Confirming tells what is wrong with that.
   */
  say(
    connection: Connection,
    numbers: ReadonlyArray<number>,
    takes: number,
    from: number
  ): (answers: ReadonlyArray<Answer>, code: number | undefined, to: number) => ReadonlyArray<string> {
    const { name, said } = connection
    connection.said = [...said, ...numbers]
    connection.busy += takes
    const ending = this.end(connection, [CloseCode.rateLimited, CloseCode.overrun], from)
    const mayOverrun = takes > 0 && numbers.length > bounds.mailboxMessages + 1
    return (answers, code, to) => {
      const problems: Array<string> = []
      const isOverrun = code === CloseCode.overrun
      // The first one was taken, though nobody was told so.
      const verdicts = isOverrun && answers.length === 0 ? [false] : answers.map(isRefused)
      problems.push(...connection.pace.judge(verdicts, code === CloseCode.rateLimited, from, to))
      let last = said
      for (const [index, answer] of answers.entries()) {
        if (answer._tag === "Heard" && answer.said === numbers[index]) last = [answer.said]
        else if (!isRefused(answer)) problems.push(`${numbers[index]} was answered with ${JSON.stringify(answer)}`)
      }
      if (isOverrun && mayOverrun) last = numbers.slice(0, 1)
      else if (isOverrun) problems.push("the connection was closed for messages that may wait")
      else if (mayOverrun && this.slack < 0 && answers[0]?._tag === "Heard") {
        problems.push(`${numbers.length - 1} messages were let wait`)
      }
      // The handler of one may have been under way.
      connection.said = code === CloseCode.expired ? [...last, ...numbers.slice(answers.length)] : last
      problems.push(...this.#answered(connection, answers, numbers.length, code, ending, to))
      return problems.map((problem) => `${name} said ${numbers.length} numbers, and ${problem}`)
    }
  }

  /** A connection sends a new token. Confirm it as what it says. */
  refresh(
    connection: Connection,
    token: Token,
    from: number
  ): (answers: ReadonlyArray<Answer>, code: number | undefined, to: number) => ReadonlyArray<string> {
    const { name, pace, user } = connection
    const ending = this.end(connection, [CloseCode.rateLimited, CloseCode.expired], from)
    return (answers, code, to) => {
      const problems = [...pace.judge(answers.map(isRefused), code === CloseCode.rateLimited, from, to)]
      const holds = user === token.user ? this.lets(token, from, to) : false
      const [answer] = answers
      if (answer?._tag === "Refreshed") {
        if (answer.expiresAt !== token.expiresAt) problems.push(`was told that it ends at ${answer.expiresAt}`)
        if (holds === false) problems.push("was not refused")
        connection.expiresAt = token.expiresAt ?? Infinity
      } else if (answer !== undefined && !isRefused(answer)) {
        const isFair = answer._tag === "Error" && answer.code === "Unauthorized"
        if (!isFair || holds === true) problems.push(`got ${JSON.stringify(answer)}`)
      }
      problems.push(...this.#answered(connection, answers, 1, code, ending, to))
      return problems.map((problem) => `${name} sent a new token of ${token.user}, and ${problem}`)
    }
  }

  #answered(
    { expiresAt }: Connection,
    answers: ReadonlyArray<Answer>,
    count: number,
    code: number | undefined,
    { confirm, undo }: Ending,
    to: number
  ): ReadonlyArray<string> {
    if (code === undefined) {
      undo()
      return answers.length === count ? never : [`got ${answers.length} answers`]
    }
    confirm(to, code)
    const isFair = code === CloseCode.expired ? expiresAt <= to : code === CloseCode.rateLimited ||
      code === CloseCode.overrun
    return isFair ? never : [`was closed with ${code}`]
  }

  /** A connection begins to leave, for whatever reason. */
  end(connection: Connection, codes: ReadonlyArray<number>, from: number, isCrash = false): Ending {
    const end: End = { codes, from, to: Infinity, isSure: false, isCrash }
    connection.ends.push(end)
    const owned = this.tasks.filter(({ isSet, owner }) => owner === connection && isSet !== "no")
    const gone = owned.map((task) => this.#go(task, from, isCrash))
    return {
      confirm: (to, code) => {
        end.to = to
        end.isSure = true
        if (code !== undefined) end.codes = [code]
        for (const { confirm } of gone) confirm(to)
        const { expiresAt } = connection
        // Its token may have ended before.
        if (expiresAt <= to) {
          connection.ends.push({ codes: [CloseCode.expired], from: expiresAt, to, isSure: false, isCrash: false })
        }
      },
      undo: () => {
        connection.ends.splice(connection.ends.indexOf(end), 1)
        for (const { undo } of gone) undo()
      }
    }
  }

  #go(
    task: Task,
    from: number,
    isCrash = false
  ): { readonly confirm: (to: number) => void; readonly undo: () => void } {
    const gone: Gone = { from, to: Infinity, isSure: false, isCrash }
    task.gone.push(gone)
    return {
      confirm: (to) => {
        gone.to = to
        gone.isSure = true
      },
      undo: () => void task.gone.splice(task.gone.indexOf(gone), 1)
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
        for (const { confirm, undo } of moved) {
          if (isSet) confirm(to)
          else undo()
        }
      }
    }
  }

  /** A key is about to be cancelled. Confirming tells what is wrong with the answer. */
  cancel(key: string, from: number): (had: boolean, to: number) => ReadonlyArray<string> {
    const before = this.#under(key)
    const cancelled = before.map((task) => this.#go(task, from))
    return (had, to) => {
      for (const { confirm } of cancelled) confirm(to)
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
      this.end(connection, [CloseCode.abnormal], from, true).confirm(to)
    }
    const spans = [
      ...this.connections.flatMap(({ ends }) => ends),
      ...this.tasks.flatMap(({ gone, set }) => [set, ...gone]),
      ...this.#revocations
    ]
    for (const span of spans) span.to = Math.min(span.to, to)
  }

  /** Whether a crash may have stopped what began at a time and took so long. */
  isExcused(at: number, millis: number): boolean {
    return this.crashes.some(({ from, to }) => to >= at && from <= at + millis + this.slack)
  }

  /** When the last thing is to come that is known of, without retries. */
  get lastDue(): number {
    return Math.max(0, ...this.tasks.filter((task) => !isGone(task)).map(({ at, takes }) => at + takes))
  }
}

const isRefused = (answer: Answer): boolean => answer._tag === "Error" && answer.code === "RateLimited"

const isGone = ({ gone }: Task): boolean => gone.some(({ isSure }) => isSure)

/** Whether it was left by a connection that a crash took, and by nothing else. */
export const isLeft = ({ gone }: Task): boolean =>
  gone.some(({ isCrash }) => isCrash) && gone.every(({ isCrash, isSure }) => isCrash || !isSure)
