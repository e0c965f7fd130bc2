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
import type * as CloseCode from "../domain/CloseCode.ts"
import type * as Problem from "../domain/Problem.ts"
import * as Plain from "../protocol/Plain.ts"
import type * as Alarm from "../services/Alarm.ts"
import * as Calls from "../services/Calls.ts"
import * as Lifecycle from "../services/Lifecycle.ts"
import * as Outbox from "../services/Outbox.ts"
import * as Protocol from "../services/Protocol.ts"
import * as Room from "../services/Room.ts"
import type * as Sockets from "../services/Sockets.ts"
import * as MemoryRuntime from "./MemoryRuntime.ts"

/** What a room's layer, and an effect that is run in the room, may use. */
export type Services<Name extends string> =
  | Room.Services<Name>
  | Alarm.Alarm
  | MemoryRuntime.MemoryRuntime
  | Sockets.Sockets

/** A client of a room in memory. Its effects end when the room has handled what they cause. */
export interface Client<in Receive, out Send> {
  /** Says something. */
  readonly send: (message: Receive) => Effect.Effect<void, Schema.SchemaError>
  /** Sends a frame as it is, whether or not the room understands it. */
  readonly sendFrame: (frame: Protocol.Received) => Effect.Effect<void>
  /** Takes what has arrived since the last time. An error frame of the protocol is no message: see `receivedFrames`. */
  readonly received: Effect.Effect<ReadonlyArray<Send>, Schema.SchemaError>
  /** Takes the frames that have arrived since the last time. */
  readonly receivedFrames: Effect.Effect<ReadonlyArray<Protocol.Frame>>
  /** Closes; without a code the room sees 1005. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** The connection breaks off. */
  readonly drop: Effect.Effect<void>
  /** Breaks the WebSocket protocol. */
  readonly violate: (code: 1002 | 1007 | 1009) => Effect.Effect<void>
  /** Does not answer a close any more. */
  readonly mute: Effect.Effect<void>
  /** Reads nothing any more. */
  readonly stall: Effect.Effect<void>
  /** How the connection ended; `undefined` while it lives. */
  readonly closed: Effect.Effect<CloseCode.Close | undefined>
}

/** A room in memory. `App` is what its layer provides beside the room. */
export interface MemoryRoom<Name extends string, in Receive, out Send, App = never> {
  /** A client asks to be let in, with a URL that may be relative, and headers. */
  readonly connect: (
    url?: string,
    headers?: Readonly<Record<string, string>>
  ) => Effect.Effect<Client<Receive, Send>, Problem.Problem>
  /** The object sleeps and wakes: every service is built anew, the connections stay. */
  readonly evict: Effect.Effect<void>
  /** Runs an effect inside the room. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, App | Services<Name>>) => Effect.Effect<A, E>
  /** Answers a call of `MemoryRooms`. */
  readonly call: (method: string, payload: string) => Effect.Effect<string>
}

/**
 * Builds a room in memory. Its alarm follows the `Clock`, so `TestClock.adjust` makes it fire. Like a deployed room it
 * starts when its layer does not build: it then refuses connections with 503.
 */
export const make = Effect.fnUntraced(function*<
  Name extends string,
  Receive,
  Send,
  State,
  Methods extends Calls.Method,
  E,
  App
>(
  room: Room.Room<Name, Receive, Send, State, Methods>,
  live: Layer.Layer<App, E, Services<Name>>,
  options: Partial<Outbox.Options> & { readonly name?: string } = {}
): Effect.fn.Return<MemoryRoom<Name, Receive, Send, App>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const runtime = yield* Layer.buildWithScope(MemoryRuntime.MemoryRuntime.layer, scope)
  const memory = Context.get(runtime, MemoryRuntime.MemoryRuntime)
  const json = room.format === "json"
  const encode = Schema.encodeEffect(json ? Schema.fromJsonString(Schema.toCodecJson(room.receive)) : room.receive)
  const decode = Schema.decodeUnknownEffect(json ? Schema.fromJsonString(Schema.toCodecJson(room.send)) : room.send)

  const start = Effect.gen(function*() {
    const services = yield* Room.layer(room, options.name ?? "memory", options).pipe(
      Layer.provide(Plain.layer(room)),
      Layer.provideMerge(Layer.succeedContext(runtime)),
      Layer.fresh,
      (layer) => Layer.buildWithScope(layer, scope)
    )
    const started = yield* Room.start(Layer.fresh(live), services, scope).pipe(
      // SAFETY: what needs the app is run where the room has started.
      Effect.catchCause(() => Effect.succeed(services as Context.Context<App | Services<Name>>))
    )
    const { alarm, close, error, message } = Context.get(started, Lifecycle.Lifecycle)
    const inside = Effect.provideContext(started)
    yield* memory.listen({
      message: (socket, frame) => inside(message(socket, frame)),
      close: (socket, received) => inside(close(socket, received)),
      error: (socket, cause) => inside(error(socket, cause)),
      alarm: inside(alarm)
    })
    return started
  })

  let services = yield* start

  // What the outbox collects leaves with the next macrotask; whoever looks at a client's inbox need not wait for it.
  const flush = () => Context.get(services, Outbox.Outbox).flush()

  const clientOf = (client: MemoryRuntime.Client): Client<Receive, Send> => ({
    send: (message) =>
      // SAFETY: `Room.make` takes only schemas for `receive` that are encoded as the room's kind of frame.
      Effect.flatMap(encode(message), (frame) => client.send(frame as Protocol.Received)),
    sendFrame: client.send,
    received: Effect.suspend(() => {
      flush()
      const frames = client.inbox.splice(0)
      return Effect.forEach(
        json
          ? frames.flatMap<Protocol.Frame>((frame) => typeof frame === "string" ? Protocol.lines(frame) : [frame])
          : frames,
        (frame) => decode(frame)
      )
    }),
    receivedFrames: Effect.sync(() => {
      flush()
      return client.inbox.splice(0)
    }),
    close: client.close,
    drop: client.drop,
    violate: client.violate,
    mute: client.mute,
    stall: client.stall,
    closed: Effect.sync(client.closed)
  })

  return {
    connect: (url = "/", headers = {}) =>
      Effect.gen(function*() {
        const [client, server] = memory.connect()
        const all = new Map(Object.entries({ upgrade: "websocket", ...headers }))
        const request = {
          method: "GET",
          url: new URL(url, "https://room.invalid").href,
          headers: { get: (name: string) => all.get(name.toLowerCase()) ?? null }
        }
        yield* Effect.provideContext(Context.get(services, Lifecycle.Lifecycle).connect(request, server), services)
        yield* memory.settle
        return clientOf(client)
      }),
    evict: Effect.gen(function*() {
      flush()
      yield* memory.evict
      services = yield* start
    }),
    run: (effect) => Effect.suspend(() => Effect.provideContext(effect, services)).pipe(Effect.tap(memory.settle)),
    call: (method, payload) =>
      Effect.suspend(() => Context.get(services, Calls.Calls).call(method, payload)).pipe(
        Effect.provideContext(services),
        Effect.tap(memory.settle)
      )
  }
})
