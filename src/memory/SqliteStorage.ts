/**
 * The storage of a room outside of Cloudflare: Node's own SQLite, in memory or in a file.
 *
 * It keeps the rules of a Durable Object's storage, errors included. Unlike there, statements of one turn are not
 * joined: whoever needs all or nothing uses `transaction`.
 */
import { rmSync } from "node:fs"
import type { DatabaseSync, StatementSync } from "node:sqlite"
import * as Limits from "../domain/Limits.ts"
import type * as Storage from "../services/Storage.ts"

/** A database that is opened by its first statement. */
export interface SqliteStorage extends Omit<Storage.Storage["Service"], "clear"> {
  /** Whether something was stored, or read. */
  readonly isOpen: () => boolean
  /** Closes the database. The next statement opens it again. */
  readonly close: () => void
  /** Deletes the database. The next statement makes a new one. */
  readonly clear: () => void
}

const memory = ":memory:"

/** Statements that stay prepared. */
const prepared = 256

/** Characters of a text of statements. */
const longest = 100_000

/** How long a file that somebody else writes to is waited for, in milliseconds. */
const timeout = 1_000

/** Makes the storage that a file keeps; without a path, memory keeps it until it is closed. */
export const make = (path = memory): SqliteStorage => {
  let database: DatabaseSync | undefined
  const statements = new Map<string, StatementSync>()
  let depth = 0

  const open = (): DatabaseSync => {
    if (database !== undefined) return database
    // A room that stores nothing does without it, and runs on an older Node.
    const sqlite = process.getBuiltinModule("node:sqlite")
    if (sqlite === undefined) {
      throw new Error("A room that stores something needs Node 22.13 or later, which has SQLite.")
    }
    const opened = new sqlite.DatabaseSync(path, { timeout })
    // Since Node 24. Before, only what `Storage.exec` binds is measured.
    if (opened.limits !== undefined) opened.limits.length = Limits.storedBytes
    opened.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    return database = opened
  }

  const prepare = (text: string): StatementSync => {
    const known = statements.get(text)
    if (known !== undefined) return known
    if (refused.test(text.replace(comments, " "))) throw new Error("A transaction is begun by `transaction` alone.")
    const statement = open().prepare(text)
    statement.setReadBigInts(true)
    if (statements.size >= prepared) statements.clear()
    statements.set(text, statement)
    return statement
  }

  const exec = (text: string, ...bindings: ReadonlyArray<Storage.Binding>): ReadonlyArray<Storage.Row> => {
    if (text.length > longest) throw new Error("The text is longer than a database takes: string or blob too big")
    if (isEmpty(text)) throw new Error("The text has no statement.")
    for (let rest = text;;) {
      const statement = prepare(rest)
      const source = statement.sourceSQL
      // SQLite prepares the first statement of a text, and says how far it came.
      rest = rest.slice(source.length)
      const isLast = isEmpty(rest)
      if (parameters(source) !== (isLast ? bindings.length : 0)) {
        throw new Error("There is another number of parameters, or they are not those of the last statement.")
      }
      const rows = statement.all(...isLast ? bindings.map(bound) : [])
      if (depth > 0 && database?.isTransaction === false) throw new Error("The statement has ended its transaction.")
      if (isLast) return rows.map(toRow)
    }
  }

  const close = () => {
    statements.clear()
    database?.close()
    database = undefined
  }

  return {
    exec,
    transaction: (body) => {
      const name = `dormouse_${depth}`
      const [begin, commit, rollback] = depth === 0
        ? ["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"]
        : [`SAVEPOINT ${name}`, `RELEASE ${name}`, `ROLLBACK TO ${name}; RELEASE ${name}`]
      open().exec(begin!)
      depth++
      try {
        const result = body()
        open().exec(commit!)
        return result
      } catch (cause) {
        try {
          open().exec(rollback!)
        } catch {
          // A statement that failed may have ended the transaction itself.
        }
        throw cause
      } finally {
        depth--
      }
    },
    isOpen: () => database !== undefined,
    close,
    clear: () => {
      close()
      if (path !== memory) { for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true }) }
    }
  }
}

const refused = /^[\s;]*(?:BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ATTACH|DETACH)\b/i

const comments = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g

// Quoted texts and comments, in which a `?` is no parameter.
const quoted = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g

const isEmpty = (text: string): boolean => /^[\s;]*$/.test(text.replace(comments, ""))

const parameters = (text: string): number => {
  let highest = 0
  for (const [, number] of text.replace(quoted, " ").matchAll(/\?(\d*)/g)) {
    highest = number === "" ? highest + 1 : Math.max(highest, Number(number))
  }
  return highest
}

const bound = (value: Storage.Binding) => value instanceof ArrayBuffer ? new Uint8Array(value) : value

const toRow = (row: Record<string, unknown>): Storage.Row => {
  const values: Record<string, Storage.Value> = {}
  for (const [column, value] of Object.entries(row)) {
    // SAFETY: SQLite gives nothing else.
    values[column] = fromSqlite(value as Storage.Value | Uint8Array | bigint)
  }
  return values
}

// A copy of its own: the database may keep more in the same buffer.
const fromSqlite = (value: Storage.Value | Uint8Array | bigint): Storage.Value =>
  value instanceof Uint8Array ? new Uint8Array(value).buffer : typeof value === "bigint" ? Number(value) : value
