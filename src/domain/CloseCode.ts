/**
 * Every close code that has a name, and the rules of the close handshake.
 *
 * Codes below 3000 are those of RFC 6455, section 7.4.1. Of the application's own, 4000–4499 mean "reconnect" and
 * 4500–4999 "do not".
 */
import * as Limits from "./Limits.ts"

/** The purpose of the connection is fulfilled. */
export const normal = 1000

/** The page was left, or the server goes down. */
export const goingAway = 1001

/** A frame broke the WebSocket protocol. */
export const protocolError = 1002

/** A kind of frame that the room does not take. */
export const unsupportedData = 1003

/** Closed without a code; never sent. */
export const noStatus = 1005

/** The connection broke off without a close; never sent. */
export const abnormal = 1006

/** A text that is no UTF-8, or data of the wrong form. */
export const invalidPayload = 1007

/** A message that is not allowed. */
export const policyViolation = 1008

/** A message over the size that is taken. */
export const messageTooBig = 1009

/** The server failed. */
export const internalError = 1011

/** The server restarts. */
export const serviceRestart = 1012

/** The server is overloaded. */
export const tryAgainLater = 1013

/** Nothing has come from the server for a long time: a client gives the connection up. */
export const silent = 4000

/** The room is being emptied, so that it can move: the reason says within which window to come back. */
export const drain = 4001

/** The token of the connection has expired. */
export const expired = 4003

/** The client does not read what it is sent. */
export const slow = 4008

/** The client sends more than the room gets done. */
export const overrun = 4009

/** Nothing has come from the client for a long time. */
export const idle = 4012

/** The client goes on to say more than it may. */
export const rateLimited = 4013

/** The room has ended. */
export const ended = 4500

/** The user is closed out, and tokens that were issued before do not hold any more. */
export const revoked = 4501

/** Frame after frame is no message of the room. */
export const malformed = 4509

/** The named codes, by their names. `reconnect` tells whether a client does well to come back. */
export const table = {
  normal: { code: normal, reconnect: false, meaning: "the purpose of the connection is fulfilled" },
  goingAway: { code: goingAway, reconnect: true, meaning: "the page was left, or the server goes down" },
  protocolError: { code: protocolError, reconnect: false, meaning: "a frame broke the WebSocket protocol" },
  unsupportedData: { code: unsupportedData, reconnect: false, meaning: "a kind of frame that the room does not take" },
  noStatus: { code: noStatus, reconnect: false, meaning: "closed without a code; never sent" },
  abnormal: { code: abnormal, reconnect: true, meaning: "the connection broke off without a close; never sent" },
  invalidPayload: {
    code: invalidPayload,
    reconnect: false,
    meaning: "a text that is no UTF-8, or data of the wrong form"
  },
  policyViolation: { code: policyViolation, reconnect: false, meaning: "a message that is not allowed" },
  messageTooBig: { code: messageTooBig, reconnect: false, meaning: "a message over the size that is taken" },
  internalError: { code: internalError, reconnect: true, meaning: "the server failed" },
  serviceRestart: { code: serviceRestart, reconnect: true, meaning: "the server restarts" },
  tryAgainLater: { code: tryAgainLater, reconnect: true, meaning: "the server is overloaded" },
  silent: { code: silent, reconnect: true, meaning: "nothing has come from the server for a long time" },
  drain: {
    code: drain,
    reconnect: true,
    meaning: "the room is being emptied: come back within the window that the reason names"
  },
  expired: { code: expired, reconnect: true, meaning: "the token has expired: come back with a new one" },
  slow: { code: slow, reconnect: true, meaning: "the client does not read what it is sent" },
  overrun: { code: overrun, reconnect: true, meaning: "the client sends more than the room gets done" },
  idle: { code: idle, reconnect: true, meaning: "nothing has come from the client for a long time" },
  rateLimited: { code: rateLimited, reconnect: true, meaning: "the client goes on to say more than it may" },
  ended: { code: ended, reconnect: false, meaning: "the room has ended" },
  revoked: { code: revoked, reconnect: false, meaning: "the user is closed out, and needs a new token" },
  malformed: { code: malformed, reconnect: false, meaning: "frame after frame is no message of the room" }
} as const satisfies Record<string, {
  readonly code: number
  readonly reconnect: boolean
  readonly meaning: string
}>

const named = /* @__PURE__ */ new Map<number, boolean>(
  /* @__PURE__ */ Object.values(table).map(({ code, reconnect }) => [code, reconnect])
)

/**
 * Whether a client does well to come back after a close. Of the codes without a name, only 4500–4999, and those below
 * 3000, ask it not to.
 */
export const reconnects = (code: number): boolean => named.get(code) ?? (code >= 3000 && code < 4500)

/** The reason of a close with {@link drain}: the window is in milliseconds. */
export const drainReason = (window: number): string => `Come back within ${Math.round(window)} ms.`

/**
 * The window of a close with {@link drain}, in milliseconds. A client that comes back at a random time within it does
 * not come with all the others at once.
 */
export const drainWindow = ({ code, reason }: Pick<Close, "code" | "reason">): number | undefined => {
  const [, window] = (code === drain && /within (\d{1,9}) ms/.exec(reason)) || []
  return window === undefined ? undefined : Number(window)
}

/** How a connection ended. */
export interface Close {
  /** The code that the peer sent; 1005 if it sent none, 1006 if the connection broke off. */
  readonly code: number
  /** At most 123 UTF-8 bytes. */
  readonly reason: string
  /** Whether a close handshake took place. */
  readonly wasClean: boolean
}

/** How a connection ends of which nothing is heard any more. */
export const brokenOff: Close = { code: abnormal, reason: "", wasClean: false }

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
  code: !wasClean || isSendable(code) || code === noStatus ? code : protocolError,
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
  const code = Number(/statusCode = (\d{4})\b/.exec(text)?.[1] ?? abnormal)
  return { code: isSendable(code) ? code : abnormal, reason: "", wasClean: false }
}
