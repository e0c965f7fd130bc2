/**
 * Lets a developer look into a room: who is there, what passes, how often its object woke and by what, and which deadlines
 * are pending.
 *
 * The layer belongs below the room's own, like that of `Guard`. `InspectorRoutes` show what it tells. A wake writes one row;
 * beyond that, nothing is done for an event unless somebody looks. With the rooms of an `InspectorRoom` below it, what
 * passes is sent there while somebody does. That keeps the object awake no longer than a call takes.
 *
 * What is shown is of the room's clients: whoever may look sees what they say. A frame in which
 * something is called `…token` or `…authorization` is told of without its text.
 *
 * **Example** (a room that can be looked at)
 *
 * ```ts
 * const TransparentWindow = Layer.merge(WindowLive, Inspector.layer)
 * ```
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Audience from "../domain/Audience.ts"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Identity from "../domain/Identity.ts"
import * as Limits from "../domain/Limits.ts"
import { type Assembly, Inside } from "../services/Assembly.ts"
import type * as Protocol from "../services/Protocol.ts"
import type * as Room from "../services/Room.ts"
import * as Rooms from "../services/Rooms.ts"
import * as RoomsError from "../services/RoomsError.ts"
import type * as Sockets from "../services/Sockets.ts"
import * as Feed from "./Feed.ts"
import * as Inspection from "./Inspection.ts"
import * as InspectorRoom from "./InspectorRoom.ts"
import * as Since from "./Since.ts"
import * as Tally from "./Tally.ts"

export class Inspector extends Context.Service<Inspector, {
  /** The room as it is now. */
  readonly inspection: Effect.Effect<Inspection.Inspection>
}>()("effect-dormouse/inspector/Inspector") {}

/** The room of a name as it is now. Its layer must have that of the inspector; otherwise it is an `UnknownMethod`. */
export const inspect = <R extends Room.Any>(
  rooms: Rooms.Always<R>,
  name: string
): Effect.Effect<Inspection.Inspection, RoomsError.RoomsError> => rooms.ask(name, ":inspection", decode)

/** The same, and from now on what passes there is sent to the `InspectorRoom` of that name, while somebody is there. */
export const look = <R extends Room.Any>(
  rooms: Rooms.Always<R>,
  name: string
): Effect.Effect<Inspection.Inspection, RoomsError.RoomsError> => rooms.ask(name, ":look", decode)

const decode = Schema.decodeUnknownResult(Inspection.Inspection)

/** Connections and deadlines of an inspection. */
const mostConnections = 200
const mostDeadlines = 100

/** Characters of a text that is shown. */
const shown = 1_024

/** One life of an object, which may see its room start more than once. */
interface Life {
  readonly since: number
  cause: Inspection.Cause | undefined
  isOn: () => boolean
}

const lives = new WeakMap<Assembly, Life>()

const make = Effect.gen(function*() {
  const assembly = yield* Inside
  const { room, storage } = assembly
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const audience = Option.getOrUndefined(yield* Effect.serviceOption(Rooms.key(InspectorRoom.InspectorRoom)))

  const tally = yield* Tally.open(storage, now())
  const feed = Feed.make(assembly.fork, tally, (message) =>
    audience === undefined
      ? Effect.succeed({ delivered: 0, failed: 0 })
      : audience.get(assembly.name).broadcast(message))

  const life: Life = lives.get(assembly) ?? { since: now(), cause: undefined, isOn: feed.isOn }
  lives.set(assembly, life)
  // The room has ended and starts anew, and its storage is empty. Who looks, looks on.
  if (life.isOn() && !feed.isOn()) yield* feed.resume
  life.isOn = feed.isOn

  const woke = (cause: Inspection.Cause) => {
    if (life.cause !== undefined) return
    life.cause = cause
    tally.count(cause, now())
    feed.add({ _tag: "Woke", at: now(), cause })
  }

  const identityOf = (socket: Sockets.Socket) => {
    try {
      return Identity.fromTags(assembly.sockets.tags(socket))
    } catch {
      return undefined
    }
  }

  const withId = (socket: Sockets.Socket, use: (id: ConnectionId.ConnectionId) => Inspection.Event) => {
    if (!feed.isOn()) return
    const identity = identityOf(socket)
    if (identity !== undefined) feed.add(use(identity.id))
  }

  // What is too long is not read, here neither.
  const isSecret = (frame: string) => frame.length > assembly.limits.messageBytes || bringsToken(frame)

  const received = (socket: Sockets.Socket, frame: Protocol.Received) => {
    if (assembly.registry.isForgotten(socket)) return
    withId(socket, (connection) => ({
      _tag: "Received",
      at: now(),
      connection,
      body: bodyOf(frame, typeof frame === "string" && isSecret(frame))
    }))
  }

  const left = (socket: Sockets.Socket, by: "client" | "room", { code, reason, wasClean }: CloseCode.Close) => {
    // The peer only answers a close of ours.
    if (by === "client" && assembly.registry.isForgotten(socket)) return
    withId(socket, (connection) => ({ _tag: "Left", at: now(), connection, by, code, reason, wasClean }))
  }

  const entered = (socket: Sockets.Socket | undefined) =>
    Effect.sync(() => {
      const identity = socket && feed.isOn() && identityOf(socket)
      if (identity) feed.add({ _tag: "Entered", at: now(), ...toPlain(identity) })
    })

  const since = Since.make(now)

  // Events are seen where they come in, and messages where they leave. The room's layer may have replaced one of these.
  const attach = () => {
    const { calls, lifecycle, outbox, registry } = assembly
    if (!attached.has(registry)) {
      const dated = since.around(registry)
      assembly.registry = noted({
        ...dated,
        enter: (id) => Effect.tap(dated.enter(id), () => entered(dated.socketOf(id)))
      })
    }
    if (!attached.has(calls)) {
      assembly.calls = noted({
        call: (method, payload, trace) =>
          Effect.suspend(() => {
            const isLook = method === ":inspection" || method === ":look"
            woke(isLook ? "inspection" : "call")
            if (!isLook) feed.add({ _tag: "Called", at: now(), method })
            return calls.call(method, payload, trace)
          })
      })
    }
    if (!attached.has(outbox)) {
      assembly.outbox = noted({
        ...outbox,
        send: (socket, frame) => {
          outbox.send(socket, frame)
          withId(
            socket,
            (connection) => ({ _tag: "Sent", at: now(), connection, delivered: 1, failed: 0, body: bodyOf(frame) })
          )
        },
        broadcast: (frame, to, except) => {
          const delivery = outbox.broadcast(frame, to, except)
          if (feed.isOn()) {
            feed.add({ _tag: "Sent", at: now(), ...namesOf(to), ...delivery, body: bodyOf(frame) })
          }
          return delivery
        },
        close: (socket, code, reason) => {
          left(socket, "room", { code, reason, wasClean: true })
          outbox.close(socket, code, reason)
        }
      })
    }
    if (!attached.has(lifecycle)) {
      assembly.lifecycle = noted({
        ...lifecycle,
        connect: (request, socket) =>
          Effect.suspend(() => {
            woke("connect")
            return lifecycle.connect(request, socket)
          }).pipe(
            Effect.tapError(({ detail, status }) =>
              Effect.sync(() => feed.add({ _tag: "Refused", at: now(), status, detail }))
            )
          ),
        message: (socket, frame) =>
          Effect.suspend(() => {
            woke("message")
            received(socket, frame)
            return lifecycle.message(socket, frame)
          }),
        close: (socket, close) =>
          Effect.suspend(() => {
            woke("close")
            left(socket, "client", CloseCode.received(close))
            return lifecycle.close(socket, close)
          }),
        error: (socket, error) =>
          Effect.suspend(() => {
            woke("close")
            left(socket, "client", CloseCode.fromError(error))
            return lifecycle.error(socket, error)
          }),
        alarm: Effect.suspend(() => {
          woke("alarm")
          feed.add({ _tag: "Alarm", at: now() })
          return lifecycle.alarm
        })
      })
    }
  }

  const connectionOf = (socket: Sockets.Socket): Effect.Effect<Inspection.Connection | undefined> => {
    const identity = identityOf(socket)
    if (identity === undefined) return Effect.undefined
    const { bufferedAmount } = socket
    const answeredAt = assembly.sockets.answeredAt(socket)
    const came = since.of(socket)
    return Effect.map(Effect.option(assembly.registry.state(identity.id)), (state): Inspection.Connection => ({
      ...toPlain(identity),
      ...(came !== undefined && { since: came }),
      ...(answeredAt !== undefined && { answeredAt }),
      ...(bufferedAmount !== undefined && { waiting: bufferedAmount }),
      ...stateOf(state)
    }))
  }

  // A room without states has none, and one that does not fit any more cannot be shown.
  const stateOf = (state: Option.Option<unknown>) => {
    if (Option.getOrUndefined(state) === undefined) return {}
    const encoded = room.state.encode(Option.getOrUndefined(state))
    return Result.isSuccess(encoded) ? { state: bodyOf(JSON.stringify(encoded.success)) } : {}
  }

  const inspection: Effect.Effect<Inspection.Inspection> = Effect.gen(function*() {
    // Without a tag the runtime lists the newest first.
    const open = assembly.registry.open(Audience.all).toReversed()
    const found = yield* Effect.forEach(open.slice(0, mostConnections), connectionOf)
    const alarm = yield* assembly.port.get
    const deadlines = assembly.deadlines &&
      (yield* Effect.orElseSucceed(assembly.deadlines.all(mostDeadlines), () => []))
    const by = yield* Effect.orElseSucceed(tally.wakes, () => [])
    return {
      _tag: "Inspection",
      room: assembly.name,
      at: now(),
      awake: { since: life.since, ...(life.cause !== undefined && { cause: life.cause }) },
      wakes: { since: tally.since, by },
      busy: { arriving: assembly.arriving, asking: assembly.asking, leaving: assembly.leaving.size },
      count: open.length,
      connections: found.filter((connection) => connection !== undefined),
      deadlines: (deadlines ?? []).map(({ at, connection, due, error, failures, key, name }) => ({
        name,
        key: shortened(key, 256),
        at,
        failures,
        ...(due !== undefined && { due }),
        ...(error !== undefined && { error: shortened(error, shown) }),
        ...(connection !== undefined && { connection })
      })),
      ...(Option.isSome(alarm) && { alarm: alarm.value })
    }
  })

  attach()
  assembly.keepers = [...assembly.keepers, { started: Effect.sync(attach) }]
  assembly.answers.set(":inspection", () => inspection)
  assembly.answers.set(":look", () => Effect.tap(inspection, feed.look))

  return Inspector.of({ inspection })
})

/** The inspector of a room, for the layer of a room that may be looked at. */
export const layer: Layer.Layer<Inspector, never, Inside> = Layer.effect(
  Inspector,
  Effect.suspend(() => make)
)

// What stands around a service of the house already.
const attached = new WeakSet<object>()

const noted = <A extends object>(service: A): A => {
  attached.add(service)
  return service
}

const toPlain = ({ id, labels, protocol, user }: Identity.Identity) => ({
  id,
  ...(user !== undefined && { user }),
  labels,
  protocol
})

const namesOf = (audience: Audience.Audience) => {
  switch (audience._tag) {
    case "All":
      return {}
    case "User":
      return { user: audience.user }
    case "Label":
      return { label: audience.label }
  }
}

const bodyOf = (frame: Protocol.Frame | Protocol.Received, isSecret = false): Inspection.Body =>
  typeof frame === "string"
    ? { bytes: Limits.utf8Bytes(frame), ...(!isSecret && { text: shortened(frame, shown) }) }
    : { bytes: frame.byteLength }

// A new token for the door, a header of effect/rpc, or what was meant to be one of them: there is no need to read it. Some
// write characters as `\u0074`.
const bringsToken = (frame: string): boolean =>
  /"[^"\\]*(?:token|authorization)"\s*:|\[\s*"[^"\\]*(?:token|authorization)"\s*,/i.test(
    frame.replaceAll(/\\u00([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  )

// Half of a character is none.
const shortened = (text: string, length: number) =>
  text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`
