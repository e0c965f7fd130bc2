/**
 * Upgrades that wait for the answer of a web handler, in plain Node.
 *
 * A handler takes a `Request`, which cannot carry a socket. So the request carries a token in a header. A room that
 * gets the request, or a copy of it, finds the socket by the token. Nobody can guess a token, a token from outside is
 * dropped, and a token is worth nothing after its handler has ended.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import * as Problem from "../domain/Problem.ts"
import * as NodeHttp from "./NodeHttp.ts"
import * as NodeProblem from "./NodeProblem.ts"

/** The header of the token. */
export const header = "x-dormouse-upgrade"

/** What happens to a client that a room has let in: its handshake is completed with these headers, or it is not. */
export type Settle = (headers: Headers | undefined) => void

/** An upgrade that waits. */
export interface NodeUpgrade {
  readonly message: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  /** Whether a room decides about the client, or has let it in. There is one at a time. */
  isTaken: boolean
  /** A room has let the client in. It is told once whether the handler completes the handshake. */
  readonly admit: (settle: Settle) => void
  /** Answers the client at once, before its handler does. */
  readonly refuse: (problem: Problem.Problem) => void
}

// One map for the process. It has one entry for each handler that has not ended.
const waiting = new Map<string, NodeUpgrade>()

/** The upgrade that a request came with; none if it came another way, or if its handler has ended. */
export const of = ({ headers }: Request): NodeUpgrade | undefined => waiting.get(headers.get(header) ?? "")

/**
 * Answers an upgrade with the answer of a handler. A 101 of a room completes the handshake. Any other answer is sent,
 * and then the connection ends.
 */
export const serve = (
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  handler: NodeHttp.Handler,
  report: NodeHttp.Report
): void => {
  // Before `ws` listens, nobody handles an error of the socket, and such an error would end the process.
  socket.on("error", () => {})
  if (message.method !== "GET") return NodeProblem.refuse(message, socket, notGet)
  const abort = new AbortController()
  const request = NodeHttp.toRequest(message, abort.signal)
  if (request instanceof Problem.Problem) return NodeProblem.refuse(message, socket, request)

  const token = randomUUID()
  request.headers.set(header, token)
  let settle: Settle | undefined
  let isOver = false
  let isRefused = false
  const end = (headers?: Headers) => {
    isOver = true
    waiting.delete(token)
    const told = settle
    settle = undefined
    told?.(headers)
    return told !== undefined
  }
  const gone = () => {
    abort.abort()
    end()
    socket.destroy()
  }
  waiting.set(token, {
    message,
    socket,
    head,
    isTaken: false,
    admit: (given) => {
      if (isOver) given(undefined)
      else settle = given
    },
    refuse: (problem) => {
      if (isOver) return
      isRefused = true
      end()
      NodeProblem.refuse(message, socket, problem)
    }
  })
  socket.once("close", gone)
  // Node keeps the socket half open where the client only says that it sends nothing more.
  socket.once("end", gone)

  void NodeHttp.answer(handler, request, report).then((response) => {
    socket.off("close", gone).off("end", gone)
    if (isRefused || socket.destroyed) {
      end()
      return response.body?.cancel()
    }
    if (response.status !== 101) {
      end()
      return NodeHttp.send(NodeHttp.onSocket(message, socket), response, report)
    }
    if (end(response.headers)) return undefined
    report("The handler answered 101 for no room", undefined)
    return NodeProblem.refuse(message, socket, Problem.make(500, "The server failed to answer."))
  }).catch((cause) => {
    report("An upgrade could not be completed", cause)
    socket.destroy()
  })
}

const notGet = Problem.make(405, "A WebSocket is asked for with GET.", { allow: "GET" })
