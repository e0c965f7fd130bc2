/**
 * Every close code that has a name, and the rules of the close handshake.
 *
 * Codes below 3000 are those of RFC 6455, section 7.4.1. Of the application's own, 4000–4499 mean "reconnect" and
 * 4500–4999 "do not".
 */
import * as Limits from "./Limits.ts"

/** A code that has a name. */
export interface Named {
  readonly code: number
  /** Whether a client does well to come back. */
  readonly reconnect: boolean
  readonly meaning: string
}

export const normal = {
  code: 1000,
  reconnect: false,
  meaning: "the purpose of the connection is fulfilled"
} as const satisfies Named
export const goingAway = {
  code: 1001,
  reconnect: true,
  meaning: "the page was left, or the server goes down"
} as const satisfies Named
export const protocolError = {
  code: 1002,
  reconnect: false,
  meaning: "a frame broke the WebSocket protocol"
} as const satisfies Named
export const unsupportedData = {
  code: 1003,
  reconnect: false,
  meaning: "a kind of frame that the room does not take"
} as const satisfies Named
export const noStatus = {
  code: 1005,
  reconnect: false,
  meaning: "closed without a code; never sent"
} as const satisfies Named
export const abnormal = {
  code: 1006,
  reconnect: true,
  meaning: "the connection broke off without a close; never sent"
} as const satisfies Named
export const invalidPayload = {
  code: 1007,
  reconnect: false,
  meaning: "a text that is no UTF-8, or data of the wrong form"
} as const satisfies Named
export const policyViolation = {
  code: 1008,
  reconnect: false,
  meaning: "a message that is not allowed"
} as const satisfies Named
export const messageTooBig = {
  code: 1009,
  reconnect: false,
  meaning: "a message over the size that is taken"
} as const satisfies Named
export const internalError = { code: 1011, reconnect: true, meaning: "the server failed" } as const satisfies Named
export const serviceRestart = { code: 1012, reconnect: true, meaning: "the server restarts" } as const satisfies Named
export const tryAgainLater = {
  code: 1013,
  reconnect: true,
  meaning: "the server is overloaded"
} as const satisfies Named
export const slow = {
  code: 4008,
  reconnect: true,
  meaning: "the client does not read what it is sent"
} as const satisfies Named
export const overrun = {
  code: 4009,
  reconnect: true,
  meaning: "the client sends more than the room gets done"
} as const satisfies Named
export const malformed = {
  code: 4509,
  reconnect: false,
  meaning: "frame after frame is no message of the room"
} as const satisfies Named

/** All of them. Who needs one takes it by its name, so that a Worker carries no others. */
export const table = {
  normal,
  goingAway,
  protocolError,
  unsupportedData,
  noStatus,
  abnormal,
  invalidPayload,
  policyViolation,
  messageTooBig,
  internalError,
  serviceRestart,
  tryAgainLater,
  slow,
  overrun,
  malformed
} as const

/** How a connection ended. */
export interface Close {
  /** The code that the peer sent; 1005 if it sent none, 1006 if the connection broke off. */
  readonly code: number
  /** At most 123 UTF-8 bytes. */
  readonly reason: string
  /** Whether a close handshake took place. */
  readonly wasClean: boolean
}

/**
 * Whether `socket.close(code)` takes a code: an integer from 1000 to 4999, except 1004, 1005, 1006 and 1015. Those four
 * only describe what happened.
 */
export const isSendable = (code: number): boolean =>
  Number.isInteger(code) && code >= 1000 && code <= 4999 && code !== 1004 && code !== 1005 && code !== 1006 &&
  code !== 1015

/** Whether a reason fits in a close frame. */
export const isReason = (reason: string): boolean => Limits.utf8Bytes(reason) <= Limits.closeReasonBytes

/**
 * What a peer's close means. The runtime passes on whatever the frame contained. A code that no frame may carry is a
 * protocol error: otherwise a client could look like one that broke off. A reason that is too long for a frame is
 * dropped. Without a close frame, the reason is the runtime's own remark.
 */
export const received = ({ code, reason, wasClean }: Close): Close => ({
  code: !wasClean || isSendable(code) || code === noStatus.code ? code : protocolError.code,
  reason: wasClean && isReason(reason) ? reason : "",
  wasClean
})

/**
 * The close that answers a peer's: the code and the reason that it sent, or nothing if that code cannot be sent back.
 * With any other code `socket.close` throws, and the peer gets no answer.
 */
export const answer = (close: Close): readonly [code?: number, reason?: string] =>
  isSendable(close.code) && isReason(close.reason) ? [close.code, close.reason] : []

/**
 * The close that an error of the runtime means. For a protocol error or a refused frame the code is in the error's text
 * only (`protocolError.statusCode = 1009`). Any other error means that the connection broke off.
 */
export const fromError = (error: unknown): Close => {
  const text = error instanceof Error ? error.message : String(error)
  const code = Number(/statusCode = (\d{4})\b/.exec(text)?.[1] ?? abnormal.code)
  return { code: isSendable(code) ? code : abnormal.code, reason: "", wasClean: false }
}
