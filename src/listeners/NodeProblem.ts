/**
 * A problem as the answer of a server in plain Node.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Problem from "../domain/Problem.ts"
import * as NodeHttp from "./NodeHttp.ts"

/** Answers a request with a problem, as `application/problem+json`. */
export const send = (response: ServerResponse, problem: Problem.Problem): void => {
  response.writeHead(problem.status, Problem.headersOf(problem))
  response.end(JSON.stringify(problem))
}

/** Answers a request for an upgrade with a problem, and hangs up. */
export const refuse = (request: IncomingMessage, socket: Duplex, problem: Problem.Problem): void => {
  const { connection = "", ...headers } = problem.headers
  const response = NodeHttp.onSocket(request, socket)
  response.setHeader("connection", `${connection}, close`.replace(/^, /, ""))
  send(response, Problem.make(problem.status, problem.detail, headers))
}
