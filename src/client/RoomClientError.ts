/**
 * Why a client of a room failed. The tag of the `reason` tells the cases apart.
 *
 * **Example** (what is said while away)
 *
 * ```ts
 * const say = (text: string) =>
 *   client.send(new Say({ text })).pipe(
 *     Effect.catchReason("RoomClientError", "QueueFull", () => Effect.log("Too much is waiting already"))
 *   )
 * ```
 */
import * as Schema from "effect/Schema"

/** The message does not fit the room's schema, or cannot be confirmed. Nothing has left. */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", {
  detail: Schema.String
}) {
  override get message() {
    return `The message cannot be sent. ${this.detail}`
  }
}

/**
 * There is no connection, and no room in the queue, or no queue; or the network does not take as much as is said. Nothing
 * has left.
 */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {}) {
  override get message() {
    return "Too much waits for the connection"
  }
}

/** The connection broke off before the room has confirmed the message. It was handled, or it was not. */
export class Unknown extends Schema.TaggedError<Unknown>()("Unknown", {
  code: Schema.Finite,
  reason: Schema.String
}) {
  override get message() {
    return `The connection ended with ${this.code} before the room had confirmed the message`
  }
}

/** The room has not taken the message: see `Protocol.ErrorCode`. It was not handled, unless the code is `Internal`. */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  code: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.code}: ${this.detail}`
  }
}

/** The connection has ended for good: with a code after which nobody comes back, or by the client itself. */
export class Closed extends Schema.TaggedError<Closed>()("Closed", {
  code: Schema.Finite,
  reason: Schema.String
}) {
  override get message() {
    return `The connection has ended with ${this.code}${this.reason && `: ${this.reason}`}`
  }
}

/** A listener fell so far behind that messages were lost for it. The others, and the connection, go on. */
export class Overrun extends Schema.TaggedError<Overrun>()("Overrun", { limit: Schema.Finite }) {
  override get message() {
    return `More than ${this.limit} messages wait for a listener`
  }
}

/** What went wrong; `reason` tells the cases apart. */
export class RoomClientError extends Schema.TaggedError<RoomClientError>()("RoomClientError", {
  reason: Schema.Union([InvalidMessage, QueueFull, Unknown, Rejected, Closed, Overrun])
}) {
  override get message() {
    return this.reason.message
  }
}

/** Makes the error of a reason. */
export const make = (reason: RoomClientError["reason"]): RoomClientError => new RoomClientError({ reason })
