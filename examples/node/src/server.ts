/**
 * The chat in plain Node, behind the package `ws`: the room of `src/Chat.ts` and its API, without workerd and without
 * hibernation.
 *
 *     node examples/node/src/server.ts --port 8787
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import { once } from "node:events"
import * as http from "node:http"
import { type AddressInfo, Socket } from "node:net"
import { parseArgs } from "node:util"
import { Chat } from "../../../src/Chat.ts"
import { ChatLive } from "../../../src/ChatLive.ts"
import * as Problem from "../../../src/domain/Problem.ts"
import * as RoomName from "../../../src/domain/RoomName.ts"
import * as ApiToken from "../../../src/http/ApiToken.ts"
import * as RoomsApiRoutes from "../../../src/http/RoomsApiRoutes.ts"
import * as NodeProblem from "../../../src/listeners/NodeProblem.ts"
import * as NodeRooms from "../../../src/listeners/NodeRooms.ts"
import * as NodeServer from "../../../src/listeners/NodeServer.ts"
import * as LogLine from "../../../src/services/LogLine.ts"
import * as Rooms from "../../../src/services/Rooms.ts"
import * as RoomsError from "../../../src/services/RoomsError.ts"

const help = `A chat in plain Node.

Usage: node examples/node/src/server.ts [--host HOST] [--port PORT]

  --host HOST  the address to listen on (127.0.0.1)
  --port PORT  the port to listen on; 0 takes one that is free (8787)
  --help       this text

GET /rooms/:room?name=Ada  a WebSocket into the room
GET /parties/main/:room    the same room, for PartySocket
GET /health                {"status":"ok"}

Where the variable API_TOKEN is set, who sends it as a bearer token may publish, list and disconnect. It may be JSON,
[{"token":"…","scopes":["publish"]}], where not every token may do everything:

POST   /api/rooms/:room/publications  {"message":{"_tag":"Said",…}}
GET    /api/rooms/:room/connections
DELETE /api/rooms/:room/connections/:connection

Ctrl-C ends it; whoever is there is closed with 1001.
`

// What answers a request, and an upgrade.
const makeHandler = Effect.gen(function*() {
  const { rooms } = yield* NodeRooms.make(Chat, ChatLive)
  const tokens = yield* ApiToken.configured
  const api = tokens.length === 0 ? undefined : yield* Effect.provideService(
    RoomsApiRoutes.make(Chat, { authorize: ApiToken.authorize(tokens) }),
    Rooms.key(Chat),
    rooms
  )
  return (request: Request): Effect.Effect<Response, Problem.Problem> => {
    const { pathname } = new URL(request.url)
    if (api !== undefined && pathname.startsWith("/api/")) return api(request)
    const room = /^\/(?:rooms|parties\/main)\/([^/]*)$/.exec(pathname)?.[1]
    if (room === undefined && pathname !== "/health") return Effect.fail(notFound)
    if (request.method !== "GET" && request.method !== "HEAD") return Effect.fail(notAllowed)
    if (room === undefined) {
      return Effect.succeed(Response.json({ status: "ok" }, { headers: { "x-content-type-options": "nosniff" } }))
    }
    return Effect.catch(
      rooms.get(RoomName.fromPathSegment(room) ?? "").fetch(request),
      RoomsError.toLoggedProblem
    )
  }
})

const notFound = Problem.make(404, "There is nothing here.")

const notAllowed = Problem.make(405, "This takes GET only.", { allow: "GET, HEAD" })

const notHttp = Problem.make(400, "This is no request, or one whose headers are too long.")

const listen = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const server = http.createServer({
          // workerd takes longer headers than Node does unless it is told.
          maxHeaderSize: 65_536,
          shouldUpgradeCallback: NodeServer.isWebSocket
        })
        server.listen(port, host)
        await once(server, "listening")
        return server
      },
      catch: (cause) => new NotListening({ host, port, cause })
    }),
    (server) =>
      Effect.promise(() => {
        server.close()
        server.closeAllConnections()
        return once(server, "close")
      })
  )

/** The address is taken, or this machine does not have it. */
class NotListening extends Data.TaggedError("NotListening")<{
  readonly host: string
  readonly port: number
  readonly cause: unknown
}> {
  override get message() {
    return `The server cannot listen on ${this.host}:${this.port}`
  }
}

const serve = Effect.fnUntraced(function*(host: string, port: number) {
  const server = yield* listen(host, port)
  const handle = yield* makeHandler
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  yield* NodeServer.attach(
    server,
    (request) => runPromise(Effect.catch(handle(request), (problem) => Effect.succeed(Problem.toResponse(problem))))
  )
  server.on("clientError", (_, socket) => {
    if (socket instanceof Socket && socket.writable) {
      NodeProblem.refuse(new http.IncomingMessage(socket), socket, notHttp)
    } else {
      socket.destroy()
    }
  })
  // SAFETY: it listens on TCP.
  const { port: taken } = server.address() as AddressInfo
  console.log(`A chat on http://${host}:${taken} (rooms at /rooms/:room). Ctrl-C ends it.`)
  return yield* Effect.never
}, Effect.scoped)

const main = (): void => {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "8787" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) return console.log(help)
  const port = Number(values.port)
  if (!/^\d+$/.test(values.port) || port > 65_535) throw new Error(`"${values.port}" is not a port.`)
  const fiber = Effect.runFork(serve(values.host, port).pipe(Effect.provide(Logger.layer([LogLine.console]))))
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => fiber.interruptUnsafe())
  fiber.addObserver((exit) => {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) fail(Cause.squash(exit.cause))
  })
}

const fail = (cause: unknown): void => {
  const { cause: deeper, message } = cause instanceof Error ? cause : new Error(String(cause))
  console.error(deeper instanceof Error ? `${message} (${deeper.message})` : message)
  process.exitCode = 1
}

try {
  main()
} catch (cause) {
  fail(cause)
}
