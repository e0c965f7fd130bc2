/**
 * The chat in plain Node, behind the package `ws`: the room of `src/Chat.ts`, without workerd and without hibernation.
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
import { Chat, ChatLive } from "../../../src/Chat.ts"
import * as Problem from "../../../src/domain/Problem.ts"
import * as RoomName from "../../../src/domain/RoomName.ts"
import * as NodeProblem from "../../../src/listeners/NodeProblem.ts"
import * as NodeRooms from "../../../src/listeners/NodeRooms.ts"

const help = `A chat in plain Node.

Usage: node examples/node/src/server.ts [--host HOST] [--port PORT]

  --host HOST  the address to listen on (127.0.0.1)
  --port PORT  the port to listen on; 0 takes one that is free (8787)
  --help       this text

GET /rooms/:room?name=Ada  a WebSocket into the room
GET /parties/main/:room    the same room, for PartySocket
GET /health                {"status":"ok"}

Ctrl-C ends it; whoever is there is closed with 1001.
`

const segment = ({ url = "" }: http.IncomingMessage): string | undefined =>
  /^\/(?:rooms|parties\/main)\/([^/?]*)(?:\?|$)/.exec(url)?.[1]

const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
  const room = segment(request)
  const isHealth = /^\/health(?:\?|$)/.test(request.url ?? "")
  if (room === undefined && !isHealth) return NodeProblem.send(response, notFound)
  if (request.method !== "GET" && request.method !== "HEAD") return NodeProblem.send(response, notAllowed)
  if (isHealth) {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ status: "ok" }))
  } else {
    NodeProblem.send(response, RoomName.fromPathSegment(room ?? "") === undefined ? noName : upgradeRequired)
  }
}

const notFound = Problem.make(404, "There is nothing here.")

const notAllowed = Problem.make(405, "This takes GET only.", { allow: "GET, HEAD" })

const noName = Problem.make(
  400,
  "A room's name is 1 to 128 of the characters A–Z, a–z, 0–9, `.`, `_`, `~` and `-`."
)

const upgradeRequired = Problem.make(426, "This is a WebSocket: ask for it with `Upgrade: websocket`.", {
  upgrade: "websocket",
  connection: "Upgrade"
})

const notHttp = Problem.make(400, "This is no request, or one whose headers are too long.")

const listen = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const server = http.createServer({
          // workerd takes longer headers than Node does unless it is told.
          maxHeaderSize: 65_536,
          // Whoever asks for any other upgrade is answered like one who asks for none.
          shouldUpgradeCallback: (request) =>
            segment(request) !== undefined && request.headers.upgrade?.toLowerCase() === "websocket"
        }, answer)
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

/** The address is taken, or is none of this machine. */
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
  const rooms = yield* NodeRooms.make(Chat, ChatLive)
  server.on("upgrade", (request, socket, head) => {
    const name = RoomName.fromPathSegment(segment(request) ?? "")
    if (name === undefined) NodeProblem.refuse(request, socket, noName)
    else rooms.upgrade(name, request, socket, head)
  })
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
  if (!/^\d+$/.test(values.port) || port > 65_535) throw new Error(`"${values.port}" is no port.`)
  const fiber = Effect.runFork(serve(values.host, port).pipe(Effect.provide(Logger.layer([Logger.consoleJson]))))
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
