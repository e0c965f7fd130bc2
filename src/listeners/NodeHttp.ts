/**
 * What `http.Server` gives, as what the web has: a message as a `Request`, and a `Response` on its way out.
 */
import { type IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as Problem from "../domain/Problem.ts"

/** Answers a request. What `HttpRouter.toWebHandler` makes is one. */
export type Handler = (request: Request) => Promise<Response>

/** Tells the log of what nobody else learns. */
export type Report = (message: string, cause: unknown) => void

/** A message as a request, whose body is read as far as somebody asks for it; a problem where it is none. */
export const toRequest = (message: IncomingMessage, signal: AbortSignal): Request | Problem.Problem => {
  const { headers, method = "GET", socket, url: path = "" } = message
  if (!path.startsWith("/")) return Problem.make(400, "The request's target is no path.")
  try {
    const url = new URL(`http://localhost${path}`)
    // Where the header is no host, this changes nothing.
    if (headers.host !== undefined) url.host = headers.host
    if ("encrypted" in socket) url.protocol = "https:"
    const given = new Headers()
    for (const [name, value = []] of Object.entries(headers)) {
      for (const one of [value].flat()) given.append(name, one)
    }
    const init = { method, headers: given, signal }
    if (method === "GET" || method === "HEAD") return new Request(url, init)
    return new Request(url, { ...init, body: toBody(message), duplex: "half" })
  } catch {
    return Problem.make(400, "This is no request.")
  }
}

// Who stops reading still wants to answer: that destroys nothing.
const toBody = (message: IncomingMessage) =>
  ReadableStream.from<Uint8Array>(message.iterator({ destroyOnReturn: false }))

/** What a handler answers: a problem where it throws, which is told once. */
export const answer = async (handler: Handler, request: Request, report: Report): Promise<Response> => {
  try {
    return await handler(request)
  } catch (cause) {
    report("The handler failed to answer", cause)
    return Problem.toResponse(Problem.make(500, "The server failed to answer."))
  }
}

/** Sends a response, and ends when it has left. That a client has gone meanwhile is no failure; another one is told. */
export const send = async (
  to: ServerResponse,
  { body, headers, status, statusText }: Response,
  report: Report
): Promise<void> => {
  try {
    to.statusCode = status
    if (statusText !== "") to.statusMessage = statusText
    for (const [name, value] of headers) to.appendHeader(name, value)
    if (!to.shouldKeepAlive) to.appendHeader("connection", "close")
    if (body !== null && to.req.method !== "HEAD") return await pipeline(Readable.fromWeb(body), to)
    to.end()
    await body?.cancel()
  } catch (cause) {
    to.destroy()
    if (!isGone(cause)) report("A response broke off", cause)
  }
}

const isGone = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause &&
  ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "EPIPE"].includes(String(cause.code))

/** The response to a message whose socket Node has let go of, as it does for an upgrade: the last one there. */
export const onSocket = (message: IncomingMessage, socket: Duplex): ServerResponse => {
  const response = new ServerResponse(message)
  response.shouldKeepAlive = false
  // SAFETY: a response needs nothing of its socket that is not there in any stream.
  response.assignSocket(socket as Socket)
  response.once("finish", () => socket.destroy())
  return response
}
