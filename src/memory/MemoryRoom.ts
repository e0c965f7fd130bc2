/**
 * A room without any runtime, for unit tests: the counterpart of `RoomObject`.
 *
 * **Example** (who leaves is announced, also when the object slept)
 *
 * ```ts
 * const room = yield* MemoryRoom.make(Chat, ChatLive)
 * const ada = yield* room.connect("/?name=Ada")
 * const bob = yield* room.connect("/?name=Bob")
 * yield* room.evict
 * yield* bob.close(4000, "bye")
 * const [, , left] = yield* ada.received // Welcome, Joined, Left
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Claims from "../domain/Claims.ts"
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as Problem from "../domain/Problem.ts"
import type * as Doors from "../doors/Doors.ts"
import * as Awake from "../services/Awake.ts"
import * as Entries from "../services/Entries.ts"
import * as Protocol from "../services/Protocol.ts"
import type * as Room from "../services/Room.ts"
import * as RoomRuntime from "../services/RoomRuntime.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import * as MemoryRuntime from "./MemoryRuntime.ts"

/** What a room's layer, and an effect that is run in the room, may use. */
export type Services<R extends Room.Any> = RoomRuntime.Services<R> | Entries.Entries | MemoryRuntime.MemoryRuntime

/** A client of a room in memory. Its effects end when the room has handled what they cause. */
export interface Client<in Receive, out Send> {
  /** Says something. */
  readonly send: (message: Receive) => Effect.Effect<void, Schema.SchemaError>
  /** Sends a frame as it is, whether or not the room understands it. */
  readonly sendFrame: (frame: Protocol.Received) => Effect.Effect<void>
  /**
   * Takes the messages that have arrived since the last time. Fails on an `Error` frame: take that by `receivedFrames`.
   */
  readonly received: Effect.Effect<ReadonlyArray<Send>, Schema.SchemaError>
  /** Takes the frames that have arrived since the last time. */
  readonly receivedFrames: Effect.Effect<ReadonlyArray<Protocol.Frame>>
  /** Closes; without a code the room sees 1005. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** The connection breaks off. */
  readonly drop: Effect.Effect<void>
  /** Breaks the WebSocket protocol. */
  readonly violate: (code: 1002 | 1007 | 1009) => Effect.Effect<void>
  /** Stops answering a close. */
  readonly mute: Effect.Effect<void>
  /** Stops reading. */
  readonly stall: Effect.Effect<void>
  /** How the connection ended; `undefined` while it lives. */
  readonly closed: Effect.Effect<CloseCode.Close | undefined>
}

/** How a client asks to be let in. */
export interface ConnectOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** What the app says about the client; nothing, unless given. */
  readonly claims?: Claims.Claims | undefined
}

/** How a room in memory runs. */
export interface Options extends RoomRuntime.Options {
  /** The room's own name; `memory`, unless given. */
  readonly name?: string
  /** Who comes over the network has to pass these, as at a Worker; everybody may enter, unless given. */
  readonly doors?: Doors.Doors["Service"]
}

/** A room in memory. `App` is what its layer provides beside the room. */
export interface MemoryRoom<R extends Room.Any, App = never> {
  /** A client asks to be let in, with a URL that may be relative. */
  readonly connect: (
    url?: string,
    options?: ConnectOptions
  ) => Effect.Effect<Client<Room.Receive<R>, Room.Send<R>>, Problem.Problem>
  /** The room's network, for clients that open standard WebSockets. */
  readonly network: MemoryNetwork.Network
  /** The object sleeps and wakes: every service is built again, and the connections stay. */
  readonly evict: Effect.Effect<void>
  /**
   * The object crashes, as it does with a deploy, and starts again: every connection breaks off without a word, and the
   * storage and the alarm stay. What still runs of the object reaches nobody, stores nothing and sets no alarm.
   */
  readonly crash: Effect.Effect<void>
  /** Runs an effect inside the room. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App | Services<R>>) => Effect.Effect<A, E>
  /**
   * What would keep the object awake now: timers, and handlers that have not ended, the oldest first. It is about the
   * object since it last woke. What is under way gets some macrotasks to go on first.
   */
  readonly awake: Effect.Effect<ReadonlyArray<Awake.Awake>>
  /**
   * Fails if something would keep the object awake, with a message that names each timer and each handler. Unlike
   * `evict` it changes nothing.
   */
  readonly assertSleeps: Effect.Effect<void, Awake.StaysAwake>
  /** Answers a call of `MemoryRooms`. */
  readonly call: (method: string, payload: string, trace?: string) => Effect.Effect<string>
}

/**
 * Builds a room in memory. Its alarm follows the `Clock`, so `TestClock.adjust` makes it fire. If its layer fails to
 * build, it refuses connections with 503, and the next event tries again, as a deployed room does.
 */
export const make = Effect.fnUntraced(function*<R extends Room.Any, App, E>(
  room: R,
  live: Layer.Layer<App, E, Services<R>>,
  { doors, name = "memory", ...options }: Options = {}
): Effect.fn.Return<MemoryRoom<R, App>, never, Scope.Scope> {
  type Receive = Room.Receive<R>
  type Send = Room.Send<R>

  const scope = yield* Effect.scope
  const surroundings = Entries.around(yield* Effect.context<never>())
  const ports = yield* Layer.buildWithScope(MemoryRuntime.MemoryRuntime.layer, scope)
  const memory = Context.get(ports, MemoryRuntime.MemoryRuntime)
  const wire = clientSide(room)

  // Each life of the object has its own scope, which is never closed: an object that sleeps runs no finalizers.
  const start = Effect.suspend(() => {
    const watcher = Awake.make(room)
    const runtime = RoomRuntime.make<R, App, E, Entries.Entries | MemoryRuntime.MemoryRuntime>(
      room,
      watcher.around(live),
      {
        given: Context.merge(surroundings, Context.merge(ports, memory.life())),
        name,
        options,
        scope: Scope.forkUnsafe(scope)
      }
    )
    const { inside } = runtime
    return Effect.as(
      memory.listen({
        message: (socket, frame) => inside(runtime.message(socket, frame)),
        close: (socket, received) => inside(runtime.close(socket, received)),
        error: (socket, cause) => inside(runtime.error(socket, cause)),
        alarm: (repetition) => inside(runtime.alarm(repetition))
      }),
      { ...runtime, watcher }
    )
  })

  let life = yield* start

  // A fiber that was forked sets its timer in a later macrotask.
  const awake = Effect.andThen(Effect.replicateEffect(macrotask, 3), Effect.suspend(() => life.watcher.awake))

  // The outbox sends what it collected with the next macrotask. A look at a client's inbox does not wait for that.
  const take = ({ inbox }: MemoryRuntime.Client) => {
    life.flush()
    return inbox.splice(0)
  }

  const clientOf = (client: MemoryRuntime.Client): Client<Receive, Send> => ({
    send: (message) => Effect.flatMap(wire.encode(message), client.send),
    sendFrame: client.send,
    received: Effect.suspend(() => wire.decode(take(client))),
    receivedFrames: Effect.sync(() => take(client)),
    close: client.close,
    drop: client.drop,
    violate: client.violate,
    mute: client.mute,
    stall: client.stall,
    closed: Effect.sync(client.closed)
  })

  const enter = Effect.fnUntraced(function*(url: string, { claims = Claims.none, headers = {} }: ConnectOptions) {
    const [client, server] = memory.connect()
    const all = new Map(Object.entries({ upgrade: "websocket", ...headers }))
    const request = {
      method: "GET",
      url: new URL(url, "https://room.invalid").href,
      headers: { get: (name: string) => all.get(name.toLowerCase()) ?? null },
      claims
    }
    const handshake = yield* life.inside(life.connect(request, server))
    yield* memory.settle
    return { client, ...handshake }
  })

  const arrive = Effect.fnUntraced(function*(url: string, headers: Readonly<Record<string, string>>) {
    if (doors === undefined) return yield* enter(url, { headers })
    const request = new Request(url.replace(/^ws/, "http"), { headers: { upgrade: "websocket", ...headers } })
    const claims = yield* doors.enter(request, name)
    const stripped = doors.strip(request)
    return yield* enter(stripped.url, { claims, headers: Object.fromEntries(stripped.headers) })
  })

  return {
    connect: (url = "/", options = {}) => Effect.map(enter(url, options), ({ client }) => clientOf(client)),
    network: MemoryNetwork.make(arrive, yield* Effect.context<never>()),
    evict: Effect.gen(function*() {
      // An object sleeps when nothing is under way.
      yield* macrotask
      life.flush()
      yield* life.inside(life.end)
      yield* memory.evict
      life = yield* start
      yield* memory.settle
    }),
    crash: Effect.gen(function*() {
      yield* memory.crash
      life = yield* start
      yield* memory.settle
    }),
    run: (effect) => Effect.suspend(() => life.run(life.watcher.during("run", effect))).pipe(Effect.tap(memory.settle)),
    awake,
    assertSleeps: Effect.flatMap(
      awake,
      (culprits) => culprits.length === 0 ? Effect.void : Effect.fail(new Awake.StaysAwake({ awake: culprits }))
    ),
    call: (method, payload, trace) =>
      Effect.suspend(() => life.inside(life.call(method, payload, trace))).pipe(Effect.tap(memory.settle))
  }
})

const macrotask = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

// The protocol as a client speaks it.
const clientSide = (room: Room.Any) => {
  const json = room.format === "json"
  const { bytes } = room
  const codec = (schema: Schema.Codec<any, unknown>) =>
    json ? Schema.fromJsonString(Schema.toCodecJson(schema)) : schema
  const isBytes = bytes && Schema.is(bytes.receive)
  const encodeText = Schema.encodeEffect(codec(room.receive))
  const encodeBytes = bytes && Schema.encodeEffect(bytes.receive)
  const decodeText = Schema.decodeUnknownEffect(codec(room.send))
  const decodeBytes = bytes && Schema.decodeUnknownEffect(bytes.send)
  const toMessages = (frame: Protocol.Frame): ReadonlyArray<Protocol.Frame> =>
    json && typeof frame === "string" ? Protocol.lines(frame, Infinity)! : [frame]
  return {
    encode: (message: unknown) =>
      // SAFETY: `Room.make` takes only schemas for `receive` that are encoded as the room's kind of frame.
      (isBytes?.(message) ? encodeBytes!(message) : encodeText(message)) as Effect.Effect<
        Protocol.Received,
        Schema.SchemaError
      >,
    decode: (frames: ReadonlyArray<Protocol.Frame>) =>
      Effect.forEach(
        frames.flatMap(toMessages),
        (frame) => json && typeof frame !== "string" && decodeBytes ? decodeBytes(frame) : decodeText(frame)
      )
  }
}
