/**
 * The streams of a room's clients that only the runtime holds open.
 *
 * A pushed stream is a request that goes on without a handler. It is kept in its connection's attachment, beside the
 * room's own state. So the object may sleep while it is open. Memory has only a cache of that.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Audience from "../domain/Audience.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import type * as RoomError from "../domain/RoomError.ts"
import { Inside } from "../services/Assembly.ts"
import * as Broadcaster from "../services/Broadcaster.ts"
import * as ConnectionRegistry from "../services/ConnectionRegistry.ts"
import type * as Outbox from "../services/Outbox.ts"
import * as RpcFrames from "./RpcFrames.ts"

/** What a stream carries: the tag of its Rpc, and a topic. */
export type Subject = readonly [tag: string, topic: string]

/** What is kept for a connection: the room's own state, and the streams that it has open. */
export interface Kept<out State = unknown> {
  readonly state: State
  readonly streams: ReadonlyMap<RpcFrames.RequestId, Subject>
}

/** What is kept for a connection that has no stream open. */
export const none: Kept["streams"] = new Map()

/** The schema of what is kept beside the states of a room. */
export const keptWith = <State>(state: Schema.Codec<State, unknown>): Schema.Codec<Kept<State>, unknown> =>
  Schema.Struct({
    state,
    streams: Schema.ReadonlyMap(RpcFrames.RequestId, Schema.Tuple([Schema.String, Schema.String]))
  })

/** Who gets what is pushed: all who have the stream open, unless the options say otherwise. */
export interface PushOptions extends Broadcaster.BroadcastOptions {
  /** Streams of this topic only. */
  readonly topic?: string | undefined
}

/** The pushed streams of one object. */
export interface PushedStreams {
  /**
   * Opens a stream. What is pushed to it while `first` runs is sent after the values of `first`. Dies of
   * {@link TooManyStreams}. Is interrupted if the connection has left.
   */
  readonly open: <E, R>(
    connection: ConnectionId.ConnectionId,
    request: RpcFrames.RequestId,
    subject: Subject,
    first?: Effect.Effect<string | undefined, E, R>
  ) => Effect.Effect<void, E, R>
  /** Whether a connection has a stream open. */
  readonly isOpen: (
    connection: ConnectionId.ConnectionId,
    request: RpcFrames.RequestId
  ) => Effect.Effect<boolean>
  /** Closes a stream, if it is open. Nothing is sent. */
  readonly close: (
    connection: ConnectionId.ConnectionId,
    request: RpcFrames.RequestId
  ) => Effect.Effect<void, RoomError.RoomError>
  /** Sends values, a JSON array of them, to all streams of a tag. */
  readonly push: (tag: string, values: string, options?: PushOptions) => Effect.Effect<Outbox.Delivery>
  /** Closes all streams of a tag, and sends their exit. */
  readonly end: (tag: string, exit: string, options?: PushOptions) => Effect.Effect<Outbox.Delivery>
  /** Replaces the room's own state of a connection. */
  readonly setState: (
    connection: ConnectionId.ConnectionId,
    state: unknown
  ) => Effect.Effect<void, RoomError.RoomError>
  /** A connection has left. A plain function. */
  readonly left: (connection: ConnectionId.ConnectionId) => void
}

/**
 * Makes the pushed streams of an object, over connections with a {@link Kept} state. A connection has at most `limit`
 * of them open.
 */
export const make = Effect.fnUntraced(function*(limit: number): Effect.fn.Return<
  PushedStreams,
  never,
  Broadcaster.Broadcaster | ConnectionRegistry.ConnectionRegistry | Inside
> {
  const broadcaster = yield* Broadcaster.Broadcaster
  const assembly = yield* Inside
  const registry = yield* ConnectionRegistry.ConnectionRegistry

  // The open streams of the connections that were read since the wake; of all connections after the first push.
  const watching = new Map<ConnectionId.ConnectionId, Kept["streams"]>()
  let knowsAll = false
  // The streams whose first values are being made.
  const opening = new Set<{
    readonly connection: ConnectionId.ConnectionId
    readonly subject: Subject
    readonly values: Array<string>
    isEnded: boolean
    isOverrun: boolean
  }>()

  // SAFETY: the registry decodes states with the room's schema, which is `keptWith`.
  const read = (connection: ConnectionId.ConnectionId) =>
    registry.state(connection) as Effect.Effect<Kept, RoomError.RoomError>

  // A connection whose state does not fit any more has no streams. The others keep theirs.
  const look = (connection: ConnectionId.ConnectionId) =>
    Effect.map(Effect.result(read(connection)), (kept) => {
      watching.set(connection, Result.isSuccess(kept) ? kept.success.streams : none)
    })

  const watchers = Effect.suspend(() => {
    if (knowsAll) return Effect.succeed(watching)
    knowsAll = true
    const unknown = Effect.forEach(
      registry.open(Audience.all),
      (socket) =>
        Effect.flatMap(
          Effect.result(registry.identify(socket)),
          (identity) =>
            Result.isFailure(identity) || watching.has(identity.success.id) ? Effect.void : look(identity.success.id)
        ),
      { discard: true }
    )
    return Effect.as(unknown, watching)
  }).pipe(inOneGo)

  const change = (connection: ConnectionId.ConnectionId, f: (kept: Kept) => Kept) =>
    Effect.flatMap(read(connection), (before) => {
      const kept = f(before)
      return Effect.map(registry.setState(connection, kept), () => void watching.set(connection, kept.streams))
    }).pipe(inOneGo)

  const isOpen = (connection: ConnectionId.ConnectionId, request: RpcFrames.RequestId) =>
    Effect.map(
      watching.has(connection) || registry.socketOf(connection) === undefined ? Effect.void : look(connection),
      () => watching.get(connection)?.has(request) === true
    )

  const close = (connection: ConnectionId.ConnectionId, requests: ReadonlyArray<RpcFrames.RequestId>) =>
    change(connection, (kept) => {
      const streams = new Map(kept.streams)
      for (const request of requests) streams.delete(request)
      return { ...kept, streams }
    })

  // The streams that a push is for, and those that are being opened.
  const chosen = Effect.fnUntraced(function*(tag: string, { except = [], to, topic }: PushOptions) {
    const isFor = ([itsTag, itsTopic]: Subject) => itsTag === tag && (topic === undefined || itsTopic === topic)
    const left = new Set(typeof except === "string" ? [except] : except)
    const sockets = to && new Set(registry.open(to))
    const isAmong = (connection: ConnectionId.ConnectionId) => {
      if (left.has(connection)) return false
      if (sockets === undefined) return true
      const socket = registry.socketOf(connection)
      return socket !== undefined && sockets.has(socket)
    }
    const open: Array<readonly [ConnectionId.ConnectionId, ReadonlyArray<RpcFrames.RequestId>]> = []
    for (const [connection, streams] of yield* watchers) {
      if (!isAmong(connection)) continue
      const requests = [...streams].filter(([, subject]) => isFor(subject)).map(([request]) => request)
      if (requests.length > 0) open.push([connection, requests])
    }
    return {
      open,
      opening: [...opening].filter(({ connection, isEnded, subject }) =>
        !isEnded && isFor(subject) && isAmong(connection)
      )
    }
  })

  const send = (connection: ConnectionId.ConnectionId, frame: string): boolean => {
    const socket = registry.socketOf(connection)
    if (socket === undefined) return false
    try {
      assembly.outbox.send(socket, frame)
      return true
    } catch {
      return false
    }
  }

  const keep = (connection: ConnectionId.ConnectionId, request: RpcFrames.RequestId, subject: Subject) =>
    Effect.catch(
      Effect.flatMap(read(connection), ({ streams }) =>
        streams.size >= limit
          ? Effect.die(new TooManyStreams({ connection }))
          : change(connection, (kept) => ({ ...kept, streams: new Map(kept.streams).set(request, subject) }))),
      (error) => {
        switch (error.reason._tag) {
          case "StateTooLarge":
            return Effect.die(new TooManyStreams({ connection }))
          case "UnknownConnection":
            return Effect.interrupt
          default:
            return Effect.die(error)
        }
      }
    )

  return {
    open: (connection, request, subject, first = Effect.undefined) =>
      Effect.suspend(() => {
        const entry = { connection, subject, values: [] as Array<string>, isEnded: false, isOverrun: false }
        opening.add(entry)
        return first.pipe(
          Effect.flatMap((values) =>
            Effect.map(
              entry.isOverrun
                ? Effect.die(new TooManyStreams({ connection }))
                : entry.isEnded
                ? Effect.void
                : keep(connection, request, subject),
              () => {
                opening.delete(entry)
                if (values !== undefined) send(connection, chunk(request, values))
                for (const pushed of entry.values) send(connection, chunk(request, pushed))
              }
            ).pipe(inOneGo)
          ),
          Effect.ensuring(Effect.sync(() => opening.delete(entry)))
        )
      }),
    isOpen,
    close: (connection, request) =>
      Effect.flatMap(isOpen(connection, request), (open) => open ? close(connection, [request]) : Effect.void),
    push: (tag, values, options = {}) =>
      broadcaster.orHold(
        Effect.map(chosen(tag, options), ({ open, opening }) => {
          let delivered = 0
          let failed = 0
          for (const entry of opening) {
            entry.isOverrun ||= entry.values.length === mostHeld
            if (entry.isOverrun) failed++
            else {
              entry.values.push(values)
              delivered++
            }
          }
          for (const [connection, requests] of open) {
            for (const request of requests) {
              if (send(connection, chunk(request, values))) delivered++
              else failed++
            }
          }
          return { delivered, failed }
        }),
        nothing
      ),
    end: (tag, exit, options = {}) =>
      broadcaster.orHold(
        Effect.flatMap(chosen(tag, options), ({ open, opening }) => {
          for (const entry of opening) entry.isEnded = true
          const delivery = { delivered: opening.length, failed: 0 }
          return Effect.as(
            Effect.forEach(open, ([connection, requests]) =>
              Effect.map(Effect.result(close(connection, requests)), (closed) => {
                for (const request of requests) {
                  if (Result.isSuccess(closed) && send(connection, ended(request, exit))) {
                    delivery.delivered++
                  } else delivery.failed++
                }
              }), { discard: true }),
            delivery
          )
        }),
        nothing
      ),
    setState: (connection, state) => change(connection, (kept) => ({ ...kept, state })),
    left: (connection) => void watching.delete(connection)
  }
})

// Values that wait until a stream has its first ones. A stream that would lose one dies instead.
const mostHeld = 1_024

// Nothing else runs between the read and the write of what is kept.
const inOneGo = Effect.provideService(Scheduler.PreventSchedulerYield, true)

const nothing: Outbox.Delivery = { delivered: 0, failed: 0 }

// A value for many streams is encoded once. Their frames differ only in the id.
const chunk = (request: RpcFrames.RequestId, values: string) =>
  `{"_tag":"Chunk","requestId":${JSON.stringify(request)},"values":${values}}`

const ended = (request: RpcFrames.RequestId, exit: string) =>
  `{"_tag":"Exit","requestId":${JSON.stringify(request)},"exit":${exit}}`

/**
 * A connection has as many streams open as it may, or as fit in its attachment beside the room's state. Or more was
 * pushed to a stream that has not begun than can wait for it.
 */
export class TooManyStreams extends Schema.TaggedError<TooManyStreams>()("TooManyStreams", {
  connection: Schema.String
}) {
  override get message() {
    return "The connection has too many streams open"
  }
}
