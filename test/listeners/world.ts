/**
 * A server in plain Node as the world of a contract suite: real sockets over TCP, behind `ws`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import WebSocket from "ws"
import type * as Claims from "../../src/domain/Claims.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as NodeSocket from "../../src/listeners/NodeSocket.ts"
import type * as Room from "../../src/services/Room.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { Ask, Probe, ProbeLive, Told } from "../contract/Probe.ts"
import type { StoredWorld } from "../contract/StoredWorld.ts"
import type { Client, World } from "../contract/World.ts"

const encode = Schema.encodeSync(Schema.fromJsonString(Ask))
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Told))

/** A server of the probe's rooms. */
export interface Server {
  readonly port: number
  readonly rooms: NodeRooms.Service<typeof Probe>
}

/** Listens on a free port until the scope closes. A request's path is the room's name. */
export const serve = Effect.fnUntraced(function*<E>(
  live: Layer.Layer<never, E, RoomRuntime.Services<typeof Probe>> = ProbeLive,
  options?: NodeRooms.Options
): Effect.fn.Return<Server, never, Scope.Scope> {
  // Node takes headers of 16 KiB unless told otherwise, and workerd more.
  const server = http.createServer({ maxHeaderSize: 65_536 })
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => {
      server.close()
      return once(server, "close")
    })
  )
  const rooms = yield* NodeRooms.make(Probe, live, options)
  server.on("upgrade", (request, socket, head) => {
    const { pathname } = new URL(request.url ?? "", "http://localhost")
    rooms.upgrade(pathname.slice(1), request, socket, head)
  })
  server.listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(server, "listening"))
  // SAFETY: it listens on TCP.
  const { port } = server.address() as AddressInfo
  return { port, rooms }
})

/** A client of a room. */
export const connect = Effect.fnUntraced(function*(
  { port }: Server,
  room: string,
  query = "",
  options: WebSocket.ClientOptions & { readonly protocols?: Array<string> } = {}
): Effect.fn.Return<Client & { readonly socket: WebSocket }, Problem.Problem, Scope.Scope> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${room}${query}`, options.protocols, options)
  const frames = yield* Queue.unbounded<unknown>()
  const closes = yield* Queue.unbounded<{ readonly code: number; readonly reason: string }>()
  socket.on("message", (data, isBinary) => {
    for (const frame of isBinary ? [data] : String(data).split("\n")) Queue.offerUnsafe(frames, frame)
  })
  socket.on("close", (code, reason) => Queue.offerUnsafe(closes, { code, reason: String(reason) }))
  socket.on("error", () => undefined)
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
  const refusal = yield* Effect.promise(async () => {
    const opened = once(socket, "open").then(() => undefined)
    const refused = once(socket, "unexpected-response").then(([, response]) => response as http.IncomingMessage)
    return Promise.race([opened, refused])
  })
  if (refusal !== undefined) {
    const body: string = yield* Effect.promise(async () => {
      let text = ""
      for await (const chunk of refusal.setEncoding("utf8")) text += chunk
      return text
    })
    const { detail, status } = JSON.parse(body)
    return yield* Problem.make(status, detail)
  }
  return {
    socket,
    send: (message) => Effect.sync(() => socket.send(encode(message))),
    sendFrame: (frame) => Effect.sync(() => socket.send(frame)),
    close: (code, reason) => Effect.sync(() => socket.close(code, reason)),
    take: (count) =>
      Effect.map(Effect.replicateEffect(Queue.take(frames), count), (taken) => taken.map((frame) => decode(frame))),
    takeFrame: Queue.take(frames),
    // What is under way has arrived by then.
    rest: Effect.andThen(Effect.promise(() => new Promise((done) => setTimeout(done, 20))), Queue.clear(frames)),
    closed: Queue.take(closes)
  }
})

/** A room in a process that ends and starts again, for the contracts of stored things. Nothing sleeps. */
export const stored = Effect.fnUntraced(function*<R extends Room.Any, E>(
  room: R,
  live: Layer.Layer<never, E, RoomRuntime.Services<R>>
): Effect.fn.Return<StoredWorld<R>, never, Scope.Scope> {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "dormouse-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const outer = yield* Effect.scope
  // What is claimed about the client that connects next.
  let next: Claims.Claims = {}
  const begin = Effect.gen(function*() {
    const scope = yield* Scope.fork(outer)
    const server = http.createServer()
    yield* Scope.addFinalizer(scope, Effect.sync(() => server.close()))
    const rooms = yield* Scope.provide(NodeRooms.make(room, live, { directory }), scope)
    server.on("upgrade", (request, socket, head) => rooms.upgrade("room", request, socket, head, next))
    server.listen(0, "127.0.0.1")
    yield* Effect.promise(() => once(server, "listening"))
    // SAFETY: it listens on TCP.
    const { port } = server.address() as AddressInfo
    return { rooms, port, end: Scope.close(scope, Exit.void) }
  })
  let process = yield* begin
  const pause = Effect.promise(() => new Promise((resume) => setTimeout(resume, 20)))
  return {
    run: (effect) => Effect.suspend(() => process.rooms.run("room", effect)),
    connect: Effect.fnUntraced(function*(query = "", claims = {}) {
      next = claims
      const socket = new WebSocket(`ws://127.0.0.1:${process.port}/${query}`)
      const texts: Array<string> = []
      socket.on("message", (data) => texts.push(String(data)))
      let closed: { readonly code: number; readonly reason: string } | undefined
      socket.on("close", (code, reason) => {
        closed = { code, reason: String(reason) }
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
      const refused = once(socket, "unexpected-response").then(([, { statusCode }]) => Number(statusCode))
      const status = yield* Effect.promise(() => Promise.race([once(socket, "open").then(() => 101), refused]))
      if (status !== 101) return yield* Problem.make(status, "The room has refused.")
      return {
        send: (text) => Effect.andThen(Effect.sync(() => socket.send(JSON.stringify(text))), pause),
        sendFrame: (frame) => Effect.andThen(Effect.sync(() => socket.send(frame)), pause),
        received: Effect.andThen(pause, Effect.sync(() => texts.splice(0))),
        close: Effect.andThen(Effect.sync(() => socket.close(1000)), pause),
        drop: Effect.andThen(Effect.sync(() => socket.terminate()), pause),
        closed: Effect.andThen(pause, Effect.sync(() => closed))
      }
    }),
    call: (method, payload = "") =>
      Effect.orDie(Effect.suspend(() => process.rooms.open("room").call(method, payload))),
    elapse: (millis) => Effect.andThen(TestClock.adjust(millis), pause),
    evict: Effect.void,
    crash: Effect.gen(function*() {
      yield* process.end
      process = yield* begin
    })
  }
})

/** The world of one room. */
export const make: Effect.Effect<World, never, Scope.Scope> = Effect.map(serve(), (server) => ({
  connect: (query) => connect(server, "room", query),
  run: (effect) => server.rooms.run("room", effect),
  socket: Effect.sync(() => new NodeSocket.NodeSocket()),
  evict: Effect.die(new Error("Nothing sleeps here"))
}))
