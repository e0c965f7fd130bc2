/**
 * The plain protocol as a client speaks it, with the schemas of a room.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Limits from "../domain/Limits.ts"
import * as Protocol from "../services/Protocol.ts"
import type * as Room from "../services/Room.ts"

/** What a frame says. */
export type Incoming =
  | { readonly _tag: "Message"; readonly message: unknown }
  | { readonly _tag: "Handled"; readonly id: string }
  | { readonly _tag: "Refused"; readonly error: unknown; readonly id: string | undefined }
  | { readonly _tag: "Rejected"; readonly code: string; readonly detail: string; readonly id: string | undefined }
  | { readonly _tag: "Unreadable"; readonly detail: string }

/** How a client speaks to a room. */
export interface Wire {
  /** What to offer in the handshake. */
  readonly subprotocols: ReadonlyArray<string>
  /** Whether several messages may leave as one frame where the handshake has chosen a subprotocol. */
  readonly joins: (subprotocol: string) => boolean
  /** The bytes that a frame may have. */
  readonly frameBytes: number
  /** Makes the frame of a message, or says why there is none. */
  readonly write: (message: unknown, id: string | undefined) => Result.Result<Protocol.Frame, string>
  /** Reads a frame, and passes on each thing that it says. */
  readonly read: (data: unknown, take: (incoming: Incoming) => void) => void
}

/** Speaks with the schemas of a room. */
export const make = (room: Room.Any): Wire => {
  const frameBytes = Math.min(room.limits.messageBytes ?? Infinity, Limits.client.messageBytes)
  return room.format === "json" ? json(room, frameBytes) : verbatim(room, frameBytes)
}

const verbatim = ({ receive, send }: Room.Any, frameBytes: number): Wire => {
  const encode = Schema.encodeUnknownResult(receive)
  const decode = Schema.decodeUnknownResult(send)
  return {
    subprotocols: [Protocol.plain],
    joins: () => false,
    frameBytes,
    write: (message, id) =>
      id === undefined
        // SAFETY: `Room.make` takes only schemas that are encoded as the room's kind of frame.
        ? Result.mapError(encode(message) as Result.Result<Protocol.Frame, Schema.SchemaError>, reason)
        : Result.fail("Only a room that speaks JSON confirms a message."),
    read: (data, take) => take(message(decode(bytesOf(data))))
  }
}

const json = (room: Room.Any, frameBytes: number): Wire => {
  const encode = Schema.encodeUnknownResult(Schema.toCodecJson(room.receive))
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(room.send))
  const decodeError = room.error && Schema.decodeUnknownResult(Schema.toCodecJson(room.error))
  const bytes = room.bytes && binary(room.bytes)

  const say = (value: unknown): Incoming => {
    const decoded = decode(value)
    return Result.isFailure(decoded) && isRecord(value) ? own(value) ?? message(decoded) : message(decoded)
  }

  // A message of the room comes first, whatever it looks like.
  const own = (value: Readonly<Record<string, unknown>>): Incoming | undefined => {
    const id = typeof value.id === "string" ? value.id : undefined
    if (value._tag === "Handled" && id !== undefined) return { _tag: "Handled", id }
    if (value._tag !== "Error" || typeof value.code !== "string" || typeof value.message !== "string") return undefined
    const error = value.code === "Refused" ? decodeError?.(value.error) : undefined
    return error !== undefined && Result.isSuccess(error)
      ? { _tag: "Refused", error: error.success, id }
      : { _tag: "Rejected", code: value.code, detail: value.message, id }
  }

  const readText = (text: string): Incoming => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return { _tag: "Unreadable", detail: "The frame is not JSON." }
    }
    return say(value)
  }

  return {
    subprotocols: [Protocol.ndjson, Protocol.plain],
    joins: (subprotocol) => subprotocol === Protocol.ndjson,
    frameBytes,
    write: (message, id) => {
      if (bytes?.isMessage(message)) {
        return id === undefined ? bytes.encode(message) : Result.fail("A message of bytes is not confirmed.")
      }
      const encoded = encode(message)
      if (Result.isFailure(encoded)) return Result.fail(encoded.failure.message)
      if (id === undefined) return Result.succeed(JSON.stringify(encoded.success))
      return isRecord(encoded.success) && id.length > 0 && id.length <= 64
        ? Result.succeed(JSON.stringify({ ...encoded.success, $id: id }))
        : Result.fail("An id has 1 to 64 characters, and goes with an object.")
    },
    read: (data, take) => {
      if (typeof data !== "string") {
        return take(bytes?.decode(data) ?? { _tag: "Unreadable", detail: "The room sends no bytes." })
      }
      if (data.indexOf("\n") < 0) return take(readText(data))
      for (const line of Protocol.lines(data, Infinity)!) take(readText(line))
    }
  }
}

const binary = ({ receive, send }: NonNullable<Room.Any["bytes"]>) => {
  const encode = Schema.encodeUnknownResult(receive)
  const decode = Schema.decodeUnknownResult(send)
  return {
    isMessage: Schema.is(receive),
    encode: (message: unknown) =>
      // SAFETY: `Room.make` takes only schemas that encode to bytes.
      Result.mapError(encode(message) as Result.Result<Protocol.Frame, Schema.SchemaError>, reason),
    decode: (data: unknown) => message(decode(bytesOf(data)))
  }
}

const message = (decoded: Result.Result<unknown, Schema.SchemaError>): Incoming =>
  Result.isSuccess(decoded)
    ? { _tag: "Message", message: decoded.success }
    : { _tag: "Unreadable", detail: decoded.failure.message }

const reason = ({ message }: Schema.SchemaError) => message

const bytesOf = (data: unknown) => data instanceof ArrayBuffer ? new Uint8Array(data) : data

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
