/**
 * A problem as an HTTP response.
 */
import * as Problem from "../domain/Problem.ts"

/** The response that tells a client of a problem, as `application/problem+json`. */
export const make = (problem: Problem.Problem): Response =>
  Response.json(problem, {
    status: problem.status,
    headers: { ...problem.headers, "content-type": Problem.mediaType, "cache-control": "no-store" }
  })
