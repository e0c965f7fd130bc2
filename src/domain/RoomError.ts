/**
 * What can go wrong inside a room, or in a call of it from outside. Each reason is defined once.
 *
 * Inside a room everything fails with a {@link RoomError}, and a call from outside with a `RoomsError`. The tag of
 * their `reason` tells the cases apart: `Effect.catchReason("RoomError", "UnknownConnection", …)` handles one of them.
 * The reasons are schemas, so they travel from a room to its caller.
 *
 * **Example** (a message to somebody who may have left)
 *
 * ```ts
 * const whisper = (id: ConnectionId.ConnectionId, text: string) =>
 *   room.send(id, { text }).pipe(
 *     Effect.catchReason("RoomError", "UnknownConnection", () => Effect.log("Nobody there"))
 *   )
 * ```
 */
import * as Schema from "effect/Schema"

/** The socket carries no tags that name exactly one connection. */
export class UnidentifiedSocket extends Schema.TaggedError<UnidentifiedSocket>()("UnidentifiedSocket", {
  /** As they are, separated by commas. */
  tags: Schema.String
}) {
  override get message() {
    return "The socket's tags name no connection"
  }
}

/** No open connection has this id. */
export class UnknownConnection extends Schema.TaggedError<UnknownConnection>()("UnknownConnection", {
  connection: Schema.String
}) {
  override get message() {
    return `No open connection has the id ${this.connection}`
  }
}

/** An identity has more tags than a socket can carry. */
export class TooManyTags extends Schema.TaggedError<TooManyTags>()("TooManyTags", {
  count: Schema.Finite,
  limit: Schema.Finite
}) {
  override get message() {
    return `A socket takes ${this.limit} tags, and not ${this.count}`
  }
}

/**
 * A user id or a label does not fit in a tag. Lengths are in UTF-8 bytes and include the prefix of two. The message,
 * which may be logged, has no more than that of the tag.
 */
export class TagTooLong extends Schema.TaggedError<TagTooLong>()("TagTooLong", {
  tag: Schema.String,
  bytes: Schema.Finite,
  limit: Schema.Finite
}) {
  override get message() {
    return `A tag takes ${this.limit} bytes, and not ${this.bytes}: ${this.tag.slice(0, 2)}…`
  }
}

/** The state does not fit in a socket's attachment. `limit` is in serialized bytes. */
export class StateTooLarge extends Schema.TaggedError<StateTooLarge>()("StateTooLarge", {
  connection: Schema.String,
  limit: Schema.Finite
}) {
  override get message() {
    return `The state is larger than ${this.limit} bytes`
  }
}

/** The state does not fit the room's schema: a new one, or one that another version of the room wrote. */
export class InvalidState extends Schema.TaggedError<InvalidState>()("InvalidState", {
  connection: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The state does not fit its schema. ${this.detail}`
  }
}

/** The runtime refused the socket, for example because the object holds 32,768 of them. */
export class NotAccepted extends Schema.TaggedError<NotAccepted>()("NotAccepted", {
  connection: Schema.String,
  cause: Schema.Unknown
}) {
  override get message() {
    return "The runtime refused the socket"
  }
}

/** The runtime did not take the frame. */
export class SendFailed extends Schema.TaggedError<SendFailed>()("SendFailed", {
  connection: Schema.String,
  cause: Schema.Unknown
}) {
  override get message() {
    return "The runtime refused the frame"
  }
}

/** The code or the reason does not fit in a close frame. */
export class InvalidClose extends Schema.TaggedError<InvalidClose>()("InvalidClose", {
  // @effect-diagnostics-next-line schemaNumber:off
  code: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `No close frame takes the code ${this.code} and a reason of ${this.reason.length} characters`
  }
}

/** A message to be sent does not fit the room's schema. */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", {
  detail: Schema.String
}) {
  override get message() {
    return `The message does not fit its schema. ${this.detail}`
  }
}

/** Why something in a room failed. */
export const Reason = Schema.Union([
  UnidentifiedSocket,
  UnknownConnection,
  TooManyTags,
  TagTooLong,
  StateTooLarge,
  InvalidState,
  NotAccepted,
  SendFailed,
  InvalidClose,
  InvalidMessage
])

export type Reason = typeof Reason.Type

/** What went wrong in a room; `reason` tells the cases apart. */
export class RoomError extends Schema.TaggedError<RoomError>()("RoomError", { reason: Reason }) {
  override get message() {
    return this.reason.message
  }
}

/** Makes the error of a reason. */
export const make = (reason: Reason): RoomError => new RoomError({ reason })
