/**
 * The plain protocol as a client speaks it, with the schemas of a room.
 */
import * as Cause from "effect/Cause"
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

type Answer = Extract<Incoming, { readonly id: unknown }>

interface Said {
  readonly message: string
}

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

/** Speaks with the schemas of a room. `awaits` says whether a message with an id has no answer yet. */
export const make = (room: Room.Any, awaits: (id: string) => boolean): Wire => {
  const { messageBytes } = { ...Limits.client, ...room.limits }
  const { write, ...wire } = room.format === "json" ? json(room, awaits) : verbatim(room)
  return {
    ...wire,
    frameBytes: Math.min(messageBytes, Limits.client.messageBytes),
    // A longer one would close the connection, for good.
    write: (message, id) => {
      const frame = write(message, id)
      return Result.isFailure(frame) || isWithin(frame.success, messageBytes)
        ? frame
        : Result.fail(`It has more than ${messageBytes} bytes.`)
    }
  }
}

const verbatim = ({ receive, send }: Room.Any): Omit<Wire, "frameBytes"> => {
  const encode = safely(Schema.encodeUnknownResult(receive))
  const decode = safely(Schema.decodeUnknownResult(send))
  return {
    subprotocols: [Protocol.plain],
    joins: () => false,
    write: (message, id) =>
      id === undefined
        // SAFETY: `Room.make` takes only schemas that are encoded as the room's kind of frame.
        ? Result.mapError(encode(message) as Result.Result<Protocol.Frame, Said>, reason)
        : Result.fail("Only a room that speaks JSON confirms a message."),
    read: (data, take) => take(message(decode(bytesOf(data))))
  }
}

const json = (room: Room.Any, awaits: (id: string) => boolean): Omit<Wire, "frameBytes"> => {
  const encode = safely(Schema.encodeUnknownResult(Schema.toCodecJson(room.receive)))
  const decode = safely(Schema.decodeUnknownResult(Schema.toCodecJson(room.send)))
  const decodeError = room.error && safely(Schema.decodeUnknownResult(Schema.toCodecJson(room.error)))
  const bytes = room.bytes && binary(room.bytes)

  // What answers a message is that. Else a message of the room comes first, whatever it looks like.
  const say = (value: unknown): Incoming => {
    const answer = isRecord(value) ? own(value) : undefined
    if (answer?.id !== undefined && awaits(answer.id)) return answer
    const decoded = decode(value)
    return Result.isFailure(decoded) && answer !== undefined ? answer : message(decoded)
  }

  const own = (value: Readonly<Record<string, unknown>>): Answer | undefined => {
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
  const is = Schema.is(receive)
  const fits = safely((message) => Result.succeed(is(message)))
  const encode = safely(Schema.encodeUnknownResult(receive))
  const decode = safely(Schema.decodeUnknownResult(send))
  return {
    isMessage: (message: unknown) => Result.getOrElse(fits(message), () => false),
    encode: (message: unknown) =>
      // SAFETY: `Room.make` takes only schemas that encode to bytes.
      Result.mapError(encode(message) as Result.Result<Protocol.Frame, Said>, reason),
    decode: (data: unknown) => message(decode(bytesOf(data)))
  }
}

// A schema of the room may throw, which is a failure like others.
const safely = <A>(code: (value: unknown) => Result.Result<A, Said>) => (value: unknown): Result.Result<A, Said> => {
  try {
    return code(value)
  } catch (error) {
    // Effect wraps what it did not expect of a schema.
    const cause = error instanceof Error ? error.cause : undefined
    return Result.fail({ message: String(Cause.isCause(cause) ? Cause.squash(cause) : error) })
  }
}

const message = (decoded: Result.Result<unknown, Said>): Incoming =>
  Result.isSuccess(decoded)
    ? { _tag: "Message", message: decoded.success }
    : { _tag: "Unreadable", detail: decoded.failure.message }

const reason = ({ message }: Said) => message

const isWithin = (frame: Protocol.Frame, bytes: number) =>
  typeof frame === "string" ? Limits.isWithin(frame, bytes) : frame.length <= bytes

const bytesOf = (data: unknown) => data instanceof ArrayBuffer ? new Uint8Array(data) : data

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
