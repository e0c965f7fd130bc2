/**
 * The wire protocol of a room: how a frame becomes a message, and a message a frame.
 *
 * `Lifecycle` and `Room` speak to a connection through it and know nothing of JSON.
 */
import * as Context from "effect/Context"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** What a client sends: a text, or bytes. */
export type Received = string | ArrayBuffer

/** What the server sends: a text, or bytes. */
export type Frame = string | Uint8Array<ArrayBuffer>

/** The protocol of one message a frame. It is also the name in a connection's `p:` tag. */
export const plain = "plain"

/** The plain protocol with one or more JSON messages a frame, a line each; a client asks for it as a subprotocol. */
export const ndjson = "ndjson"

/** The messages of an `ndjson` frame, empty lines left out; `undefined` where it has more lines than it may. */
export const lines = (frame: string, limit: number): ReadonlyArray<string> | undefined => {
  const found: Array<string> = []
  let start = 0
  for (let count = 0; start <= frame.length; count++) {
    if (count === limit && start < frame.length) return undefined
    const end = frame.indexOf("\n", start)
    const line = end < 0 ? frame.slice(start) : frame.slice(start, end)
    if (line !== "") found.push(line)
    if (end < 0) break
    start = end + 1
  }
  return found
}

/**
 * What a client is told about a frame that came to nothing: it was no message of the room (`InvalidMessage`), of a kind
 * that the room does not take (`UnsupportedFrame`), refused by the room with an error that it declares (`Refused`), met
 * a room that could not be started (`NotReady`), or the room failed to handle it (`Internal`).
 */
export const ErrorCode = /* @__PURE__ */ Schema.Literals([
  "InvalidMessage",
  "UnsupportedFrame",
  "Refused",
  "NotReady",
  "Internal"
])

export type ErrorCode = typeof ErrorCode.Type

/** Why a frame came to nothing. */
export interface Rejection {
  readonly code: ErrorCode
  readonly message: string
  /** The room's own error, encoded, where it refused. */
  readonly error?: unknown
}

/** How the sender of a frame is told that it came to nothing: by a frame, or by a close where there is no such frame. */
export type Complaint =
  | { readonly _tag: "Frame"; readonly frame: Frame }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Nothing" }

export class Protocol extends Context.Service<Protocol, {
  /**
   * The protocol that a new connection speaks: the first of the WebSocket subprotocols that the client offered and the
   * room knows, which the handshake then answers, or the default.
   */
  readonly negotiate: (offered: ReadonlyArray<string>) => {
    readonly protocol: string
    readonly subprotocol?: string
  }
  readonly decode: (frame: Received) => Result.Result<unknown, Rejection>
  readonly encode: (message: unknown) => Result.Result<Frame, Schema.SchemaError>
  readonly complain: (rejection: Rejection) => Complaint
  /** The refusal that a handler's failure stands for; `undefined` where the room declares no such error. */
  readonly refusal: (failure: unknown) => Rejection | undefined
}>()("effect-dormouse/services/Protocol") {}
