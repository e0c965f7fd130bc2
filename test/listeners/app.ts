/**
 * An HTTP app in plain Node, as its clients see it: over TCP.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import WebSocket from "ws"
import * as NodeServer from "../../src/listeners/NodeServer.ts"

export interface App {
  readonly port: number
  /** What was logged, a JSON line each. */
  readonly logged: ReadonlyArray<string>
}

/** Listens on a free port until the scope closes, and answers by a handler. */
export const serve = Effect.fnUntraced(function*(
  handler: NodeServer.Handler,
  options: http.ServerOptions = {}
): Effect.fn.Return<App, never, Scope.Scope> {
  const logged: Array<string> = []
  const server = http.createServer(options)
  yield* NodeServer.attach(server, handler).pipe(
    Effect.provide(Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))]))
  )
  server.listen(0, "127.0.0.1")
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server, "listening")),
    () =>
      Effect.promise(() => {
        server.close()
        server.closeAllConnections()
        return once(server, "close")
      })
  )
  // SAFETY: it listens on TCP.
  const { port } = server.address() as AddressInfo
  return { port, logged }
})

/** The same for the routes of an app. */
export const serveRoutes = <E>(
  routes: Layer.Layer<never, E, HttpRouter.HttpRouter>
): Effect.Effect<App, never, Scope.Scope> =>
  Effect.suspend(() => {
    const { handler } = HttpRouter.toWebHandler(routes, { disableLogger: true })
    return serve(handler)
  })

/** What became of a request for a WebSocket: the socket that is open, or the response that there was instead. */
export interface Entered {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  readonly socket: WebSocket
  readonly received: Array<string>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
}

/** Asks for a WebSocket. */
export const enter = Effect.fnUntraced(function*(
  { port }: Pick<App, "port">,
  path: string,
  options: WebSocket.ClientOptions & { readonly protocols?: Array<string> } = {}
): Effect.fn.Return<Entered, never, Scope.Scope> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options.protocols ?? [], options)
  const received: Array<string> = []
  socket.on("message", (data) => received.push(String(data)))
  const closed = new Promise<{ readonly code: number; readonly reason: string }>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }))
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.terminate()))
  return yield* Effect.promise(async () => {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      // It is open right after this.
      socket.once("upgrade", resolve)
      socket.once("unexpected-response", (_, response) => resolve(response))
      socket.on("error", reject)
    })
    let body = ""
    if (response.statusCode !== 101) { for await (const chunk of response.setEncoding("utf8")) body += chunk }
    return { status: response.statusCode ?? 0, headers: response.headers, body, socket, received, closed }
  })
})

/** Lets what is under way over TCP arrive. */
export const pass = Effect.promise(() => new Promise((done) => setTimeout(done, 50)))
