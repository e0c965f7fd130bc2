/**
 * What can go wrong in a room's storage. Each reason is defined once.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Limits from "./Limits.ts"

/** A row would break a constraint of its table, like `UNIQUE` or `NOT NULL`. */
export class ConstraintFailed extends Schema.TaggedError<ConstraintFailed>()("ConstraintFailed", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The database takes no more: it has its largest size, 10 GB in a Durable Object, or the disk is full. */
export class Full extends Schema.TaggedError<Full>()("Full", {}) {
  override get message() {
    return "The room's storage is full"
  }
}

/** A text, a blob or a row has more than 2,000,000 bytes. */
export class TooBig extends Schema.TaggedError<TooBig>()("TooBig", {}) {
  override get message() {
    return `A value in storage has at most ${Limits.storedBytes} bytes`
  }
}

/** The statement is wrong, or the database failed. */
export class StatementFailed extends Schema.TaggedError<StatementFailed>()("StatementFailed", {
  cause: Schema.Defect()
}) {
  override get message() {
    return `The statement failed. ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** Newer code has made the library's tables. They are read by no one and written by no one until it is back. */
export class NewerTables extends Schema.TaggedError<NewerTables>()("NewerTables", {
  part: Schema.String,
  version: Schema.Int,
  known: Schema.Int
}) {
  override get message() {
    return `The tables of ${this.part} have version ${this.version}, and this code knows ${this.known} at most`
  }
}

/** Why the storage did not do as it was told. */
export const Reason = Schema.Union([ConstraintFailed, Full, TooBig, NewerTables, StatementFailed])

export type Reason = typeof Reason.Type

/** Why the storage did not do as it was told; `reason` tells the cases apart. Nothing of the statement was kept. */
export class StorageError extends Schema.TaggedError<StorageError>()("StorageError", {
  reason: Reason
}) {
  override get message() {
    return this.reason.message
  }
}

/**
 * What the database threw, as a typed error. Every runtime passes on SQLite's own words. Those of a constraint may be any,
 * like a trigger's: a Durable Object adds its kind, and Node its number.
 */
export const from = (cause: unknown): StorageError => {
  if (cause instanceof StorageError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  const number = Predicate.hasProperty(cause, "errcode") ? Number(cause.errcode) & 255 : undefined
  if (number === 19 || /constraint failed|: SQLITE_CONSTRAINT\b/.test(text)) {
    return new StorageError({ reason: new ConstraintFailed({ detail: text }) })
  }
  if (text.includes("database or disk is full")) return new StorageError({ reason: new Full({}) })
  if (text.includes("string or blob too big")) return new StorageError({ reason: new TooBig({}) })
  return new StorageError({ reason: new StatementFailed({ cause }) })
}
