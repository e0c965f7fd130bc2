/**
 * Who is connected.
 *
 * The registry reads identity from a socket's tags, state from its attachment, and membership from the runtime. A list
 * of its own would be wrong after a sleep. In memory it has a cache of what it read, and the connections that are being
 * opened: the object does not sleep before they are open.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Audience from "../domain/Audience.ts"
import * as ConnectionId from "../domain/ConnectionId.ts"
import * as Identity from "../domain/Identity.ts"
import * as Limits from "../domain/Limits.ts"
import * as RoomError from "../domain/RoomError.ts"
import type { StateCodec } from "../domain/StateCodec.ts"
import { type Assembly, tell } from "./Assembly.ts"
import * as Sockets from "./Sockets.ts"

/**
 * A connection, and the state that the room keeps for it. The state is read again for each event, so a handler that
 * mutates it changes nothing. It is decoded at the first look. If another version of the room wrote a state that does
 * not fit any more, that look throws a `RoomError` with the reason `InvalidState`.
 */
export interface Connection<out State = unknown> extends Identity.Identity {
  readonly state: State
}

/** Which connections are listed. */
export interface ListOptions {
  /** Everybody's, unless given. */
  readonly of?: Audience.Audience | undefined
  /** At most this many: 1,000, unless given. */
  readonly limit?: number | undefined
  /** Those that came after this one, which is the last of the page before. It must still be open. */
  readonly after?: ConnectionId.ConnectionId | undefined
}

/** How a new connection is let in: who is behind it, and its first state, if the room keeps any. */
export type Admission<State = unknown> =
  & {
    /** The user behind the connection; the audience `Audience.user` reaches all connections of one. */
    readonly user?: string | undefined
    /** Labels of the connection; the audience `Audience.label` reaches all connections with one. Seven always fit. */
    readonly labels?: ReadonlyArray<string> | undefined
  }
  & ([State] extends [undefined] ? { readonly state?: undefined } : {
    /** As JSON, at most 2,048 UTF-8 bytes, or what the option `stateBytes` says, up to some 16,370. */
    readonly state: State
  })

/** A newcomer that a room's door has let through. */
export type Admitted = Admission & {
  /** Tags of the door's own. */
  readonly tags?: ReadonlyArray<string>
  /** What the door keeps beside the socket. */
  readonly beside?: unknown
}

export class ConnectionRegistry extends Context.Service<ConnectionRegistry, {
  /**
   * Gives a socket an identity and its first state. Nothing is accepted yet: the connection can be found by its id, but
   * is in no audience until it enters. Whatever does not fit in the socket fails here.
   */
  readonly admit: (
    socket: Sockets.Socket,
    protocol: string,
    admission: Admitted,
    /** The trace in which the connection is opened, if there is one. */
    trace?: string
  ) => Effect.Effect<Connection, RoomError.RoomError>
  /** Hands an admitted socket to the runtime. From here on the connection is in the room. */
  readonly enter: (id: ConnectionId.ConnectionId) => Effect.Effect<void, RoomError.RoomError>
  /** Drops an admitted connection that does not enter. */
  readonly abandon: (id: ConnectionId.ConnectionId) => Effect.Effect<void>
  /** Who a socket is, from its tags alone. */
  readonly identify: (socket: Sockets.Socket) => Effect.Effect<Identity.Identity, RoomError.RoomError>
  /**
   * Who a socket is, with its state as it is now. Throws what `identify` fails with. A plain function: for the hot
   * path.
   */
  readonly connection: (socket: Sockets.Socket) => Connection
  /** The socket of a connection that is open, or being opened. A plain function: for the hot path. */
  readonly socketOf: (id: ConnectionId.ConnectionId) => Sockets.Socket | undefined
  /** The socket of a connection that is open, or being opened. */
  readonly find: (id: ConnectionId.ConnectionId) => Effect.Effect<Sockets.Socket, RoomError.RoomError>
  /** The open sockets of an audience, in no particular order. A plain function: a broadcast begins with it. */
  readonly open: (audience: Audience.Audience) => ReadonlyArray<Sockets.Socket>
  /** The open sockets that carry a tag, the oldest first. A plain function. */
  readonly carrying: (tag: string) => ReadonlyArray<Sockets.Socket>
  /** Whether a socket speaks a protocol. A plain function. */
  readonly isSpeaking: (socket: Sockets.Socket, protocol: string) => boolean
  /** Changes whenever somebody enters or leaves, so a cache of members can see whether it is still right. */
  readonly version: () => number
  /** The open connections, the oldest first, with their states. */
  readonly list: (options?: ListOptions) => Effect.Effect<ReadonlyArray<Connection>, RoomError.RoomError>
  /** How many connections of an audience are open. */
  readonly count: (audience: Audience.Audience) => Effect.Effect<number>
  /** What is kept for a connection. */
  readonly state: (id: ConnectionId.ConnectionId) => Effect.Effect<unknown, RoomError.RoomError>
  /** Replaces a connection's state. If it fails, the old state stays. */
  readonly setState: (id: ConnectionId.ConnectionId, state: unknown) => Effect.Effect<void, RoomError.RoomError>
  /** Counts a malformed frame of a socket, and says how many there were in a row. A plain function. */
  readonly strike: (socket: Sockets.Socket) => number
  /** A frame of a socket was well-formed: the count begins again. A plain function. */
  readonly absolve: (socket: Sockets.Socket) => void
  /** What the room's door keeps beside a socket, through every sleep. A plain function. */
  readonly beside: (socket: Sockets.Socket) => unknown
  /** Replaces that by another value, of at most 128 serialized bytes. A plain function. */
  readonly setBeside: (socket: Sockets.Socket, value: unknown) => void
  /** The trace in which a socket's connection was opened. A plain function. */
  readonly traceOf: (socket: Sockets.Socket) => string | undefined
  /** Whether a socket was taken out of the room. Its peer may not know yet and keep sending. A plain function. */
  readonly isForgotten: (socket: Sockets.Socket) => boolean
  /** Takes a socket out of the room; `true` the first time, also when the object slept in between. */
  readonly forget: (socket: Sockets.Socket) => Effect.Effect<boolean>
}>()("effect-dormouse/services/ConnectionRegistry") {}

// What is kept beside a socket, and what its attachment holds. The state is a text, which nobody can change.
interface Kept {
  isForgotten: boolean
  state: string | undefined
  malformed: number
  readonly trace: string | undefined
  beside: unknown
}

const read = (socket: Sockets.Socket): Kept => {
  const attachment = socket.deserializeAttachment()
  const [isForgotten, state, malformed = 0, trace, beside] = Array.isArray(attachment) ? attachment : []
  return { isForgotten: isForgotten === true, state, malformed, trace, beside }
}

// A mark never makes the attachment longer, so a connection can always be forgotten, whatever its state.
const write = (socket: Sockets.Socket, { beside, isForgotten, malformed, state, trace }: Kept): void =>
  socket.serializeAttachment(
    malformed === 0 && trace === undefined && beside === undefined
      ? [isForgotten, state]
      : [isForgotten, state, malformed, trace, beside]
  )

interface Entry {
  readonly identity: Identity.Identity
  kept: Kept
}

// In the place of what a door keeps beside a socket: as long as that may become.
const besideReserve = " ".repeat(128)

// A state of so few characters is decoded in less time than it takes to put that off.
const short = 64

/**
 * Makes the registry of a room whose connections keep states of a codec.
 *
 * @internal
 */
export const make = (assembly: Assembly, { decode, encode }: StateCodec): ConnectionRegistry["Service"] => {
  const opening = new Map<
    ConnectionId.ConnectionId,
    { readonly socket: Sockets.Socket; readonly tags: ReadonlyArray<string> }
  >()
  const entries = new WeakMap<Sockets.Socket, Entry>()
  // The runtime finds the socket of an id slowly right after a sleep. So each socket that was seen is kept until its
  // connection leaves.
  const found = new Map<ConnectionId.ConnectionId, Sockets.Socket>()
  let version = 0

  const entryOf = (socket: Sockets.Socket): Entry | undefined => {
    const known = entries.get(socket)
    if (known !== undefined) return known
    const identity = Identity.fromTags(assembly.sockets.tags(socket))
    if (identity === undefined) return undefined
    const kept = read(socket)
    const entry: Entry = { identity, kept }
    entries.set(socket, entry)
    if (socket.readyState === Sockets.OPEN && !kept.isForgotten) found.set(identity.id, socket)
    return entry
  }

  const keptOf = (socket: Sockets.Socket): Kept => entryOf(socket)?.kept ?? read(socket)

  const isMarked = (socket: Sockets.Socket) => (entries.get(socket)?.kept ?? read(socket)).isForgotten

  const unidentified = (socket: Sockets.Socket) =>
    RoomError.make(new RoomError.UnidentifiedSocket({ tags: assembly.sockets.tags(socket).join(", ") }))

  // A socket is open until it is forgotten. Who was forgotten before the object slept is asked once, of all sockets, and
  // not of each at every look. A socket that we closed may say that it is open: the runtime forgets that in the second
  // sleep, so the mark in the attachment counts.
  const left = new WeakSet<Sockets.Socket>()
  let someLeft = false
  let isSurveyed = false

  const survey = () => {
    isSurveyed = true
    for (const socket of assembly.sockets.list()) {
      if (socket.readyState === Sockets.OPEN && !isMarked(socket)) continue
      left.add(socket)
      someLeft = true
    }
  }

  const openWith = (tag: string | undefined): ReadonlyArray<Sockets.Socket> => {
    if (!isSurveyed) survey()
    const sockets = assembly.sockets.list(tag)
    if (!someLeft) return sockets
    const open = sockets.filter((socket) => !left.has(socket))
    if (tag === undefined) someLeft = open.length < sockets.length
    return open
  }

  const open = (audience: Audience.Audience) => openWith(Audience.toTag(audience))

  const invalid = (id: ConnectionId.ConnectionId, { message }: Schema.SchemaError) =>
    RoomError.make(new RoomError.InvalidState({ connection: id, detail: message }))

  const decodeState = (id: ConnectionId.ConnectionId, state: string | undefined) =>
    Result.mapError(decode(state === undefined ? undefined : JSON.parse(state)), (error) => invalid(id, error))

  const connectionOf = ({ id, labels, protocol, user }: Identity.Identity, text: string | undefined): Connection => {
    if (text === undefined || text.length <= short) {
      const state = decodeState(id, text)
      if (Result.isSuccess(state)) return { id, user, labels, protocol, state: state.success }
    }
    let decoded: Result.Result<unknown, RoomError.RoomError> | undefined
    return {
      id,
      user,
      labels,
      protocol,
      get state() {
        return Result.getOrThrow(decoded ??= decodeState(id, text))
      }
    }
  }

  const keep = (
    socket: Sockets.Socket,
    { id }: Identity.Identity,
    state: unknown,
    { beside, malformed, trace }: Pick<Kept, "beside" | "malformed" | "trace">
  ) => {
    const encoded = encode(state)
    if (Result.isFailure(encoded)) return Result.fail(invalid(id, encoded.failure))
    const text = encoded.success === undefined ? undefined : JSON.stringify(encoded.success)
    const { stateBytes } = assembly.limits
    const tooLarge = (limit: number) =>
      Result.fail(RoomError.make(new RoomError.StateTooLarge({ connection: id, limit })))
    if (text !== undefined && !Limits.isWithin(text, stateBytes)) return tooLarge(stateBytes)
    const kept: Kept = { isForgotten: false, malformed, trace, state: text, beside }
    try {
      // What the door keeps changes, and must always fit.
      write(socket, { ...kept, malformed: 0, beside: beside === undefined ? undefined : besideReserve })
    } catch {
      return tooLarge(Limits.attachmentBytes)
    }
    if (malformed > 0 || beside !== undefined) mark(socket, kept)
    return Result.succeed(kept)
  }

  const socketOf = (id: ConnectionId.ConnectionId) => {
    const kept = found.get(id) ?? opening.get(id)?.socket
    if (kept !== undefined) return kept
    const socket = assembly.sockets.list(Identity.connectionTag(id)).find((socket) =>
      socket.readyState === Sockets.OPEN && !left.has(socket) && !isMarked(socket)
    )
    if (socket !== undefined) found.set(id, socket)
    return socket
  }

  const unknown = (id: ConnectionId.ConnectionId) => RoomError.make(new RoomError.UnknownConnection({ connection: id }))

  const mark = (socket: Sockets.Socket, kept: Kept) => {
    try {
      write(socket, kept)
    } catch {
      // A state that fills the attachment leaves no room for it: then it lasts until the object sleeps.
    }
  }

  return ConnectionRegistry.of({
    admit: (socket, protocol, { beside, labels = [], state, tags: others, user }, trace) =>
      Effect.suspend(() => {
        const id = ConnectionId.mint()
        const identity: Identity.Identity = { id, user, labels: [...new Set(labels)], protocol }
        const tags = Identity.toTags(identity, others)
        if (Result.isFailure(tags)) return Effect.fail(RoomError.make(tags.failure))
        const kept = keep(socket, identity, state, { malformed: 0, trace, beside })
        if (Result.isFailure(kept)) return Effect.fail(kept.failure)
        entries.set(socket, { identity, kept: kept.success })
        opening.set(id, { socket, tags: tags.success })
        return Effect.succeed(connectionOf(identity, kept.success.state))
      }),
    enter: (id) =>
      Effect.suspend(() => {
        const entry = opening.get(id)
        if (entry === undefined) return Effect.fail(unknown(id))
        opening.delete(id)
        try {
          assembly.sockets.accept(entry.socket, entry.tags)
        } catch (cause) {
          return Effect.fail(RoomError.make(new RoomError.NotAccepted({ connection: id, cause })))
        }
        found.set(id, entry.socket)
        version++
        return Effect.void
      }),
    abandon: (id) => Effect.sync(() => void opening.delete(id)),
    identify: (socket) =>
      Effect.suspend(() => {
        const entry = entryOf(socket)
        return entry === undefined ? Effect.fail(unidentified(socket)) : Effect.succeed(entry.identity)
      }),
    connection: (socket) => {
      const entry = entryOf(socket)
      if (entry === undefined) throw unidentified(socket)
      return connectionOf(entry.identity, entry.kept.state)
    },
    socketOf,
    find: (id) =>
      Effect.suspend(() => {
        const socket = socketOf(id)
        return socket === undefined ? Effect.fail(unknown(id)) : Effect.succeed(socket)
      }),
    open,
    carrying: openWith,
    isSpeaking: (socket, protocol) => entryOf(socket)?.identity.protocol === protocol,
    version: () => version,
    list: ({ after, limit = 1_000, of = Audience.all } = {}) =>
      Effect.suspend(() => {
        // Without a tag the runtime lists the newest first.
        const sockets = of._tag === "All" ? open(of).toReversed() : open(of)
        const last = after === undefined ? undefined : socketOf(after)
        const start = last === undefined ? 0 : sockets.indexOf(last) + 1
        if (after !== undefined && start === 0) return Effect.fail(unknown(after))
        const connections: Array<Connection> = []
        for (const socket of sockets.slice(start, start + Math.max(0, limit))) {
          const entry = entryOf(socket)
          if (entry === undefined) return Effect.fail(unidentified(socket))
          const state = decodeState(entry.identity.id, entry.kept.state)
          if (Result.isFailure(state)) return Effect.fail(state.failure)
          connections.push({ ...entry.identity, state: state.success })
        }
        return Effect.succeed(connections)
      }),
    count: (audience) => Effect.sync(() => open(audience).length),
    state: (id) =>
      Effect.suspend(() => {
        const socket = socketOf(id)
        if (socket === undefined) return Effect.fail(unknown(id))
        const state = decodeState(id, keptOf(socket).state)
        return Result.isSuccess(state) ? Effect.succeed(state.success) : Effect.fail(state.failure)
      }),
    setState: (id, state) =>
      Effect.suspend(() => {
        const socket = socketOf(id)
        const entry = socket && entryOf(socket)
        if (socket === undefined || entry === undefined) return Effect.fail(unknown(id))
        const kept = keep(socket, entry.identity, state, keptOf(socket))
        if (Result.isFailure(kept)) return Effect.fail(kept.failure)
        entry.kept = kept.success
        return tell(assembly, ({ changed }) => changed?.(id, kept.success.state))
      }),
    strike: (socket) => {
      const kept = keptOf(socket)
      kept.malformed++
      mark(socket, kept)
      return kept.malformed
    },
    absolve: (socket) => {
      const kept = keptOf(socket)
      if (kept.malformed === 0) return
      kept.malformed = 0
      mark(socket, kept)
    },
    beside: (socket) => keptOf(socket).beside,
    setBeside: (socket, value) => {
      const kept = keptOf(socket)
      kept.beside = value
      mark(socket, kept)
    },
    traceOf: (socket) => keptOf(socket).trace,
    // The survey knows of sockets that nobody has looked at since.
    isForgotten: (socket) => (!isSurveyed || left.has(socket) || entries.has(socket)) && keptOf(socket).isForgotten,
    forget: (socket) =>
      Effect.sync(() => {
        const entry = entryOf(socket)
        if (entry !== undefined) found.delete(entry.identity.id)
        const kept = keptOf(socket)
        if (kept.isForgotten) return false
        kept.isForgotten = true
        kept.malformed = 0
        left.add(socket)
        someLeft = true
        version++
        // A socket that we close stays with the runtime until its peer answers, and the object may sleep till then.
        write(socket, { ...kept, beside: undefined })
        return true
      })
  })
}
