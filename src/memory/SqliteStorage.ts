/**
 * The storage of a room outside of Cloudflare: Node's own SQLite, in memory or in a file.
 *
 * It keeps the rules of a Durable Object's storage, errors included. Unlike there, statements of one turn are not
 * joined: whoever needs all or nothing uses `transaction`. What is refused there is refused here since Node 24.10, but for
 * functions that only give away the database's version and the like.
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
    try {
      opened.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    } catch (cause) {
      opened.close()
      throw cause
    }
    // Since Node 24.10.
    opened.setAuthorizer?.((action: number, name: string | null, argument: string | null, database: string | null) =>
      isRefused(sqlite.constants, action, name, argument, database)
        ? sqlite.constants.SQLITE_DENY
        : sqlite.constants.SQLITE_OK
    )
    return database = opened
  }

  const prepare = (text: string): StatementSync => {
    const known = statements.get(text)
    if (known !== undefined) return known
    const [, command] = refused.exec(text.replace(comments, " ")) ?? []
    if (command !== undefined) {
      throw new Error(`A room cannot run ${command}. Transactions are begun by \`transaction\`.`)
    }
    const statement = open().prepare(text)
    statement.setReadBigInts(true)
    if (statements.size >= prepared) statements.clear()
    statements.set(text, statement)
    return statement
  }

  // `OR ROLLBACK` ends a transaction, and what follows would be kept at once. Node knows since 24.
  const whole = () => {
    if (depth > 0 && database?.isTransaction === false) throw new Error("A statement has ended this transaction.")
  }

  const exec = (text: string, ...bindings: ReadonlyArray<Storage.Binding>): ReadonlyArray<Storage.Row> => {
    if (text.length > longest) throw new Error("The text is longer than a database takes: string or blob too big")
    for (let rest = text;;) {
      if (isEmpty(rest)) throw new Error("The text has no statement.")
      whole()
      const statement = prepare(rest)
      const source = statement.sourceSQL
      // SQLite prepares the first statement of a text, and says how far it came.
      rest = rest.slice(source.length)
      const isLast = rest.trim() === ""
      if (parameters(source) !== (isLast ? bindings.length : 0)) {
        throw new Error("There is another number of parameters, or they are not those of the last statement.")
      }
      const rows = statement.all(...isLast ? bindings.map(bound) : [])
      whole()
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
      whole()
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

const refused = /^[\s;]*(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ATTACH|DETACH|VACUUM)\b/i

// What a Durable Object takes. `max_page_count` is refused there: it lets a test fill a database.
const pragmas = new Set(
  `case_sensitive_like data_version defer_foreign_keys foreign_key_check foreign_key_list foreign_keys
  ignore_check_constraints index_info index_list index_xinfo legacy_alter_table max_page_count optimize page_size quick_check
  recursive_triggers reverse_unordered_selects table_info table_list table_xinfo`.split(/\s+/)
)

// What a Durable Object refuses is refused here, too.
const isRefused = (
  codes: typeof import("node:sqlite").constants,
  action: number,
  name: string | null,
  argument: string | null,
  database: string | null
): boolean => {
  switch (action) {
    case codes.SQLITE_PRAGMA:
      return !pragmas.has(name ?? "") || argument !== null && /^(?:data_version|page_size)$/.test(name ?? "")
    // Whatever is made stands in a schema.
    case codes.SQLITE_INSERT:
      return database === "temp"
    case codes.SQLITE_CREATE_INDEX:
    case codes.SQLITE_CREATE_TABLE:
    case codes.SQLITE_CREATE_TRIGGER:
    case codes.SQLITE_CREATE_VIEW:
    case codes.SQLITE_CREATE_VTABLE:
      return /^_cf_/i.test(name ?? "")
  }
  return false
}

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

/** A storage as one life of its room sees it. Once that has ended, nothing reaches it any more. */
export const during = (storage: SqliteStorage, hasEnded: () => boolean): Omit<SqliteStorage, "close" | "isOpen"> => {
  const alive = <A>(use: () => A): A => {
    if (hasEnded()) throw new Error("The room has ended.")
    return use()
  }
  return {
    exec: (...statement) => alive(() => storage.exec(...statement)),
    transaction: (body) => alive(() => storage.transaction(body)),
    clear: () => alive(storage.clear)
  }
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
