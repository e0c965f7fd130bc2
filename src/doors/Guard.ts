/**
 * What stands at the door of a room: limits for clients that nobody knows, the end of tokens, and who may speak.
 *
 * `Doors` look at a request before the room is touched. The guard is inside the room, so it counts what only the room
 * knows, and it goes on after a client is in. It holds what no sleep may lose beside the sockets and in storage. A room
 * needs `Doors` for the address and the user of a request; without them only the limits of a connection and of the room
 * apply.
 *
 * The layer belongs below the room's own, like that of `Deadlines`, which it brings. If an `Authenticator` stands below
 * it, a connection may send a new token before the old one expires:
 *
 * ```json
 * {"_tag":"Refresh","token":"…"}
 * ```
 *
 * It is answered by `{"_tag":"Refreshed","expiresAt":…}`, or by an `Error` with the code `Unauthorized`. With `Rates`
 * below it, the rooms that an address begins are counted.
 *
 * **Example** (a room for the open internet)
 *
 * ```ts
 * const Square = Room.make("square", { receive: Schema.String, send: Schema.String })
 *
 * const SquareLive = Square.toLayer(Effect.gen(function*() {
 *   const room = yield* Square
 *   return { message: (_, text) => room.broadcast(text) }
 * })).pipe(Layer.provide(Guard.layer({ messagesPerSecond: 10, idleSeconds: 600 })))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Problem from "../domain/Problem.ts"
import * as RoomError from "../domain/RoomError.ts"
import type * as StorageError from "../domain/StorageError.ts"
import type * as Alarm from "../services/Alarm.ts"
import { type Door, Inside } from "../services/Assembly.ts"
import type * as ConnectionRegistry from "../services/ConnectionRegistry.ts"
import * as Deadlines from "../services/Deadlines.ts"
import type * as Lifecycle from "../services/Lifecycle.ts"
import type * as Protocol from "../services/Protocol.ts"
import type * as Sockets from "../services/Sockets.ts"
import type * as Storage from "../services/Storage.ts"
import * as Authenticator from "./Authenticator.ts"
import * as Bearer from "./Bearer.ts"
import * as Beside from "./Beside.ts"
import * as Crowd from "./Crowd.ts"
import * as Expiry from "./Expiry.ts"
import * as Idle from "./Idle.ts"
import * as Pace from "./Pace.ts"
import * as Permissions from "./Permissions.ts"
import * as Principal from "./Principal.ts"
import * as Rates from "./Rates.ts"
import * as Register from "./Register.ts"
import * as RoomLimits from "./RoomLimits.ts"

export class Guard extends Context.Service<Guard, {
  /** The limits that hold. */
  readonly limits: RoomLimits.RoomLimits
  /**
   * Closes what a user has open in this room, with 4501 unless another code is given. From now on no token of the user
   * holds here that was issued before. Succeeds with how many connections it closed.
   */
  readonly closeUser: (
    user: string,
    options?: Lifecycle.CloseOptions
  ) => Effect.Effect<number, RoomError.RoomError | StorageError.StorageError>
}>()("effect-dormouse/doors/Guard") {}

const make = Effect.fnUntraced(function*(given: RoomLimits.Options) {
  // A limit that cannot be would open a door.
  const options = yield* Effect.orDie(Effect.fromResult(RoomLimits.parse(
    Object.fromEntries(Object.entries(given).filter(([, limit]) => limit !== undefined))
  )))
  const assembly = yield* Inside
  const deadlines = yield* Deadlines.Deadlines
  const rule = yield* Permissions.Permissions
  const authenticator = Option.getOrUndefined(yield* Effect.serviceOption(Authenticator.Authenticator))
  const rates = Option.getOrUndefined(yield* Effect.serviceOption(Rates.Rates))
  const limits = RoomLimits.make({ ...assembly.limits, ...options })
  const register = yield* Register.open(assembly.storage)
  const expiry = Expiry.make(assembly, deadlines, register, authenticator)
  const crowd = Crowd.make(assembly, limits)
  const pace = yield* Pace.make(assembly, limits)
  const idle = yield* Idle.watch(assembly, deadlines, limits.idleSeconds * 1_000)

  const isEmpty = () => assembly.registry.open(Audience.all).length === 0

  const connect: Door["connect"] = Effect.fnUntraced(function*(request, enter) {
    const { address, expiresAt, issuedAt = 0, labels, user } = Principal.fromClaims(request.claims)
    const now = yield* Clock.currentTimeMillis
    if (expiresAt !== undefined && expiresAt <= now) {
      return yield* Authenticator.unauthorized("The token has expired.", "invalid_token")
    }
    if (user !== undefined && (yield* answered(register.isRevoked(user, issuedAt)))) return yield* revoked
    if (rates !== undefined && address !== undefined && isEmpty() && !(yield* answered(register.isInUse))) {
      const seconds = yield* rates.take("newRooms", address)
      if (seconds !== undefined) return yield* tooManyRooms(seconds)
    }
    const arrival = crowd.arrive(address, now)
    if (arrival instanceof Problem.Problem) return yield* arrival
    const admitted = (admission: ConnectionRegistry.Admission) => {
      const named = admission.user ?? user
      return (named === undefined ? undefined : arrival.as(named)) ?? Effect.succeed({
        ...admission,
        user: named,
        labels: [...labels, ...admission.labels ?? []],
        tags: address === undefined ? [] : [Crowd.addressTag(address)],
        beside: Beside.toKept({
          tokens: limits.messageBurst,
          since: now,
          heardAt: now,
          violations: 0,
          expiresAt: expiresAt ?? 0,
          // A user whom the room has named has no token.
          issuedAt: user !== undefined && named === user ? issuedAt : Beside.noToken,
          labels: new Set(labels).size
        })
      })
    }
    return yield* Effect.ensuring(enter({ ...request, ...Bearer.strip(request) }, admitted), Effect.sync(arrival.end))
  })

  const rateLimited: Protocol.Rejection = {
    code: "RateLimited",
    message: `You may say ${limits.messagesPerSecond} messages a second, and ${limits.messageBurst} at once.`
  }

  const messages: Door["messages"] = (socket, frame, count) =>
    typeof frame === "string" && assembly.room.wire?.isSmall(frame) || pace.isPaid(socket, count)
      ? undefined
      : judged(socket, count)

  const judged = (socket: Sockets.Socket, count: number) =>
    Effect.matchEffect(assembly.registry.identify(socket), {
      onFailure: () => Effect.undefined,
      onSuccess: ({ id }) =>
        Effect.flatMap(pace.judge(socket, id, count), (verdict) => {
          switch (verdict) {
            case "InTime":
              return Effect.undefined
            case "Expired":
              return letGo(id, Expiry.expired)
            case "TooFast":
              return Effect.succeed(rateLimited)
            case "TooOften":
              return letGo(id, tooMuch)
          }
        })
    })

  // The close says why, so nothing else is told.
  const letGo = (id: ConnectionId.ConnectionId, close: Lifecycle.CloseOptions) =>
    Effect.as(Effect.ignore(assembly.lifecycle.disconnect(id, close)), rateLimited)

  const closeUser = Effect.fnUntraced(function*(
    user: string,
    { code = CloseCode.revoked, reason = "" }: Lifecycle.CloseOptions = {}
  ) {
    if (!CloseCode.isSendable(code) || !CloseCode.isReason(reason)) {
      return yield* RoomError.make(new RoomError.InvalidClose({ code, reason }))
    }
    yield* register.revoke(user, yield* Clock.currentTimeMillis)
    let closed = 0
    for (const socket of assembly.registry.open(Audience.user(user))) {
      const { id } = yield* assembly.registry.identify(socket)
      if (yield* Effect.isSuccess(assembly.lifecycle.disconnect(id, { code, reason }))) closed++
    }
    return closed
  })

  const entering = Effect.fnUntraced(function*({ id, user }: ConnectionRegistry.Connection) {
    const { expiresAt, issuedAt } = Beside.of(assembly, yield* assembly.registry.find(id))
    // The user may have been closed out while this one was about to enter.
    if (user !== undefined && issuedAt !== Beside.noToken && (yield* register.isRevoked(user, issuedAt))) {
      return yield* revoked
    }
    if (expiresAt !== 0) yield* expiry.set(id, expiresAt)
    if (rates !== undefined) yield* register.begin
    yield* idle.begin
  })

  assembly.limits = limits
  const clock = yield* Clock.Clock
  assembly.door = {
    connect,
    ...(limits.idleSeconds > 0 && {
      heard: (socket: Sockets.Socket) => {
        const heardAt = clock.currentTimeMillisUnsafe()
        Beside.set(assembly, socket, { ...Beside.of(assembly, socket), heardAt })
      }
    }),
    messages,
    silence: ({ labels, user }) => rule({ user, labels }, assembly.name).speak ? undefined : mayNotSpeak,
    other: (socket, frame) => expiry.refresh(socket, frame)
  }
  assembly.keepers = [...assembly.keepers, {
    entering,
    left: (_, socket, close) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (socket !== undefined && close !== undefined) crowd.left(socket, close.code, now)
      })
  }]
  assembly.answers.set(
    "closeUser",
    ({ user, ...options }) => Effect.catchTag(closeUser(user, options), "StorageError", Effect.die)
  )

  return Guard.of({ limits, closeUser })
})

/**
 * The guard of a room, for the layer of a room that stands on the open internet. What is not given has the default of
 * `RoomLimits`. It brings `Deadlines`.
 */
export const layer = (
  options: RoomLimits.Options = {}
): Layer.Layer<Deadlines.Deadlines | Guard, never, Inside | Alarm.Alarm | Storage.Storage> =>
  Layer.effect(Guard, make(options)).pipe(Layer.provideMerge(Deadlines.layer))

const answered = <A>(effect: Effect.Effect<A, StorageError.StorageError>): Effect.Effect<A, Problem.Problem> =>
  Effect.catch(effect, (error) =>
    Effect.andThen(
      Effect.logError("The guard could not ask the storage", Cause.fail(error)),
      Problem.make(503, "The room cannot let you in now.", { "retry-after": "5" })
    ))

const revoked = Authenticator.unauthorized("The token does not hold any more.", "invalid_token")

const tooManyRooms = (seconds: number) =>
  Problem.make(429, "Your address begins too many rooms.", { "retry-after": `${seconds}` })

const tooMuch = { code: CloseCode.rateLimited, reason: "You go on to say more than you may." }

const mayNotSpeak: Protocol.Rejection = { code: "Forbidden", message: "You may not speak here." }
