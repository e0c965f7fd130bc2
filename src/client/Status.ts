/**
 * How a client stands to its room.
 */

/** The connection is being made. */
export interface Connecting {
  readonly _tag: "Connecting"
}

/** The connection is there. */
export interface Connected {
  readonly _tag: "Connected"
}

/** The connection is gone, and the next attempt is set. */
export interface Waiting {
  readonly _tag: "Waiting"
  /** When it is, in milliseconds since 1970. */
  readonly until: number
  /** How the last connection ended; 1006 if it broke off, or could not be made. */
  readonly code: number
  readonly reason: string
}

/** The connection is gone, and there is no coming back. */
export interface Closed {
  readonly _tag: "Closed"
  readonly code: number
  readonly reason: string
}

export type Status = Connecting | Connected | Waiting | Closed
