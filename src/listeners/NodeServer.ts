/**
 * A web handler as a server in plain Node. It answers requests, and upgrades that it hands to a room.
 *
 * **Example** (rooms at `/rooms/:room`, in an app's router)
 *
 * ```ts
 * const { dispose, handler } = HttpRouter.toWebHandler(RoomRoutes.layer(Chat).pipe(Layer.provide(RoomsLive)))
 * yield* Effect.addFinalizer(() => Effect.promise(dispose))
 * const server = http.createServer({ shouldUpgradeCallback: NodeServer.isWebSocket })
 * yield* NodeServer.attach(server, handler)
 * ```
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Problem from "../domain/Problem.ts"
import * as NodeHttp from "./NodeHttp.ts"
import * as NodeProblem from "./NodeProblem.ts"
import * as NodeUpgrade from "./NodeUpgrade.ts"

/** Answers a request. What `HttpRouter.toWebHandler` makes is one. */
export type Handler = (request: Request) => Promise<Response>

/**
 * Whether a request asks for a WebSocket. Use it as the `shouldUpgradeCallback` of a server (Node 24.9): then a request
 * for another upgrade is answered like one without.
 */
export const isWebSocket = ({ headers, method }: IncomingMessage): boolean =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket"

/**
 * Lets a handler answer the requests of a server of `node:http` or `node:https`. Bodies are streamed both ways. The
 * signal of a request is aborted when its client has gone.
 *
 * A handler answers an upgrade with the 101 of a room, to which it may add headers. Any other answer is sent as it is,
 * and a client that a room had let in then leaves it with 1006. If a handler throws, the answer is 500, and the log
 * says why once.
 */
export const attach = (server: Server, handler: Handler): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const report: NodeHttp.Report = (message, cause) =>
        void Effect.runForkWith(context)(Effect.logError(message, cause === undefined ? [] : Cause.die(cause)))
      server.on("request", (message: IncomingMessage, response: ServerResponse) => {
        const abort = new AbortController()
        response.once("close", () => response.writableFinished || abort.abort())
        const request = NodeHttp.toRequest(message, abort.signal)
        if (request instanceof Problem.Problem) return NodeProblem.send(response, request)
        request.headers.delete(NodeUpgrade.header)
        void NodeHttp.answer(handler, request, report).then((answer) => NodeHttp.send(response, answer, report))
      })
      server.on("upgrade", (message: IncomingMessage, socket: Duplex, head: Buffer) =>
        NodeUpgrade.serve(message, socket, head, handler, report))
    })
  )
