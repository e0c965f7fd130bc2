/**
 * Rooms by name in plain Node, behind the package `ws`.
 *
 * The same room, with the same layer and the same handlers as in a Durable Object, but in the memory of one process:
 * nothing hibernates, and all rooms end with the process. A room starts with its first client, and is forgotten ten
 * seconds after the last has left, unless its alarm is set.
 *
 * **Example** (every room of a server)
 *
 * ```ts
 * const rooms = yield* NodeRooms.make(Chat, ChatLive)
 * server.on("upgrade", (request, socket, head) => rooms.upgrade("lobby", request, socket, head))
 * ```
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Layer from "effect/Layer"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import * as Claims from "../domain/Claims.ts"
import * as Problem from "../domain/Problem.ts"
import type * as Handlers from "../services/Handlers.ts"
import type * as Lifecycle from "../services/Lifecycle.ts"
import type * as Room from "../services/Room.ts"
import type * as RoomRuntime from "../services/RoomRuntime.ts"
import * as Rooms from "../services/Rooms.ts"
import * as ListenerRoom from "./ListenerRoom.ts"
import * as NodeProblem from "./NodeProblem.ts"
import * as NodeSocket from "./NodeSocket.ts"

/** Rooms by name. `App` is what their layer provides beside the room, for each room of its own. */
export interface NodeRooms<R extends Room.Any, App = never> {
  /** The rooms as the rest of an app calls them; they start with the first call. */
  readonly rooms: Rooms.Service<R>
  /**
   * Hands a request for a WebSocket to the room of a name: what `http.Server` emits with `upgrade`. A client that is
   * refused is answered with the problem, as `application/problem+json`. Which names there are is for the caller to
   * decide, and so is what the room may believe about the client: what the request itself claims is dropped.
   */
  readonly upgrade: (
    name: string,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    claims?: Claims.Claims
  ) => void
  /** Runs an effect inside the room of a name, which starts where it is not there. */
  readonly run: <A, E>(
    name: string,
    effect: Effect.Effect<A, E, App | RoomRuntime.Services<R>>
  ) => Effect.Effect<A, E>
}

/**
 * Makes the rooms of a definition; none has started yet. The options bound what leaves at once, and what may wait for a
 * client that does not read. As in workerd a message has at most 32 MiB.
 *
 * When the scope closes, newcomers are refused with 503 and everybody is closed with 1001; who has not hung up five
 * seconds after that is cut off.
 */
export const make = Effect.fnUntraced(function*<R extends Room.Any, App, E>(
  room: R,
  live: Layer.Layer<App, E, RoomRuntime.Services<R>>,
  options?: RoomRuntime.Options
): Effect.fn.Return<NodeRooms<R, App>, never, Scope.Scope> {
  const subprotocols = new WeakMap<IncomingMessage, string>()
  const handshakes = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: 33_554_432,
    WebSocket: NodeSocket.Peer,
    handleProtocols: (_, request) => subprotocols.get(request) ?? false
  })

  // Closes last: a connection ends after its room has said goodbye.
  const run = yield* FiberSet.makeRuntime()
  const rooms: RcMap.RcMap<string, ListenerRoom.ListenerRoom<R, App>> = yield* RcMap.make({
    lookup: (name: string) =>
      ListenerRoom.make(room, live, { ...options, name, whileAlarm: Effect.suspend(() => RcMap.get(rooms, name)) }),
    idleTimeToLive: "10 seconds"
  })
  let isOpen = true
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isOpen = false
    })
  )

  // Completes the handshake; `undefined` where the client has gone meanwhile.
  const complete = (request: IncomingMessage, socket: Duplex, head: Buffer, { subprotocol }: Lifecycle.Handshake) => {
    if (subprotocol !== undefined) subprotocols.set(request, subprotocol)
    let peer: NodeSocket.Peer | undefined
    handshakes.handleUpgrade(request, socket, head, (made) => {
      peer = made
    })
    return peer
  }

  const enter = Effect.fnUntraced(function*(
    name: string,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    claims: Claims.Claims
  ) {
    const problem = flaw(request)
    if (problem !== undefined) return yield* problem
    const room = yield* RcMap.get(rooms, name)
    const connection = new NodeSocket.NodeSocket()
    const handshake = yield* room.connect(toConnectRequest(request, claims), connection)
    const peer = complete(request, socket, head, handshake)
    connection.attach(peer)
    return peer
  })

  const open = (name: string): Rooms.Link => ({
    call: (method, payload) =>
      Effect.scoped(Effect.flatMap(RcMap.get(rooms, name), (room) => room.call(method, payload))),
    fetch: () => Effect.succeed(Problem.toResponse(Problem.make(501, "TODO")))
  })

  return {
    rooms: Rooms.make(room, open),
    upgrade: (name, request, socket, head, claims = Claims.none) => {
      const refuse = (problem: Problem.Problem) => Effect.sync(() => NodeProblem.refuse(request, socket, problem))
      // Until `ws` listens nobody does, and an error that nobody hears ends the process.
      socket.on("error", () => {})
      if (!isOpen) return NodeProblem.refuse(request, socket, goingDown)
      run(
        enter(name, request, socket, head, claims).pipe(
          Effect.onInterrupt(() => refuse(goingDown)),
          // Holds the room until the connection has ended.
          Effect.flatMap((peer) => peer === undefined ? Effect.void : ended(peer)),
          Effect.catchTag("Problem", refuse),
          Effect.catchDefect((defect) =>
            Effect.andThen(Effect.logError("The room did not answer", defect), Effect.sync(() => socket.destroy()))
          ),
          Effect.scoped
        )
      )
    },
    run: (name, effect) => Effect.scoped(Effect.flatMap(RcMap.get(rooms, name), (room) => room.run(effect)))
  }
})

const CLOSED = 3

// Waits until the connection has ended. At the end of the server its time is bounded.
const ended = (peer: NodeSocket.Peer): Effect.Effect<void> => {
  const end = Effect.callback<void>((resume) => {
    if (peer.readyState === CLOSED) return resume(Effect.void)
    peer.once("close", () => resume(Effect.void))
  })
  return Effect.onInterrupt(end, () =>
    end.pipe(
      Effect.interruptible,
      Effect.timeoutOption("5 seconds"),
      Effect.andThen(Effect.sync(() => peer.terminate()))
    ))
}

// What `ws` would find wrong is found before the room hears of it: nobody is announced who cannot enter.
const flaw = ({ headers, method, url }: IncomingMessage): Problem.Problem | undefined => {
  if (method !== "GET") return Problem.make(405, "A WebSocket is asked for with GET.", { allow: "GET" })
  if (!url?.startsWith("/")) return badRequest("The request's target is no path.")
  // The room itself answers who asks for something else.
  if (headers.upgrade?.toLowerCase() !== "websocket") return undefined
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

const toConnectRequest = (
  { headers, method = "", socket, url: path = "" }: IncomingMessage,
  claims: Claims.Claims
): Handlers.ConnectRequest => {
  const url = new URL(`http://localhost${path}`)
  // Where the header is no host, this changes nothing.
  if (headers.host !== undefined) url.host = headers.host
  if ("encrypted" in socket) url.protocol = "https:"
  return {
    method,
    url: url.href,
    headers: {
      get: (given) => {
        const value = headers[given.toLowerCase()]
        return Array.isArray(value) ? value.join(", ") : value ?? null
      }
    },
    claims
  }
}

const badRequest = (detail: string) => Problem.make(400, detail)

const goingDown = Problem.make(503, "The server goes down.", { "retry-after": "5" })
