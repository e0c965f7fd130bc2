/**
 * The wire protocol of a room: how a frame becomes a message, and a message becomes a frame.
 *
 * `Lifecycle` and `Room` speak to a connection through it and know nothing of JSON.
 */
import * as Context from "effect/Context"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Limits from "../domain/Limits.ts"

/** What a client sends: a text, or bytes. */
export type Received = string | ArrayBuffer

/** What the server sends: a text, or bytes. */
export type Frame = string | Uint8Array<ArrayBuffer>

/** The protocol of one message a frame: the default, and a subprotocol. It is also the name in a connection's `p:` tag. */
export const plain = "plain"

/** The plain protocol with one or more JSON messages a frame, a line each; a client asks for it as a subprotocol. */
export const ndjson = "ndjson"

/** The messages of an `ndjson` frame, without empty lines; `undefined` if it has more lines than `limit`. */
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
 * Why a frame was refused: it does not fit the room's schema (`InvalidMessage`), the room does not take this kind of
 * frame (`UnsupportedFrame`), a handler refused it with an error that the room declares (`Refused`), the room could not
 * be started (`NotReady`), the room failed to handle it (`Internal`), the connection says too much in too little time
 * (`RateLimited`), or may not speak (`Forbidden`), or gives a token that does not hold (`Unauthorized`).
 */
export const ErrorCode = /* @__PURE__ */ Schema.Literals([
  "InvalidMessage",
  "UnsupportedFrame",
  "Refused",
  "NotReady",
  "Internal",
  "RateLimited",
  "Forbidden",
  "Unauthorized"
])

export type ErrorCode = typeof ErrorCode.Type

/** The refusal of a frame. */
export interface Rejection {
  readonly code: ErrorCode
  readonly message: string
  /** The room's own error, encoded, if a handler refused with one. */
  readonly error?: unknown
  /** The `$id` of the message that is refused. */
  readonly id?: string | undefined
}

/** How the sender of a frame is told that it was refused: by a frame, or by a close if the room has no such frame. */
export type Complaint =
  | { readonly _tag: "Frame"; readonly frame: Frame }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Nothing" }

export class Protocol extends Context.Service<Protocol, {
  /**
   * The protocol that a new connection speaks: the first subprotocol that the client offered and the room knows. The
   * handshake then answers with it. Otherwise it is the default.
   */
  readonly negotiate: (offered: ReadonlyArray<string>) => {
    readonly protocol: string
    readonly subprotocol?: string
  }
  readonly decode: (frame: Received, limits: Limits.ClientLimits) => Result.Result<unknown, Rejection>
  readonly encode: (message: unknown) => Result.Result<Frame, Schema.SchemaError>
  /** The `$id` of a message whose sender wants to know when it is handled. Frames of several messages have none. */
  readonly idOf?: (frame: Received) => string | undefined
  /** Tells the sender of a message with a `$id` that it is handled. */
  readonly confirm?: (id: string) => Frame
  readonly complain: (rejection: Rejection) => Complaint
  /** The refusal that a handler's failure means; `undefined` if the room declares no such error. */
  readonly refusal: (failure: unknown) => Rejection | undefined
}>()("effect-dormouse/services/Protocol") {}
