/**
 * Rooms by name in plain Node, behind the package `ws`.
 *
 * A room has the same layer and handlers as in a Durable Object, but lives in the memory of one process. Nothing
 * hibernates, and all rooms end with the process. A room starts with its first client or call. It is forgotten thirty
 * seconds after the last one has gone, unless its alarm is set.
 *
 * `layer` gives the rooms to an app: `RoomRoutes`, `RoomsApiRoutes` and calls of rooms work as in a Worker, and
 * `NodeServer` lets the app answer. `make` is for a server without an app.
 *
 * **Example** (every room of a server)
 *
 * ```ts
 * const rooms = yield* NodeRooms.make(Chat, ChatLive)
 * server.on("upgrade", (request, socket, head) => rooms.upgrade("lobby", request, socket, head))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import * as Claims from "../domain/Claims.ts"
import * as Problem from "../domain/Problem.ts"
import * as SocketRules from "../memory/SocketRules.ts"
import * as Entries from "../services/Entries.ts"
import type * as Handlers from "../services/Handlers.ts"
import type * as Lifecycle from "../services/Lifecycle.ts"
import type * as Room from "../services/Room.ts"
import type * as RoomRuntime from "../services/RoomRuntime.ts"
import * as Rooms from "../services/Rooms.ts"
import * as RoomsError from "../services/RoomsError.ts"
import * as ListenerRoom from "./ListenerRoom.ts"
import * as NodeSocket from "./NodeSocket.ts"
import * as NodeStorage from "./NodeStorage.ts"
import * as NodeUpgrade from "./NodeUpgrade.ts"

/** Marks the rooms in Node of one definition among those of others. */
export interface NodeRooms<in out Name extends string> {
  readonly _nodeRooms: (name: Name) => Name
}

/** How rooms run. */
export interface Options extends RoomRuntime.Options {
  /**
   * A directory for what the rooms store. Each definition has a folder in it, and each of its rooms a file there. It is
   * made if it is not there, and one process uses it at a time. Unless given, what they store is lost with the process.
   */
  readonly directory?: string | undefined
}

/** Rooms by name. `App` is what their layer provides beside the room, built for each room. */
export interface Service<R extends Room.Any, App = never> {
  /** The rooms as the rest of an app calls them. A call starts its room, and holds it until the call ends. */
  readonly rooms: Rooms.Service<R>
  /** The way to the room of a name, for a transport of your own. */
  readonly open: (name: string) => Rooms.Link
  /**
   * Hands a request for a WebSocket to the room of a name: `http.Server` emits it with `upgrade`. If the client is
   * refused, the problem is its answer, as `application/problem+json`. The caller decides which names there are, and
   * what the room may believe about the client. Nothing in the request itself is a claim.
   */
  readonly upgrade: (
    name: string,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    claims?: Claims.Claims
  ) => void
  /** Runs an effect inside the room of a name, and starts the room if it is not there. */
  readonly run: <A, E>(
    name: string,
    effect: Effect.Effect<A, E, App | RoomRuntime.Services<R>>
  ) => Effect.Effect<A, E>
}

/** The key of the rooms of a definition in Node. */
export const key = <R extends Room.Any>(room: R): Context.Service<NodeRooms<Room.Name<R>>, Service<R>> =>
  Context.Service<NodeRooms<Room.Name<R>>, Service<R>>(`effect-dormouse/listeners/NodeRooms/${room.key}`)

/**
 * The rooms of a definition, for an app. What their layer needs beside the room is built once, and shared by all rooms
 * and the app, like a database.
 *
 * **Example** (the rooms of the chat)
 *
 * ```ts
 * const RoomsLive = NodeRooms.layer(Chat, ChatLive)
 * ```
 */
export const layer = <R extends Room.Any, App, E, RIn>(
  room: R,
  live: Layer.Layer<App, E, RIn>,
  options?: Options
): Layer.Layer<
  Rooms.Rooms<Room.Name<R>> | NodeRooms<Room.Name<R>>,
  never,
  Exclude<RIn, Entries.Entries | RoomRuntime.Services<R>>
> =>
  Layer.effectContext(
    Effect.map(make(room, live, options), (service) =>
      Context.make(Rooms.key(room), service.rooms).pipe(Context.add(key(room), service)))
  )

/**
 * Makes the rooms of a definition; none has started yet. The options bound what leaves at once, and what may wait for a
 * client that does not read. As in workerd a message has at most 32 MiB. The rooms have a directory in the memory of
 * the process, unless `Entries` are provided: after a restart nobody is there.
 *
 * When the scope closes, newcomers are refused with 503, and everybody is closed with 1001. Connections that are still
 * open five seconds later are cut off.
 */
export const make = Effect.fnUntraced(function*<R extends Room.Any, App, E, RIn>(
  room: R,
  live: Layer.Layer<App, E, RIn>,
  { directory, ...options }: Options = {}
): Effect.fn.Return<Service<R, App>, never, Exclude<RIn, Entries.Entries | RoomRuntime.Services<R>> | Scope.Scope> {
  const surroundings = Entries.around(yield* Effect.context<Exclude<RIn, Entries.Entries | RoomRuntime.Services<R>>>())
  // SAFETY: what the layer needs beside the services of a room is what stands around here, and a room starts in that.
  const own = live as Layer.Layer<App, E, RoomRuntime.Services<R>>

  // Headers of a handshake's answer, beside those that `ws` writes.
  const answers = new WeakMap<IncomingMessage, Lifecycle.Handshake & { readonly headers: Headers }>()
  const handshakes = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: 33_554_432,
    WebSocket: NodeSocket.Peer,
    handleProtocols: (_, message) => answers.get(message)?.subprotocol ?? false
  })
  handshakes.on("headers", (lines, message) => {
    for (const [name, value] of answers.get(message)?.headers ?? []) {
      if (!ofTheHandshake.test(name)) lines.push(`${name}: ${value}`)
    }
  })

  // What a definition is called, after the name of the package and what it is.
  const storages = NodeStorage.make(room.key.split("/").slice(2).join("/"), directory)

  // Closes last: a connection ends after its room has said goodbye.
  const run = yield* FiberSet.makeRuntime()
  // A file that is locked, say, can be opened later. It is not tried at once: to wait for a lock holds up every room.
  const unopened = (name: string, defect: unknown) =>
    Effect.logError("The room could not be opened", Cause.die(defect)).pipe(
      Effect.annotateLogs({ room: name }),
      Effect.andThen(Effect.sync(() => run(Effect.delay(RcMap.invalidate(rooms, name), "1 second")))),
      Effect.andThen(Effect.fail(notOpened))
    )
  const rooms: RcMap.RcMap<string, ListenerRoom.ListenerRoom<R, App>, Problem.Problem> = yield* RcMap.make({
    // The services of the first caller do not matter: a room starts in the services that all rooms share.
    lookup: (name: string) =>
      Effect.updateContext(
        Effect.suspend(() => {
          const kept = storages.of(name)
          const whileAlarm = Effect.suspend(() => Effect.orDie(RcMap.get(rooms, name)))
          // Closed after the room has ended.
          return Effect.andThen(
            Effect.addFinalizer(() => Effect.sync(kept.release)),
            ListenerRoom.make(room, own, { ...options, ...kept, name, whileAlarm })
          )
        }).pipe(Effect.catchDefect((defect) => unopened(name, defect))),
        (context: Context.Context<Scope.Scope>) =>
          Context.add(surroundings, Scope.Scope, Context.get(context, Scope.Scope))
      ),
    // As long as the longest pause after a start that failed: with the room, the pause would be forgotten.
    idleTimeToLive: "30 seconds"
  })
  // Somebody may have started the room meanwhile: then its alarm may have rung, moved, or gone with the room.
  const isDue = (room: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      try {
        return (storages.alarmOf(room) ?? Infinity) <= now
      } catch {
        return true
      }
    })
  // A room whose alarm was set before the last end of the process starts when it is due.
  const restore = (file?: string): void => {
    for (const { at, room } of storages.alarms(unreadable, file)) {
      run(Clock.currentTimeMillis.pipe(
        Effect.flatMap((now) => Effect.sleep(Math.max(0, at - now))),
        Effect.andThen(isDue(room)),
        Effect.flatMap((due) => due ? Effect.retry(Effect.scoped(RcMap.get(rooms, room)), retries) : Effect.void),
        Effect.ignore
      ))
    }
  }
  const unreadable = (file: string, cause: unknown) =>
    void run(
      Effect.annotateLogs(Effect.logError("What a room has stored cannot be read", cause), { file }).pipe(
        Effect.andThen(Effect.delay(Effect.sync(() => restore(file)), "1 minute"))
      )
    )
  restore()
  const end = yield* Deferred.make<void>()
  yield* Effect.addFinalizer(() => Deferred.succeed(end, undefined))

  // Completes the handshake; `undefined` if the client has gone meanwhile.
  const complete = (
    { head, message, socket }: NodeUpgrade.NodeUpgrade,
    handshake: Lifecycle.Handshake,
    headers: Headers
  ) => {
    answers.set(message, { ...handshake, headers })
    let peer: NodeSocket.Peer | undefined
    handshakes.handleUpgrade(message, socket, head, (made) => {
      peer = made
    })
    return peer
  }

  // Waits for the end of the handler that was answered with 101.
  const settled = (
    upgrade: NodeUpgrade.NodeUpgrade,
    connection: NodeSocket.NodeSocket,
    handshake: Lifecycle.Handshake,
    respond: (response: Response) => void
  ): Effect.Effect<NodeSocket.Peer | undefined> => {
    const handled = Effect.callback<NodeSocket.Peer | undefined>((resume) => {
      upgrade.admit((headers) => {
        const peer = headers === undefined ? undefined : complete(upgrade, handshake, headers)
        connection.attach(peer)
        resume(Effect.succeed(peer))
      })
      respond(switchingProtocols(handshake))
    })
    return Effect.onInterrupt(handled, () =>
      Effect.sync(() => {
        upgrade.refuse(goingDown)
        connection.attach(undefined)
      }))
  }

  // Lets a client in and runs until it has gone. If the client is refused, fails with the problem.
  const enter = (
    name: string,
    request: Request,
    claims: Claims.Claims,
    respond: (response: Response) => void
  ): Effect.Effect<void, Problem.Problem, Scope.Scope> =>
    Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const upgrade = NodeUpgrade.of(request)
      const problem = flaw(request, upgrade)
      if (problem !== undefined) return yield* problem
      if (upgrade !== undefined) upgrade.isTaken = true
      const connection = new NodeSocket.NodeSocket()
      const handshake = yield* RcMap.get(rooms, name).pipe(
        Effect.flatMap((room) => room.connect(toConnectRequest(request, claims), connection)),
        restore,
        Effect.onError(() => Effect.sync(() => upgrade !== undefined && (upgrade.isTaken = false)))
      )
      if (upgrade === undefined) return connection.attach(undefined)
      const peer = yield* restore(settled(upgrade, connection, handshake, respond))
      if (peer !== undefined) yield* restore(ended(peer))
    }))

  const fetch = (name: string, request: Request, claims: Claims.Claims): Effect.Effect<Response> =>
    Effect.callback((resume) => {
      const respond = (response: Response) => resume(Effect.succeed(response))
      if (Deferred.isDoneUnsafe(end)) return respond(Problem.toResponse(goingDown))
      const fiber = run(
        enter(name, request, claims, respond).pipe(
          Effect.scoped,
          Effect.onError((cause) => Effect.map(toProblem(cause), (problem) => respond(Problem.toResponse(problem)))),
          Effect.exit
        )
      )
      return Effect.sync(() => fiber.interruptUnsafe())
    })

  const open = (name: string): Rooms.Link => ({
    call: (method, payload, trace) =>
      Effect.raceFirst(
        Effect.andThen(
          Deferred.await(end),
          Effect.fail(
            RoomsError.make(new RoomsError.Unreachable({ room: name, cause: goingDown }))
          )
        ),
        Effect.scoped(Effect.flatMap(RcMap.get(rooms, name), (room) => room.call(method, payload, trace))).pipe(
          Effect.mapError((cause) => RoomsError.make(new RoomsError.Unreachable({ room: name, cause })))
        )
      ),
    fetch: (request, claims) => fetch(name, request, claims)
  })

  const runPromise = Effect.runPromiseWith(surroundings)
  const report = (message: string, cause: unknown) => void run(Effect.logError(message, Cause.die(cause)))

  return {
    rooms: Rooms.makeListed(room, open, Context.get(surroundings, Entries.Entries)),
    open,
    upgrade: (name, message, socket, head, claims = Claims.none) =>
      NodeUpgrade.serve(message, socket, head, (request) => runPromise(fetch(name, request, claims)), report),
    run: (name, effect) =>
      Effect.scoped(Effect.flatMap(Effect.orDie(RcMap.get(rooms, name)), (room) => room.run(effect)))
  }
})

// Waits until the connection has ended. When the server ends, the wait is bounded.
const ended = (peer: NodeSocket.Peer): Effect.Effect<void> => {
  const end = Effect.callback<void>((resume) => {
    if (peer.readyState === SocketRules.CLOSED) return resume(Effect.void)
    peer.once("close", () => resume(Effect.void))
  })
  return Effect.onInterrupt(end, () =>
    end.pipe(
      Effect.interruptible,
      Effect.timeoutOption("5 seconds"),
      Effect.andThen(Effect.sync(() => peer.terminate()))
    ))
}

// A request that `ws` would refuse is refused before the room hears of it. So a room announces nobody who cannot enter.
const flaw = (
  request: Request,
  upgrade: NodeUpgrade.NodeUpgrade | undefined
): Problem.Problem | undefined => {
  // The room itself answers a request for something else.
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return undefined
  if (upgrade === undefined) return Problem.make(501, "No WebSocket comes with this request: `NodeServer` serves them.")
  if (upgrade.isTaken) return Problem.make(409, "A room has this WebSocket already.")
  const { headers } = upgrade.message
  if (headers["sec-websocket-version"] !== "13") {
    return Problem.make(426, "This speaks version 13 of the WebSocket protocol.", {
      "sec-websocket-version": "13",
      upgrade: "websocket",
      connection: "Upgrade"
    })
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    return badRequest("The header `Sec-WebSocket-Key` is no key.")
  }
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? []
  if (new Set(offered).size < offered.length || !offered.every((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))) {
    return badRequest("The header `Sec-WebSocket-Protocol` is no list of different names.")
  }
  return undefined
}

// Headers that `ws` writes itself, or that describe a body.
const ofTheHandshake = /^(?:connection|upgrade|sec-websocket-.*|content-.*|transfer-encoding)$/

const toConnectRequest = ({ headers, method, url }: Request, claims: Claims.Claims): Handlers.ConnectRequest => ({
  method,
  url,
  headers: { get: (name) => name.toLowerCase() === NodeUpgrade.header ? null : headers.get(name) },
  claims
})

// When a room goes, clients that wait to enter are interrupted.
const toProblem = (cause: Cause.Cause<Problem.Problem>): Effect.Effect<Problem.Problem> => {
  const refusal = Cause.findErrorOption(cause)
  if (refusal._tag === "Some") return Effect.succeed(refusal.value)
  if (Cause.hasInterruptsOnly(cause)) return Effect.succeed(goingDown)
  return Effect.as(Effect.logError("The room did not answer", cause), Problem.make(500, "The room did not answer."))
}

// `Response` refuses this status in a runtime without WebSockets.
const switchingProtocols = ({ subprotocol }: Lifecycle.Handshake): Response =>
  Object.defineProperty(
    new Response(null, { headers: subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol } }),
    "status",
    { value: 101 }
  )

const badRequest = (detail: string) => Problem.make(400, detail)

const notOpened = Problem.make(503, "What the room has stored cannot be read now.", { "retry-after": "2" })

// After 2, 4, 8 … seconds, and then once a minute.
const retries = Schedule.min([Schedule.exponential("2 seconds"), Schedule.spaced("1 minute")])

const goingDown = Problem.make(503, "The server goes down.", { "retry-after": "5" })
