/**
 * How the states of connections are encoded, by the schema of a room.
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * How states are encoded in attachments. It is pure, so the objects of a room share it, and no wake compiles it again.
 */
export interface StateCodec {
  readonly decode: (attached: unknown) => Result.Result<unknown, Schema.SchemaError>
  readonly encode: (state: unknown) => Result.Result<unknown, Schema.SchemaError>
}

/** The codec of states of a schema. */
export const make = <State>(schema: Schema.Codec<State, unknown>): StateCodec => {
  const codec = Schema.toCodecJson(schema)
  return { decode: Schema.decodeUnknownResult(codec), encode: Schema.encodeUnknownResult(codec) }
}
