/**
 * What a client is told over HTTP when it does not get into a room: a problem document (RFC 9457).
 *
 * It says what the client can act on. It never has a stack trace.
 */
import * as Data from "effect/Data"

/** A refusal over HTTP. Fails an Effect, and is the body of the response as `application/problem+json`. */
export class Problem extends Data.TaggedError("Problem")<{
  /** A URI that names the kind of the problem. */
  readonly type: string
  readonly title: string
  /** The HTTP status. */
  readonly status: number
  readonly detail: string
  /** Headers of the response that belong to the problem, like `allow` or `retry-after`. */
  readonly headers: Readonly<Record<string, string>>
}> {
  override get message() {
    return this.detail
  }
  /** The body of the response. */
  override toJSON() {
    return { type: this.type, title: this.title, status: this.status, detail: this.detail }
  }
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable"
}

/**
 * Makes a problem of an HTTP status; use it to refuse a connection in a room's `connect`.
 *
 * **Example** (a door that opens for members only)
 *
 * ```ts
 * connect: (request) => isMember(request) ? Effect.succeed({ state }) : Problem.make(403, "Members only.")
 * ```
 */
export const make = (status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Problem =>
  new Problem({ type: "about:blank", title: titles[status] ?? "Error", status, detail, headers })

/** The media type of a problem's body. */
export const mediaType = "application/problem+json"

/** The headers of the response: the problem's own, and what every problem has. */
export const headersOf = ({ headers }: Problem): Readonly<Record<string, string>> => ({
  ...headers,
  "content-type": mediaType,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff"
})

/** A problem as an HTTP response. */
export const toResponse = (problem: Problem): Response =>
  Response.json(problem, { status: problem.status, headers: headersOf(problem) })
