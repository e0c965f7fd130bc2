/**
 * From `http.Server` to the web: a message becomes a `Request`, and a `Response` is sent.
 */
import { type IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as Problem from "../domain/Problem.ts"

/** Answers a request. What `HttpRouter.toWebHandler` makes is one. */
export type Handler = (request: Request) => Promise<Response>

/** Logs what nobody else learns. */
export type Report = (message: string, cause: unknown) => void

/** A message as a request, whose body is read on demand; a problem if it is not a valid request. */
export const toRequest = (message: IncomingMessage, signal: AbortSignal): Request | Problem.Problem => {
  const { headers, method = "GET", socket, url: path = "" } = message
  if (!path.startsWith("/")) return Problem.make(400, "The request's target is no path.")
  try {
    const url = new URL(`http://localhost${path}`)
    // If the header is not a host, this changes nothing.
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

const toBody = (message: IncomingMessage) => ReadableStream.from(chunks(message))

// A handler that stops reading still wants to answer, so nothing is destroyed. A client reads the answer when it has sent its
// body, so the rest of that is thrown away.
async function* chunks(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* message.iterator({ destroyOnReturn: false })
  } finally {
    message.resume()
  }
}

/** What a handler answers. If it throws, that is a problem, and is reported once. */
export const answer = async (handler: Handler, request: Request, report: Report): Promise<Response> => {
  try {
    return await handler(request)
  } catch (cause) {
    report("The handler failed to answer", cause)
    return Problem.toResponse(Problem.make(500, "The server failed to answer."))
  }
}

/**
 * Sends a response, and ends when it has left. A client that has gone is not a failure; any other fault is reported.
 */
export const send = async (
  to: ServerResponse,
  { body, headers, status, statusText }: Response,
  report: Report
): Promise<void> => {
  try {
    to.statusCode = status
    // Behind the rest of a body no other request is found.
    if (!to.req.complete) to.shouldKeepAlive = false
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

/** The response to a message whose socket Node has released, as it does for an upgrade. It is the last one on it. */
export const onSocket = (message: IncomingMessage, socket: Duplex): ServerResponse => {
  const response = new ServerResponse(message)
  response.shouldKeepAlive = false
  // SAFETY: a response needs nothing of its socket that is not there in any stream.
  response.assignSocket(socket as Socket)
  response.once("finish", () => socket.destroy())
  return response
}
