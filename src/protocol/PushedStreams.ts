/**
 * The streams of a room's clients that nothing holds open but the runtime.
 *
 * A pushed stream is a request that goes on without a handler. It is kept in its connection's attachment, beside the
 * room's own state, so the object may sleep while it is open; what is here in memory is a cache of that.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Audience from "../domain/Audience.ts"
import type * as ConnectionId from "../domain/ConnectionId.ts"
import * as Broadcaster from "../services/Broadcaster.ts"
import * as ConnectionRegistry from "../services/ConnectionRegistry.ts"
import * as Outbox from "../services/Outbox.ts"
import * as RpcFrames from "./RpcFrames.ts"

/** What a stream is of: the tag of its Rpc, and a topic. */
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

/** Whom what is pushed reaches: all who have the stream open, unless it says less. */
export interface PushOptions extends Broadcaster.BroadcastOptions {
  /** Streams of this topic only. */
  readonly topic?: string | undefined
}

/** The pushed streams of one object. */
export interface PushedStreams {
  /**
   * Opens a stream. What is pushed to it while `first` runs is sent after what that gives. Dies of {@link TooManyStreams},
   * and is interrupted where the connection has left.
   */
  readonly open: <E, R>(
    connection: ConnectionId.ConnectionId,
    request: RpcFrames.RequestId,
    subject: Subject,
    first?: Effect.Effect<string | undefined, E, R>
  ) => Effect.Effect<void, E, R>
  /** Whether a connection has a stream open. A plain function. */
  readonly isOpen: (connection: ConnectionId.ConnectionId, request: RpcFrames.RequestId) => boolean
  /** Closes a stream, where it is open. Nothing is sent. */
  readonly close: (
    connection: ConnectionId.ConnectionId,
    request: RpcFrames.RequestId
  ) => Effect.Effect<void, ConnectionRegistry.ConnectionRegistryError>
  /** Sends values, a JSON array of them, to all streams of a tag. */
  readonly push: (tag: string, values: string, options?: PushOptions) => Effect.Effect<Outbox.Delivery>
  /** Closes all streams of a tag, and sends their exit. */
  readonly end: (tag: string, exit: string, options?: PushOptions) => Effect.Effect<Outbox.Delivery>
  /** Replaces the room's own state of a connection. */
  readonly setState: (
    connection: ConnectionId.ConnectionId,
    state: unknown
  ) => Effect.Effect<void, ConnectionRegistry.ConnectionRegistryError>
  /** A connection has left. A plain function. */
  readonly left: (connection: ConnectionId.ConnectionId) => void
}

/** Makes the pushed streams of an object, over connections with a {@link Kept} state. */
export const make = Effect.gen(function*(): Effect.fn.Return<
  PushedStreams,
  never,
  Broadcaster.Broadcaster | ConnectionRegistry.ConnectionRegistry | Outbox.Outbox
> {
  const broadcaster = yield* Broadcaster.Broadcaster
  const outbox = yield* Outbox.Outbox
  const registry = yield* ConnectionRegistry.ConnectionRegistry

  // Who has streams open: read from all attachments when it is first asked for after a wake.
  let watching: Map<ConnectionId.ConnectionId, Kept["streams"]> | undefined
  // Those whose first values are being made.
  const opening = new Set<{
    readonly connection: ConnectionId.ConnectionId
    readonly subject: Subject
    readonly values: Array<string>
    isEnded: boolean
  }>()

  // SAFETY: the registry decodes states with the room's schema, which is `keptWith`.
  const keptOf = (connection: ConnectionRegistry.Connection): Kept => connection.state as Kept

  const note = (connection: ConnectionId.ConnectionId, { streams }: Kept) => {
    if (streams.size === 0) watching?.delete(connection)
    else watching?.set(connection, streams)
  }

  const watchers = Effect.suspend(() => {
    if (watching !== undefined) return Effect.succeed(watching)
    watching = new Map()
    return Effect.as(
      // One whose state does not fit any more hears nothing, and the others all the same.
      Effect.forEach(
        registry.open(Audience.all),
        (socket) =>
          Effect.map(Effect.result(registry.connection(socket)), (read) => {
            if (Result.isSuccess(read)) note(read.success.id, keptOf(read.success))
          }),
        { discard: true }
      ),
      watching
    )
  }).pipe(inOneGo)

  const change = (connection: ConnectionId.ConnectionId, f: (kept: Kept) => Kept) =>
    registry.find(connection).pipe(
      Effect.flatMap(registry.connection),
      Effect.flatMap((read) => {
        const kept = f(keptOf(read))
        return Effect.map(registry.setState(connection, kept), () => note(connection, kept))
      }),
      inOneGo
    )

  const streamsOf = (connection: ConnectionId.ConnectionId): Kept["streams"] => {
    const socket = registry.socketOf(connection)
    const known = socket && registry.known(socket)
    return known === undefined ? none : keptOf(known).streams
  }

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
      outbox.send(socket, frame)
      return true
    } catch {
      return false
    }
  }

  const keep = (connection: ConnectionId.ConnectionId, request: RpcFrames.RequestId, subject: Subject) =>
    Effect.catch(
      change(connection, (kept) => ({ ...kept, streams: new Map(kept.streams).set(request, subject) })),
      (error) => {
        switch (error.reason._tag) {
          case "StateTooLarge":
            return Effect.die(new TooManyStreams({ connection, cause: error }))
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
        const entry = { connection, subject, values: [] as Array<string>, isEnded: false }
        opening.add(entry)
        return first.pipe(
          Effect.flatMap((values) =>
            Effect.map(entry.isEnded ? Effect.void : keep(connection, request, subject), () => {
              opening.delete(entry)
              if (values !== undefined) send(connection, chunk(request, values))
              for (const pushed of entry.values) send(connection, chunk(request, pushed))
            }).pipe(inOneGo)
          ),
          Effect.ensuring(Effect.sync(() => opening.delete(entry)))
        )
      }),
    isOpen: (connection, request) => streamsOf(connection).has(request),
    close: (connection, request) =>
      Effect.suspend(() => streamsOf(connection).has(request) ? close(connection, [request]) : Effect.void),
    push: (tag, values, options = {}) =>
      broadcaster.orHold(
        Effect.map(chosen(tag, options), ({ open, opening }) => {
          let delivered = 0
          let failed = 0
          for (const entry of opening) {
            entry.values.push(values)
            delivered++
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
    left: (connection) => void watching?.delete(connection)
  }
})

// Nobody else comes in between the reading of what is kept and the writing.
const inOneGo = Effect.provideService(Scheduler.PreventSchedulerYield, true)

const nothing: Outbox.Delivery = { delivered: 0, failed: 0 }

// What is pushed to many is encoded once; their frames differ in the id alone.
const chunk = (request: RpcFrames.RequestId, values: string) =>
  `{"_tag":"Chunk","requestId":${JSON.stringify(request)},"values":${values}}`

const ended = (request: RpcFrames.RequestId, exit: string) =>
  `{"_tag":"Exit","requestId":${JSON.stringify(request)},"exit":${exit}}`

/** A connection has as many streams open as fit in its attachment beside the room's state: some hundreds. */
export class TooManyStreams extends Data.TaggedError("TooManyStreams")<{
  readonly connection: ConnectionId.ConnectionId
  readonly cause: unknown
}> {
  override get message() {
    return "The connection has too many streams open"
  }
}
