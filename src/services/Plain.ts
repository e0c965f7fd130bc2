/**
 * The plain protocol: a frame is one message of the room's schemas. With the WebSocket subprotocol `ndjson`, which JSON
 * rooms offer, a frame is one or more messages, a line each, in both directions. A client that has to offer a subprotocol,
 * as one does that sends a token beside it, offers `plain`.
 *
 * In a JSON room a message is one text frame of JSON. A frame that is refused is answered by
 * `{"_tag":"Error","code":…,"message":…}`; if a handler refused it with an error that the room declares, `error` is
 * that error. A JSON room may also take bytes, as binary frames. A message that has the key `$id` is confirmed, by
 * `{"_tag":"Handled","id":…}`, and the id stands in the `Error` that refuses it.
 *
 * In a text or a binary room the frame is the message. Such a room has no frame for an error. So it closes with 1003 on
 * the other kind of frame, and with 1007 on one that does not fit its schema.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"
import * as Protocol from "./Protocol.ts"
import type * as Room from "./Room.ts"

/** What a JSON room tells the sender of a frame that it refuses. */
export const Error = /* @__PURE__ */ Schema.TaggedStruct("Error", {
  code: Protocol.ErrorCode,
  message: Schema.String,
  error: /* @__PURE__ */ Schema.optionalKey(Schema.Unknown),
  id: /* @__PURE__ */ Schema.optionalKey(Schema.String)
})

/** Speaks the plain protocol with the schemas of a room. */
export const make = (room: Room.Any): Protocol.Protocol["Service"] => {
  const service = services.get(room) ?? of(room)
  services.set(room, service)
  return service
}

// A protocol is pure, so the objects of a room share it, and no wake compiles its schemas again.
const services = new WeakMap<Room.Any, Protocol.Protocol["Service"]>()

const of = (room: Room.Any): Protocol.Protocol["Service"] => {
  switch (room.format) {
    case "json":
      return json(room)
    case "text":
      return verbatim(room, "text", (frame) => typeof frame === "string" ? frame : undefined)
    case "binary":
      return verbatim(room, "binary", (frame) => typeof frame === "string" ? undefined : new Uint8Array(frame))
  }
}

const json = (room: Room.Any): Protocol.Protocol["Service"] => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(room.receive))
  const encode = Schema.encodeUnknownResult(Schema.toCodecJson(room.send))
  const bytes = room.bytes && binary(room.bytes)
  const refusal = room.error && refusing(room.error)
  return Protocol.Protocol.of({
    negotiate: (offered) => choose(offered, [Protocol.plain, Protocol.ndjson]),
    decode: (frame, { jsonDepth, jsonKeys }) => {
      if (typeof frame !== "string") {
        return bytes?.decode(frame) ?? reject("UnsupportedFrame", "This room takes text frames of JSON.")
      }
      let value: any
      try {
        value = JSON.parse(frame)
      } catch {
        return reject("InvalidMessage", "The frame is not JSON.")
      }
      // It is no part of the message. A schema may take any key, or no other key than its own.
      if (frame.includes(idKey) && isId(value?.$id)) delete value.$id
      return Limits.isBounded(value, jsonDepth, jsonKeys)
        ? Result.mapError(decode(value), invalid)
        : reject("InvalidMessage", `A message has at most ${jsonDepth} levels and ${jsonKeys} keys.`)
    },
    encode: (message) =>
      bytes?.isMessage(message) ? bytes.encode(message) : Result.map(encode(message), (value) => JSON.stringify(value)),
    idOf: (frame) => {
      if (typeof frame !== "string" || !frame.includes(idKey)) return undefined
      try {
        const id = JSON.parse(frame)?.$id
        return isId(id) ? id : undefined
      } catch {
        return undefined
      }
    },
    confirm: (id) => JSON.stringify({ _tag: "Handled", id }),
    complain: ({ code, error, id, message }) => ({
      _tag: "Frame",
      frame: JSON.stringify({ _tag: "Error", code, message, error, id })
    }),
    refusal: (failure) => refusal?.(failure)
  })
}

const idKey = "\"$id\""

const isId = (id: unknown): id is string => typeof id === "string" && id !== "" && id.length <= 64

// Who offers none that the room knows speaks plain, and is answered none.
const choose = (offered: ReadonlyArray<string>, known: ReadonlyArray<string>) => {
  const subprotocol = offered.find((name) => known.includes(name))
  return subprotocol === undefined ? { protocol: Protocol.plain } : { protocol: subprotocol, subprotocol }
}

// The messages of a JSON room that are binary frames.
const binary = ({ receive, send }: NonNullable<Room.Any["bytes"]>) => {
  const decode = Schema.decodeUnknownResult(receive)
  return {
    decode: (frame: ArrayBuffer) => Result.mapError(decode(new Uint8Array(frame)), invalid),
    isMessage: Schema.is(send),
    // SAFETY: `Room.make` takes only schemas that encode to bytes.
    encode: Schema.encodeUnknownResult(send) as (message: unknown) => Result.Result<Protocol.Frame, Schema.SchemaError>
  }
}

// Tells the errors that a room declares from all others, and encodes them.
const refusing = (error: Schema.Codec<any, unknown>) => {
  const isDeclared = Schema.is(error)
  const encode = Schema.encodeUnknownResult(Schema.toCodecJson(error))
  return (failure: unknown): Protocol.Rejection | undefined => {
    const encoded = isDeclared(failure) ? encode(failure) : undefined
    return encoded !== undefined && Result.isSuccess(encoded)
      ? { code: "Refused", message: "The room refused this message.", error: encoded.success }
      : undefined
  }
}

const verbatim = (
  room: Room.Any,
  kind: "text" | "binary",
  accept: (frame: Protocol.Received) => Protocol.Frame | undefined
): Protocol.Protocol["Service"] => {
  const decode = Schema.decodeUnknownResult(room.receive)
  const encode = Schema.encodeUnknownResult(room.send)
  return Protocol.Protocol.of({
    negotiate: (offered) => choose(offered, [Protocol.plain]),
    decode: (frame) => {
      const data = accept(frame)
      return data === undefined
        ? reject("UnsupportedFrame", `This room takes ${kind} frames.`)
        : Result.mapError(decode(data), invalid)
    },
    // SAFETY: `Room.make` takes only schemas for `send` that encode to the room's kind of frame.
    encode: (message) => encode(message) as Result.Result<Protocol.Frame, Schema.SchemaError>,
    complain: ({ code, message }) => {
      switch (code) {
        case "UnsupportedFrame":
          return { _tag: "Close", code: CloseCode.unsupportedData, reason: message }
        case "InvalidMessage":
          return {
            _tag: "Close",
            code: CloseCode.invalidPayload,
            reason: "The frame does not fit the room."
          }
        case "NotReady":
          return { _tag: "Close", code: CloseCode.tryAgainLater, reason: message }
        default:
          return { _tag: "Nothing" }
      }
    },
    refusal: () => undefined
  })
}

const reject = (code: Protocol.ErrorCode, message: string): Result.Result<never, Protocol.Rejection> =>
  Result.fail({ code, message })

// The text names the place and what was expected there. It repeats nothing that the client sent.
const invalid = (error: Schema.SchemaError): Protocol.Rejection => {
  hideKeys(error.issue)
  return { code: "InvalidMessage", message: error.message.slice(0, 512) }
}

// The names of a record's members are the client's own.
const hideKeys = (issue: SchemaIssue.Issue): void => {
  if ("issues" in issue) {
    const isRecord = issue._tag === "Composite" && issue.ast._tag === "Objects" && issue.ast.indexSignatures.length > 0
    for (const inner of issue.issues) {
      // SAFETY: nobody else sees the path.
      if (isRecord && inner._tag === "Pointer") (inner.path as Array<PropertyKey>)[0] = "…"
      hideKeys(inner)
    }
  } else if ("issue" in issue) hideKeys(issue.issue)
}
