/**
 * The plain protocol: a frame is one message of the room's schemas. With the WebSocket subprotocol `ndjson`, which JSON
 * rooms offer, a frame is one or more messages, a line each, in both directions.
 *
 * In a JSON room a message is one JSON text frame, and a frame that is not understood is answered by
 * `{"_tag":"Error","code":…,"message":…}`. In a text or a binary room the frame is the message; such a room has no
 * frame for an error, so it closes with 1003 on the other kind of frame and with 1007 on one that its schema refuses.
 */
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as CloseCode from "../domain/CloseCode.ts"
import * as Protocol from "../services/Protocol.ts"
import type * as Room from "../services/Room.ts"
import * as Sockets from "../services/Sockets.ts"

/** What the sender of a frame that is not understood is told in a JSON room. */
export const Error = Schema.TaggedStruct("Error", {
  code: Protocol.ErrorCode,
  message: Schema.String
})

/** Speaks the plain protocol with the schemas of a room. */
export const layer = (room: Room.Any): Layer.Layer<Protocol.Protocol, never, Sockets.Sockets> =>
  Layer.effect(Protocol.Protocol, Sockets.Sockets.useSync((sockets) => make(room, sockets)))

/** Makes the service; its layer does the same. */
export const make = (room: Room.Any, sockets: Sockets.Sockets["Service"]): Protocol.Protocol["Service"] => {
  if (room.autoResponse !== undefined) sockets.autoRespond(...room.autoResponse)
  const service = services.get(room) ?? of(room)
  services.set(room, service)
  return service
}

// A protocol is pure: the objects of a room share it, and none compiles its schemas as it wakes.
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
  return Protocol.Protocol.of({
    negotiate: (offered) =>
      offered.includes(Protocol.ndjson)
        ? { protocol: Protocol.ndjson, subprotocol: Protocol.ndjson }
        : { protocol: Protocol.plain },
    decode: (frame) => {
      if (typeof frame !== "string") return reject("UnsupportedFrame", "This room takes text frames of JSON.")
      let value: unknown
      try {
        value = JSON.parse(frame)
      } catch {
        return reject("InvalidMessage", "The frame is not JSON.")
      }
      return Result.mapError(decode(value), invalid)
    },
    encode: (message) => Result.map(encode(message), (value) => JSON.stringify(value)),
    complain: ({ code, message }) => ({
      _tag: "Frame",
      frame: JSON.stringify(Error.make({ code, message }))
    })
  })
}

const verbatim = (
  room: Room.Any,
  kind: "text" | "binary",
  accept: (frame: Protocol.Received) => Protocol.Frame | undefined
): Protocol.Protocol["Service"] => {
  const decode = Schema.decodeUnknownResult(room.receive)
  const encode = Schema.encodeUnknownResult(room.send)
  return Protocol.Protocol.of({
    negotiate: () => ({ protocol: Protocol.plain }),
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
          return { _tag: "Close", code: CloseCode.table.unsupportedData.code, reason: message }
        case "InvalidMessage":
          return {
            _tag: "Close",
            code: CloseCode.table.invalidPayload.code,
            reason: "The frame does not fit the room."
          }
        case "Internal":
          return { _tag: "Nothing" }
      }
    }
  })
}

const reject = (code: Protocol.ErrorCode, message: string) => Result.fail(new Protocol.Rejection({ code, message }))

// The text names the place and what was expected there, and repeats nothing of what the client sent.
const invalid = (error: Schema.SchemaError) =>
  new Protocol.Rejection({ code: "InvalidMessage", message: error.message.slice(0, 512) })
