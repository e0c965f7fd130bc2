/**
 * What a developer sees of a room: how it is now, and what passes.
 *
 * All of it is plain JSON, in memory as on the wire. Times are in milliseconds since 1970.
 */
import * as Schema from "effect/Schema"
import * as ConnectionId from "../domain/ConnectionId.ts"

const Time = Schema.Finite

/** What woke an object. An `inspection` is a look at it by the inspector. */
export const Cause = Schema.Literals(["message", "close", "alarm", "call", "connect", "inspection"])
export type Cause = typeof Cause.Type

/** How often the object has been woken by a cause, and when that was last so. */
export const Wakes = Schema.Struct({ cause: Cause, count: Schema.Int, last: Time })
export type Wakes = typeof Wakes.Type

/** A frame or a state: its size, and its beginning where it is a text that may be seen. */
export const Body = Schema.Struct({
  /** In UTF-8. */
  bytes: Schema.Int,
  /** At most 1,024 characters. Bytes have none, nor does a frame that carries a token. */
  text: Schema.optionalKey(Schema.String)
})
export type Body = typeof Body.Type

const identity = {
  id: ConnectionId.ConnectionId,
  user: Schema.optionalKey(Schema.String),
  labels: Schema.Array(Schema.String),
  protocol: Schema.String
}

/** A connection that is open. */
export const Connection = Schema.Struct({
  ...identity,
  /** When it came, unless that is not known. */
  since: Schema.optionalKey(Time),
  /** When the runtime last answered a heartbeat of it, without waking the object. */
  answeredAt: Schema.optionalKey(Time),
  /** Bytes that wait because the client does not read, where the runtime counts them. */
  waiting: Schema.optionalKey(Schema.Int),
  /** What the room keeps for it, as JSON. */
  state: Schema.optionalKey(Body)
})
export type Connection = typeof Connection.Type

/** A deadline of the room, or a moment of the library's own, whose name begins with `:`. */
export const Deadline = Schema.Struct({
  name: Schema.String,
  /** At most 256 characters of it. */
  key: Schema.String,
  /** The time for which it was set. */
  at: Time,
  /** When it is run: later than `at` if it has failed. Without it the deadline is set aside. */
  due: Schema.optionalKey(Time),
  failures: Schema.Int,
  error: Schema.optionalKey(Schema.String),
  connection: Schema.optionalKey(ConnectionId.ConnectionId)
})
export type Deadline = typeof Deadline.Type

/** A room as it is at a time. */
export const Inspection = Schema.TaggedStruct("Inspection", {
  room: Schema.String,
  at: Time,
  /** Since when the object is awake, and by what it woke. */
  awake: Schema.Struct({ since: Time, cause: Schema.optionalKey(Cause) }),
  /** How often it woke, by cause, since the inspector counts: since the storage began, or the inspector came. */
  wakes: Schema.Struct({ since: Time, by: Schema.Array(Wakes) }),
  /** What is under way: connects, calls of the room's own methods, and connections whose `close` has not ended. */
  busy: Schema.Struct({ arriving: Schema.Int, asking: Schema.Int, leaving: Schema.Int }),
  /** How many connections are open. */
  count: Schema.Int,
  /** The first 200 of them, the oldest first. */
  connections: Schema.Array(Connection),
  /** The first 100, in order of time. */
  deadlines: Schema.Array(Deadline),
  /** When the runtime is to wake the object. */
  alarm: Schema.optionalKey(Time)
})
export type Inspection = typeof Inspection.Type

/** Something that has happened in a room. */
export const Event = Schema.Union([
  /** The object woke. What woke it comes next. */
  Schema.TaggedStruct("Woke", { at: Time, cause: Cause }),
  Schema.TaggedStruct("Entered", { at: Time, ...identity }),
  /** Somebody was not let in by the room. */
  Schema.TaggedStruct("Refused", { at: Time, status: Schema.Int, detail: Schema.String }),
  /** A connection has left: by itself, or closed by the room. */
  Schema.TaggedStruct("Left", {
    at: Time,
    connection: ConnectionId.ConnectionId,
    by: Schema.Literals(["client", "room"]),
    code: Schema.Int,
    reason: Schema.String,
    wasClean: Schema.Boolean
  }),
  /** A frame has come. With `ndjson` it may hold several messages, a line each. */
  Schema.TaggedStruct("Received", { at: Time, connection: ConnectionId.ConnectionId, body: Body }),
  /** A message was sent: to one connection, to a user, to a label, or to everybody if it names none. */
  Schema.TaggedStruct("Sent", {
    at: Time,
    connection: Schema.optionalKey(ConnectionId.ConnectionId),
    user: Schema.optionalKey(Schema.String),
    label: Schema.optionalKey(Schema.String),
    /** How many connections it reached, and of how many the socket failed. */
    delivered: Schema.Int,
    failed: Schema.Int,
    body: Body
  }),
  /** The room was called from outside. */
  Schema.TaggedStruct("Called", { at: Time, method: Schema.String }),
  /** The alarm has fired. */
  Schema.TaggedStruct("Alarm", { at: Time })
])
export type Event = typeof Event.Type

/** What has happened, in order. */
export const Events = Schema.TaggedStruct("Events", {
  events: Schema.Array(Event),
  /** How many more there were since the last ones, of which nobody is told: they came too fast, or could not be sent. */
  missed: Schema.Int
})
export type Events = typeof Events.Type
