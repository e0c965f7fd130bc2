/**
 * Why a room does not answer a call. The tag of the `reason` tells the cases apart.
 *
 * **Example** (what may be missed)
 *
 * ```ts
 * const hint = (name: string, text: string) =>
 *   announce(name, text).pipe(
 *     Effect.catchReason("RoomsError", "Overloaded", () => Effect.succeed(0))
 *   )
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DirectoryUnavailable from "../domain/DirectoryUnavailable.ts"
import * as Problem from "../domain/Problem.ts"
import * as RoomError from "../domain/RoomError.ts"

/** No room can have this name. */
export class InvalidRoomName extends Schema.TaggedError<InvalidRoomName>()("InvalidRoomName", {
  name: Schema.String
}) {
  override get message() {
    return "A room's name is 1 to 128 of the characters A–Z, a–z, 0–9, `.`, `_`, `~` and `-`"
  }
}

/** The room has too much to do. It was not asked again, since that would make it worse. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {
  room: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The room ${this.room} has more to do than it can`
  }
}

/** No answer came from the room. Where a fresh try could help, that failed too. The call may have arrived. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  room: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `No answer came from the room ${this.room}`
  }
}

/** The answer does not fit the method's schemas: the room runs another version of the code. */
export class InvalidReply extends Schema.TaggedError<InvalidReply>()("InvalidReply", {
  method: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The answer to ${this.method} has the wrong form. ${this.detail}`
  }
}

/** The room could not be started; its log says why. `retryAfter` is in seconds: before that no start is tried. */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {
  retryAfter: Schema.Finite
}) {
  override get message() {
    return "The room could not be started"
  }
}

/** The room has no such method, because it runs another version of the code. */
export class UnknownMethod extends Schema.TaggedError<UnknownMethod>()("UnknownMethod", { method: Schema.String }) {
  override get message() {
    return `The room has no method ${this.method}`
  }
}

/** The payload does not fit the method's schema. */
export class InvalidPayload extends Schema.TaggedError<InvalidPayload>()("InvalidPayload", {
  method: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The payload does not fit the method ${this.method}. ${this.detail}`
  }
}

/** The room failed to answer; its log says why. */
export class CallFailed extends Schema.TaggedError<CallFailed>()("CallFailed", { method: Schema.String }) {
  override get message() {
    return `The room failed to answer ${this.method}`
  }
}

/** Why a room does not answer a call. */
export const Refusal = Schema.Union([RoomError.Reason, NotReady, UnknownMethod, InvalidPayload, CallFailed])

export type Refusal = typeof Refusal.Type

/** The same, encoded. */
export type RefusalEncoded = typeof Refusal.Encoded

/** What went wrong when a room was called; `reason` tells the cases apart. */
export class RoomsError extends Schema.TaggedError<RoomsError>()("RoomsError", {
  reason: Schema.Union([
    InvalidRoomName,
    Overloaded,
    Unreachable,
    InvalidReply,
    DirectoryUnavailable.DirectoryUnavailable,
    Refusal
  ])
}) {
  override get message() {
    return this.reason.message
  }
}

/** Makes the error of a reason. */
export const make = (reason: RoomsError["reason"]): RoomsError => new RoomsError({ reason })

/** What a client is told over HTTP about a call that failed. It learns nothing about the inside. */
export const toProblem = ({ message, reason }: RoomsError): Problem.Problem => {
  switch (reason._tag) {
    case "InvalidRoomName":
    case "InvalidClose":
    case "InvalidMessage":
    case "InvalidPayload":
      return Problem.make(400, `${message}.`)
    case "UnknownConnection":
      return Problem.make(404, `${message}.`)
    case "NotReady":
      return Problem.make(503, "The room could not be started.", { "retry-after": `${reason.retryAfter}` })
    case "Overloaded":
    case "Unreachable":
    case "DirectoryUnavailable":
      return Problem.make(503, "The room did not answer.", { "retry-after": "1" })
    default:
      return Problem.make(500, "The room failed to answer.")
  }
}

/** The same as the failure of an effect. A fault of the server is logged, since the client learns nothing about it. */
export const toLoggedProblem = (error: RoomsError): Effect.Effect<never, Problem.Problem> => {
  const problem = toProblem(error)
  return problem.status < 500
    ? Effect.fail(problem)
    : Effect.andThen(Effect.logError(problem.detail, Cause.fail(error.reason)), Effect.fail(problem))
}
