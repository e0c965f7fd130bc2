/**
 * The messages of `effect/rpc` as they stand in the frames of a JSON room.
 *
 * They are those of `RpcSerialization.json`. The codecs of an Rpc encode its payload, chunk or exit, which are any JSON
 * here.
 */
import * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import * as Plain from "../services/Plain.ts"

/** The client's name for a request. It is unique among the requests of its connection that have not ended. */
export const RequestId = Schema.Union([Schema.String, Schema.Finite])

export type RequestId = typeof RequestId.Type

/** What a client sends. */
export const Received = Schema.Union([
  Schema.TaggedStruct("Request", {
    id: RequestId,
    tag: Schema.String,
    payload: Schema.Unknown,
    headers: Schema.Array(Schema.mutable(Schema.Tuple([Schema.String, Schema.String]))),
    isNotification: Schema.optionalKey(Schema.Literal(true)),
    discard: Schema.optionalKey(Schema.Literal(true)),
    traceId: Schema.optionalKey(Schema.String),
    spanId: Schema.optionalKey(Schema.String),
    sampled: Schema.optionalKey(Schema.Boolean)
  }),
  Schema.TaggedStruct("Ack", { requestId: RequestId }),
  Schema.TaggedStruct("Interrupt", { requestId: RequestId }),
  Schema.TaggedStruct("Ping", {}),
  Schema.TaggedStruct("Eof", {})
])

export type Received = typeof Received.Type

/** A request of a client. */
export type Request = Extract<Received, { readonly _tag: "Request" }>

/** What the server sends. The stock client ignores an `Error`. */
export const Sent = Schema.Union([
  Schema.TaggedStruct("Chunk", { requestId: RequestId, values: Schema.Array(Schema.Unknown) }),
  Schema.TaggedStruct("Exit", { requestId: RequestId, exit: Schema.Unknown }),
  Schema.TaggedStruct("Defect", { defect: Schema.Unknown }),
  Schema.TaggedStruct("Pong", {}),
  Plain.Error
])

export type Sent = typeof Sent.Type

const parser = RpcSerialization.json.makeUnsafe()

/** The ping of the stock client and its answer, for the runtime to answer without waking the object. */
export const autoResponse = [
  String(parser.encode(RpcMessage.constPing)),
  String(parser.encode(RpcMessage.constPong))
] as const
