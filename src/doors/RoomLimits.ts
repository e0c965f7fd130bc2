/**
 * The limits of a room that stands on the open internet, as one piece of configuration.
 *
 * `Guard` keeps those of a room, and `Rates` those of an address. {@link parse} reads them from a variable, where a name
 * that is not known, or a value of the wrong kind, is an error: a typing error never opens a door.
 *
 * **Example** (what a variable says)
 *
 * ```ts
 * const limits = RoomLimits.parse(`{"connectionsPerAddress":1000,"idleSeconds":600}`)
 * ```
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Limits from "../domain/Limits.ts"

/** What may be given. */
export type Options = typeof Options.Type

/** The limits of a room. */
export type RoomLimits = Required<Options>

/** What holds where nothing is given. */
export const defaults: RoomLimits = {
  ...Limits.client,
  messagesPerSecond: 50,
  messageBurst: 100,
  rateViolations: 5,
  connections: 10_000,
  connectionsPerUser: 10,
  connectionsPerAddress: 100,
  connectsPerAddress: 100,
  newRoomsPerAddress: 30,
  idleSeconds: 0,
  lockoutSeconds: 10
}

const upTo = (maximum: number) => Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })))

const seconds = Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 31_536_000 })))

/** More than anybody needs, and what every place that counts can hold. */
const many = 1_000_000_000

const Options = Schema.Struct({
  /** UTF-8 bytes of a frame. A longer one closes the connection with 1009, before it is parsed. */
  messageBytes: upTo(33_554_432),
  /** Levels of objects and arrays in a message of JSON. */
  jsonDepth: upTo(many),
  /** Keys of all objects in a message of JSON. */
  jsonKeys: upTo(many),
  /** Malformed frames in a row: the last of them closes the connection with 4509. */
  malformedFrames: upTo(many),
  /** UTF-8 bytes of a connection's state as JSON. */
  stateBytes: upTo(Limits.attachmentBytes),
  /** Messages of a connection a second, over time. */
  messagesPerSecond: upTo(many),
  /** Messages of a connection that may come at once, after a while of silence. */
  messageBurst: upTo(many),
  /** Frames in a row that are over the rate: the last of them closes the connection with 4013. */
  rateViolations: upTo(many),
  /** Connections of a room. */
  connections: upTo(Limits.socketsPerObject),
  /** Connections of a user in a room. */
  connectionsPerUser: upTo(Limits.socketsPerObject),
  /** Connections of an address in a room. */
  connectionsPerAddress: upTo(Limits.socketsPerObject),
  /** Connects of an address a minute. */
  connectsPerAddress: upTo(many),
  /** Rooms that an address may begin a minute. */
  newRoomsPerAddress: upTo(many),
  /** Seconds without any frame or ping, after which a connection is closed with 4012; 0 turns it off. */
  idleSeconds: seconds,
  /** Seconds for which an address is not let in again that has sent more than it may; 0 turns it off. */
  lockoutSeconds: seconds
})

const exactly = { onExcessProperty: "error", errors: "all" } as const

const decodeText = Schema.decodeUnknownResult(Schema.fromJsonString(Options), exactly)
const decodeObject = Schema.decodeUnknownResult(Options, exactly)

/** The limits, with the defaults for what is not given. */
export const make = (options: Options = {}): RoomLimits => ({ ...defaults, ...options })

/**
 * Reads the options of a variable: JSON as a text, or the object that a configuration file makes of it. Without one, or
 * with an empty text, there are none.
 */
export const parse = (variable: unknown = {}): Result.Result<Options, Schema.SchemaError> =>
  typeof variable !== "string"
    ? decodeObject(variable)
    : variable.trim() === ""
    ? decodeObject({})
    : decodeText(variable)
