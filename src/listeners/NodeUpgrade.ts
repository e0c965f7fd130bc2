/**
 * Upgrades that wait for what a web handler answers, in plain Node.
 *
 * A handler takes a `Request`, and no request carries a socket. So it carries a token in a header, by which the room that
 * it is handed to finds the socket, also in a copy of the request. Nobody can guess a token, none comes in from outside,
 * and it means nothing once its handler has ended.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import * as Problem from "../domain/Problem.ts"
import * as NodeHttp from "./NodeHttp.ts"
import * as NodeProblem from "./NodeProblem.ts"

/** The header of the token. */
export const header = "x-dormouse-upgrade"

/** What becomes of a client that a room has let in: its handshake, with these headers, or nothing. */
export type Settle = (headers: Headers | undefined) => void

/** An upgrade that waits. */
export interface NodeUpgrade {
  readonly message: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  /** Whether a room decides about the client, or has let it in. There is one at a time. */
  isTaken: boolean
  /** A room has let the client in, and is told once of what the handler makes of that. */
  readonly admit: (settle: Settle) => void
  /** Answers the client at once, whatever its handler will. */
  readonly refuse: (problem: Problem.Problem) => void
}

// One for the process, like its sockets: as many as there are handlers that have not ended.
const waiting = new Map<string, NodeUpgrade>()

/** The upgrade that a request came with; none where it came another way, or its handler has ended. */
export const of = ({ headers }: Request): NodeUpgrade | undefined => waiting.get(headers.get(header) ?? "")

/**
 * Answers an upgrade as a handler does: completes the handshake where it answered with the 101 of a room, and otherwise
 * sends what it answered and hangs up.
 */
export const serve = (
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  handler: NodeHttp.Handler,
  report: NodeHttp.Report
): void => {
  // Until `ws` listens nobody does, and an error that nobody hears ends the process.
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

  void NodeHttp.answer(handler, request, report).then((response) => {
    socket.off("close", gone)
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
