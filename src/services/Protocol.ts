/**
 * The wire protocol of a room: how a frame becomes a message, and a message a frame.
 *
 * `Lifecycle` and `Room` speak to a connection through it and know nothing of JSON.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
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

/** The messages of an `ndjson` frame. Empty lines are none. */
export const lines = (frame: string): ReadonlyArray<string> => frame.split("\n").filter((line) => line !== "")

/** What a client is told about a frame that came to nothing. */
export const ErrorCode = Schema.Literals(["InvalidMessage", "UnsupportedFrame", "Internal"])

export type ErrorCode = typeof ErrorCode.Type

/** A frame that is no message of the room. */
export class Rejection extends Data.TaggedError("Rejection")<{
  readonly code: ErrorCode
  readonly message: string
}> {}

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
}>()("effect-dormouse/services/Protocol") {}
