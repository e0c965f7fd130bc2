/**
 * Who is connected.
 *
 * The registry keeps no list of its own that could be wrong after a sleep: identity is read from a socket's tags, state
 * from its attachment, and membership from the runtime. What it holds in memory is a cache of what it read, and the
 * connections that are just being opened, which no sleep can come upon.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Audience from "../domain/Audience.ts"
import * as ConnectionId from "../domain/ConnectionId.ts"
import * as Identity from "../domain/Identity.ts"
import * as Limits from "../domain/Limits.ts"
import * as Sockets from "./Sockets.ts"

/** A connection and the state that the room keeps for it. */
export interface Connection<out State = unknown> extends Identity.Identity {
  readonly state: State
}

/** What a new connection is let in with: its first state, where the room keeps any, and who is behind it. */
export type Admission<State = unknown> =
  & {
    /** The user behind the connection; the audience `Audience.user` reaches all connections of one. */
    readonly user?: string | undefined
    /** Labels of the connection; the audience `Audience.label` reaches all connections with one. Seven fit at least. */
    readonly labels?: ReadonlyArray<string> | undefined
  }
  & ([State] extends [undefined] ? { readonly state?: undefined } : {
    /** At most 16,384 serialized bytes, some ten of which are the registry's own. */
    readonly state: State
  })

/** How states become what attachments hold. It is pure: the objects of a room share it, and none compiles it as it wakes. */
export interface StateCodec {
  readonly decode: (attached: unknown) => Result.Result<unknown, Schema.SchemaError>
  readonly encode: (state: unknown) => Result.Result<unknown, Schema.SchemaError>
}

/** The codec of states of a schema. */
export const stateCodec = <State>(schema: Schema.Codec<State, unknown>): StateCodec => {
  const codec = Schema.toCodecJson(schema)
  return { decode: Schema.decodeUnknownResult(codec), encode: Schema.encodeUnknownResult(codec) }
}

export class ConnectionRegistry extends Context.Service<ConnectionRegistry, {
  /**
   * Gives a socket an identity and its first state. Nothing is accepted yet: the connection can be found by its id, but
   * is in no audience until it enters. Whatever does not fit in the socket fails here.
   */
  readonly admit: (
    socket: Sockets.Socket,
    protocol: string,
    admission: Admission
  ) => Effect.Effect<Connection, ConnectionRegistryError>
  /** Hands an admitted socket to the runtime. From here on the connection is in the room. */
  readonly enter: (id: ConnectionId.ConnectionId) => Effect.Effect<void, ConnectionRegistryError>
  /** Drops an admitted connection that does not enter. */
  readonly abandon: (id: ConnectionId.ConnectionId) => Effect.Effect<void>
  /** Who a socket is, from its tags alone. */
  readonly identify: (socket: Sockets.Socket) => Effect.Effect<Identity.Identity, ConnectionRegistryError>
  /** Who a socket is, with its state. */
  readonly connection: (socket: Sockets.Socket) => Effect.Effect<Connection, ConnectionRegistryError>
  /** Who a socket is, with its state, where that was read since the object woke. A plain function: for the hot path. */
  readonly known: (socket: Sockets.Socket) => Connection | undefined
  /** The socket of a connection that is open, or being opened. A plain function: for the hot path. */
  readonly socketOf: (id: ConnectionId.ConnectionId) => Sockets.Socket | undefined
  /** The socket of a connection that is open, or being opened. */
  readonly find: (id: ConnectionId.ConnectionId) => Effect.Effect<Sockets.Socket, ConnectionRegistryError>
  /** The open sockets of an audience, in no particular order. A plain function: a broadcast begins with it. */
  readonly open: (audience: Audience.Audience) => ReadonlyArray<Sockets.Socket>
  /** The open sockets that speak a protocol, the oldest first. A plain function. */
  readonly speaking: (protocol: string) => ReadonlyArray<Sockets.Socket>
  /** Whether a socket speaks a protocol. A plain function. */
  readonly isSpeaking: (socket: Sockets.Socket, protocol: string) => boolean
  /** The open connections of an audience, the oldest first. */
  readonly list: (audience: Audience.Audience) => Effect.Effect<ReadonlyArray<Connection>, ConnectionRegistryError>
  /** How many connections of an audience are open. */
  readonly count: (audience: Audience.Audience) => Effect.Effect<number>
  /** Replaces a connection's state. Where it fails, the old state stays. */
  readonly setState: (
    id: ConnectionId.ConnectionId,
    state: unknown
  ) => Effect.Effect<void, ConnectionRegistryError>
  /** Whether a socket was taken out of the room. Its peer may not know yet, and go on talking. A plain function. */
  readonly isForgotten: (socket: Sockets.Socket) => boolean
  /** Takes a socket out of the room; `true` the first time, also when the object slept in between. */
  readonly forget: (socket: Sockets.Socket) => Effect.Effect<boolean>
}>()("effect-dormouse/services/ConnectionRegistry") {
  /** The registry of a room whose connections keep a state of the given form. */
  static readonly layer = (state: StateCodec): Layer.Layer<ConnectionRegistry, never, Sockets.Sockets> =>
    Layer.effect(ConnectionRegistry, make(state))
}

// What an attachment holds. Both marks serialize to the same length, so a state that fitted can always be forgotten.
type Attachment = readonly [forgotten: boolean, state: unknown]

const readAttachment = (socket: Sockets.Socket): Attachment => {
  const attachment = socket.deserializeAttachment()
  return Array.isArray(attachment) ? [attachment[0] === true, attachment[1]] : [false, undefined]
}

const writeAttachment = (socket: Sockets.Socket, attachment: Attachment): void => socket.serializeAttachment(attachment)

/** Makes the service; its layer does the same. */
export const make = Effect.fnUntraced(function*({ decode, encode }: StateCodec) {
  const sockets = yield* Sockets.Sockets

  const opening = new Map<
    ConnectionId.ConnectionId,
    { readonly socket: Sockets.Socket; readonly tags: ReadonlyArray<string> }
  >()
  const identities = new WeakMap<Sockets.Socket, Identity.Identity>()
  const connections = new WeakMap<Sockets.Socket, Connection>()
  const forgotten = new WeakSet<Sockets.Socket>()
  // The runtime can find the socket of an id, but most slowly right after a sleep. So each socket that was seen is kept
  // until its connection leaves.
  const found = new Map<ConnectionId.ConnectionId, Sockets.Socket>()

  // What was forgotten before the object slept is not open: whoever forgets a socket closes it, or has seen it close.
  const isForgotten = (socket: Sockets.Socket) =>
    forgotten.has(socket) ||
    (!connections.has(socket) && socket.readyState !== Sockets.OPEN && readAttachment(socket)[0])

  // A socket that the runtime gave up may still look open.
  let someLookOpen = false

  const isOpen = (socket: Sockets.Socket) =>
    socket.readyState === Sockets.OPEN && !(someLookOpen && forgotten.has(socket))

  const open = (audience: Audience.Audience) => sockets.list(Audience.toTag(audience)).filter(isOpen)

  const write = (socket: Sockets.Socket, connection: Connection) =>
    Effect.suspend(() => {
      const encoded = encode(connection.state)
      if (Result.isFailure(encoded)) {
        return fail(new InvalidState({ connection: connection.id, cause: encoded.failure }))
      }
      try {
        writeAttachment(socket, [false, encoded.success])
      } catch (cause) {
        return fail(new StateTooLarge({ connection: connection.id, limit: Limits.attachmentBytes, cause }))
      }
      connections.set(socket, connection)
      return Effect.void
    })

  const identityOf = (socket: Sockets.Socket): Identity.Identity | undefined => {
    let identity = identities.get(socket)
    if (identity === undefined) {
      identity = Identity.fromTags(sockets.tags(socket))
      if (identity !== undefined) {
        identities.set(socket, identity)
        found.set(identity.id, socket)
      }
    }
    return identity
  }

  const identify = (socket: Sockets.Socket) =>
    Effect.suspend(() => {
      const identity = identityOf(socket)
      return identity === undefined
        ? fail(new UnidentifiedSocket({ tags: sockets.tags(socket) }))
        : Effect.succeed(identity)
    })

  const read = (socket: Sockets.Socket, identity: Identity.Identity) =>
    Effect.suspend(() => {
      const state = decode(readAttachment(socket)[1])
      if (Result.isFailure(state)) return fail(new InvalidState({ connection: identity.id, cause: state.failure }))
      const connection: Connection = { ...identity, state: state.success }
      connections.set(socket, connection)
      return Effect.succeed(connection)
    })

  const connection = (socket: Sockets.Socket) =>
    Effect.suspend(() => {
      const known = connections.get(socket)
      return known === undefined
        ? Effect.flatMap(identify(socket), (identity) => read(socket, identity))
        : Effect.succeed(known)
    })

  const known = (socket: Sockets.Socket) => connections.get(socket)

  const socketOf = (id: ConnectionId.ConnectionId) => {
    const kept = found.get(id) ?? opening.get(id)?.socket
    if (kept !== undefined) return kept
    const socket = sockets.list(Identity.connectionTag(id)).find(isOpen)
    if (socket !== undefined) found.set(id, socket)
    return socket
  }

  const find = (id: ConnectionId.ConnectionId) =>
    Effect.suspend(() => {
      const socket = socketOf(id)
      return socket === undefined ? fail(new UnknownConnection({ connection: id })) : Effect.succeed(socket)
    })

  return ConnectionRegistry.of({
    admit: Effect.fnUntraced(function*(socket, protocol, admission) {
      const id = ConnectionId.mint()
      const { labels = [], state, user } = admission
      const identity: Identity.Identity = { id, user, labels: [...new Set(labels)], protocol }
      const tags = Identity.toTags(identity)
      if (Result.isFailure(tags)) return yield* fail(tags.failure)
      const connection: Connection = { ...identity, state }
      yield* write(socket, connection)
      identities.set(socket, identity)
      opening.set(id, { socket, tags: tags.success })
      return connection
    }),
    enter: (id) =>
      Effect.suspend(() => {
        const entry = opening.get(id)
        if (entry === undefined) return fail(new UnknownConnection({ connection: id }))
        opening.delete(id)
        return Effect.try({
          try: () => sockets.accept(entry.socket, entry.tags),
          catch: (cause) => new ConnectionRegistryError({ reason: new NotAccepted({ connection: id, cause }) })
        })
      }),
    abandon: (id) => Effect.sync(() => void opening.delete(id)),
    identify,
    connection,
    known,
    socketOf,
    find,
    open,
    speaking: (protocol) => sockets.list(Identity.protocolTag(protocol)).filter(isOpen),
    isSpeaking: (socket, protocol) => identityOf(socket)?.protocol === protocol,
    list: (audience) =>
      Effect.suspend(() => {
        const found = open(audience)
        // Without a tag the runtime lists the newest first.
        return Effect.forEach(audience._tag === "All" ? found.toReversed() : found, connection)
      }),
    count: (audience) => Effect.sync(() => open(audience).length),
    setState: Effect.fnUntraced(function*(id, state) {
      const socket = yield* find(id)
      const identity = yield* identify(socket)
      yield* write(socket, { ...identity, state })
    }),
    isForgotten,
    forget: (socket) =>
      Effect.sync(() => {
        const identity = identityOf(socket)
        if (identity !== undefined) found.delete(identity.id)
        const [wasForgotten, state] = readAttachment(socket)
        if (wasForgotten) return false
        forgotten.add(socket)
        someLookOpen ||= socket.readyState === Sockets.OPEN
        // A socket that we close stays with the runtime until its peer answers, and the object may sleep till then.
        writeAttachment(socket, [true, state])
        return true
      })
  })
})

/** The socket carries no tags that name exactly one connection. */
export class UnidentifiedSocket extends Data.TaggedError("UnidentifiedSocket")<{
  readonly tags: ReadonlyArray<string>
}> {
  override get message() {
    return "The socket's tags do not say which connection it is"
  }
}

/** No open connection has this id. */
export class UnknownConnection extends Data.TaggedError("UnknownConnection")<{
  readonly connection: string
}> {
  override get message() {
    return `No open connection has the id ${this.connection}`
  }
}

/** The state does not fit in a socket's attachment. `limit` is in serialized bytes. */
export class StateTooLarge extends Data.TaggedError("StateTooLarge")<{
  readonly connection: ConnectionId.ConnectionId
  readonly limit: number
  readonly cause: unknown
}> {
  override get message() {
    return `The connection's state is larger than ${this.limit} bytes`
  }
}

/** The state does not fit the room's schema: what is to be written, or what another version of the room wrote. */
export class InvalidState extends Data.TaggedError("InvalidState")<{
  readonly connection: ConnectionId.ConnectionId
  readonly cause: unknown
}> {
  override get message() {
    return "The connection's state does not fit the room's schema"
  }
}

/** The runtime refused the socket, for example because the object holds 32,768 of them. */
export class NotAccepted extends Data.TaggedError("NotAccepted")<{
  readonly connection: ConnectionId.ConnectionId
  readonly cause: unknown
}> {
  override get message() {
    return "The runtime did not accept the socket"
  }
}

/** What went wrong in the registry; `reason` tells the cases apart. */
export class ConnectionRegistryError extends Data.TaggedError("ConnectionRegistryError")<{
  readonly reason:
    | UnidentifiedSocket
    | UnknownConnection
    | Identity.TooManyTags
    | Identity.TagTooLong
    | StateTooLarge
    | InvalidState
    | NotAccepted
}> {
  override get message() {
    return this.reason.message
  }
}

const fail = (reason: ConnectionRegistryError["reason"]) => Effect.fail(new ConnectionRegistryError({ reason }))
