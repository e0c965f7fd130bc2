/**
 * The end of tokens. A connection whose token expires is closed, also while the object sleeps, unless the client sends a
 * new one in time. Each connection has a deadline, and the first of them wakes the object.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as Assembly from "../services/Assembly.ts"
import type * as Deadlines from "../services/Deadlines.ts"
import type * as Protocol from "../services/Protocol.ts"
import type * as Sockets from "../services/Sockets.ts"
import type * as Authenticator from "./Authenticator.ts"
import * as Beside from "./Beside.ts"
import * as Principal from "./Principal.ts"
import type * as Register from "./Register.ts"

const name = ":expiry"

/** The close of a connection whose token has expired. */
export const expired = { code: CloseCode.expired, reason: "Your token has expired." }

const Refresh = Schema.fromJsonString(Schema.TaggedStruct("Refresh", { token: Schema.String }))

const decode = /* @__PURE__ */ Schema.decodeUnknownOption(Refresh)

/** What is answered to a new token. */
export const Refreshed = /* @__PURE__ */ Schema.TaggedStruct("Refreshed", {
  /** In milliseconds since 1970. Without it, the token does not expire. */
  expiresAt: /* @__PURE__ */ Schema.optionalKey(Schema.Finite)
})

const unauthorized = (message: string): Protocol.Rejection => ({ code: "Unauthorized", message })

/** Makes the deadlines of a room's tokens. */
export const make = (
  assembly: Assembly.Assembly,
  { drop, handle, setAt }: Deadlines.Deadlines["Service"],
  register: Register.Register,
  authenticator: Authenticator.Authenticator["Service"] | undefined
) => {
  handle(name, (key) =>
    // SAFETY: the keys are those of `set`. Who has left meanwhile needs no close.
    Effect.ignore(assembly.lifecycle.disconnect(key as ConnectionId.ConnectionId, expired)))

  // At a time in milliseconds since 1970; 0 is never. It goes with the connection.
  const set = (id: ConnectionId.ConnectionId, at: number) => at === 0 ? drop(name, id) : setAt(name, id, at, "", id)

  // A new token is of the same user, and says the same: a connection's labels never change.
  const refresh = Effect.fnUntraced(function*(
    { verify }: Authenticator.Authenticator["Service"],
    socket: Sockets.Socket,
    token: Redacted.Redacted
  ) {
    const { id, labels, user } = yield* assembly.registry.identify(socket)
    const verified = yield* Effect.result(verify(token))
    if (verified._tag === "Failure") return unauthorized("The token does not hold.")
    const who = verified.success
    // It may have left meanwhile.
    if (assembly.registry.socketOf(id) !== socket) return undefined
    const beside = Beside.of(assembly, socket)
    const own = labels.slice(0, beside.labels)
    if (
      beside.issuedAt === Beside.noToken || who.user !== user || !Principal.mayEnter(who, assembly.name) ||
      own.length !== new Set(who.labels).size || !own.every((label) => who.labels.includes(label))
    ) {
      return unauthorized("The token says something else than the one with which you came: connect anew.")
    }
    const { expiresAt: end = Infinity, issuedAt = 0 } = who
    if (end <= (yield* Clock.currentTimeMillis)) return unauthorized("The token has expired.")
    const expiresAt = end === Infinity ? 0 : end
    if (user !== undefined && (yield* register.isRevoked(user, issuedAt))) {
      return unauthorized("The token does not hold any more.")
    }
    yield* set(id, expiresAt)
    Beside.set(assembly, socket, { ...Beside.of(assembly, socket), expiresAt, issuedAt })
    const answer = Refreshed.make(expiresAt === 0 ? {} : { expiresAt })
    yield* assembly.broadcaster.send(id, JSON.stringify(answer))
    return undefined
  })

  return {
    set,
    /** What a frame asks for, if it brings a new token: gives a rejection if that does not hold. */
    refresh: (socket: Sockets.Socket, frame: Protocol.Received) => {
      if (authenticator === undefined || typeof frame !== "string") return undefined
      const asked = decode(frame)
      if (Option.isNone(asked)) return undefined
      return refresh(authenticator, socket, Redacted.make(asked.value.token))
    }
  }
}
