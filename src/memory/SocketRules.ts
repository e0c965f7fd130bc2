/**
 * What sockets outside of Cloudflare take and refuse: the same as the runtime's, errors included.
 */
import { serialize } from "node:v8"
import * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"

// The values of `readyState` beside `Sockets.OPEN`.
export const CONNECTING = 0
export const CLOSING = 2
export const CLOSED = 3

/** Throws where no socket can be closed so. */
export const checkClose = (code: number | undefined, reason: string): void => {
  if (code !== undefined && !CloseCode.isSendable(code)) throw new RangeError(`Invalid WebSocket close code: ${code}.`)
  if (!CloseCode.isReason(reason)) throw new SyntaxError("The close reason is longer than 123 bytes.")
  if (code === undefined && reason !== "") throw new RangeError("A close reason needs a code.")
}

/** The bytes of an attachment. Throws where there are too many. */
export const toAttachment = (value: unknown): Uint8Array => {
  const bytes = serialize(value)
  if (bytes.length > Limits.attachmentBytes) {
    throw new Error(`An attachment cannot be larger than ${Limits.attachmentBytes} bytes: it has ${bytes.length}.`)
  }
  return bytes
}

/** A frame as it is now: the room may change bytes before they have left. */
export const toFrame = (
  data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>
): string | Uint8Array<ArrayBuffer> => {
  if (typeof data === "string") return data
  return data instanceof ArrayBuffer
    ? new Uint8Array(data.slice())
    : new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
}
