/**
 * Serves the API of `RoomsApi`: as a layer for an app's `HttpRouter`, or as a function that answers a request.
 *
 * It does without `effect/http-api`: `HttpApiBuilder` would serve the same, but add 35 KiB to a Worker for forms, files
 * and streams, which no endpoint needs.
 *
 * **Example** (the API, and its document, in an app)
 *
 * ```ts
 * const Routes = Layer.mergeAll(
 *   RoomsApiRoutes.layer(Lobby, { authorize: ApiToken.authorize(Redacted.make("the token")) }),
 *   HttpRouter.add("GET", "/openapi.json", HttpServerResponse.jsonUnsafe(OpenApi.fromApi(RoomsApi.make(Lobby))))
 * )
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Audience from "../domain/Audience.ts"
import * as Problem from "../domain/Problem.ts"
import type * as Room from "../services/Room.ts"
import * as Rooms from "../services/Rooms.ts"
import * as RoomsError from "../services/RoomsError.ts"
import type * as ApiToken from "./ApiToken.ts"
import type * as RoomsApi from "./RoomsApi.ts"
import * as RoomsEndpoints from "./RoomsEndpoints.ts"

/** How the API is served. */
export interface Options<E, R> extends RoomsApi.Options {
  /**
   * Lets a request in, or refuses it. A `Problem` is the response; any other error is the app's to handle. It is asked
   * before anything is checked, so the name may be one that no room has. For a list of the rooms it is
   * empty. The scope says what is asked for: `publish`, `list` or `disconnect`. `ApiToken.authorize` asks for a token
   * that has it.
   */
  readonly authorize: (request: Request, room: string, scope: ApiToken.Scope) => Effect.Effect<unknown, E, R>
  /** Bytes that the body of a request may have: 1,048,576, unless given. */
  readonly bodyBytes?: number | undefined
}

/** Answers a request to the API. The URL is the request's, unless given: an app may have removed a part of it. */
export type Handler<E, R> = (request: Request, url?: string) => Effect.Effect<Response, E, R>

/**
 * Serves the API. Below its `/rooms`, a path without an endpoint is answered by a `Problem`. The rest of the prefix is
 * free for the app. The rooms are listed at `/rooms` itself, if they stand in a directory.
 */
export const layer = <R extends Room.Any, E = never, RIn = never>(
  room: R,
  options: Options<E, RIn>
): Layer.Layer<
  never,
  never,
  | HttpRouter.HttpRouter
  | Rooms.Rooms<Room.Name<R>>
  | HttpRouter.Request.From<"Requires", Exclude<RIn, HttpRouter.Provided>>
  | HttpRouter.Request.From<"Error", Exclude<E, Problem.Problem>>
> =>
  HttpRouter.use(Effect.fnUntraced(function*(router) {
    const handle = yield* make(room, options)
    yield* router.add("*", `${options.prefix ?? RoomsEndpoints.prefix}/rooms/*`, (request) =>
      Effect.gen(function*() {
        const response = yield* handle(yield* Effect.orDie(HttpServerRequest.toWeb(request)), request.url)
        return HttpServerResponse.raw(response, { status: response.status })
      }))
  }))

/** Makes the function that answers requests to the API. Use it without a router. */
export const make = <R extends Room.Any, E = never, RIn = never>(
  room: R,
  options: Options<E, RIn>
): Effect.Effect<Handler<Exclude<E, Problem.Problem>, RIn>, never, Rooms.Rooms<Room.Name<R>>> =>
  Effect.map(Rooms.key(room), (rooms) => {
    const { authorize, bodyBytes = 1_048_576, prefix = RoomsEndpoints.prefix } = options
    const { closeUser, connections, disconnect, disconnectAll, drain, publish } = RoomsEndpoints.make(room)

    // SAFETY: the rooms can be listed if they stand in a directory.
    const listing = rooms as Rooms.Service<R> & Partial<Rooms.Listing>
    const listed = listing.list === undefined ? [] : [
      route(
        RoomsEndpoints.list,
        ({ query }) =>
          Effect.map(listing.list!(query), (rooms) =>
            rooms.map(({ connections, name, since }) => ({
              name,
              since,
              ...(connections !== undefined && { connections })
            })))
      )
    ]

    const routes = [
      ...listed,
      route(
        publish,
        ({ params, payload: { except, message, to } }) =>
          rooms.get(params.room).broadcast(message, { to: to && audienceOf(to), except })
      ),
      route(
        connections,
        ({ params, query }) =>
          Effect.map(
            rooms.get(params.room).connections({ of: audienceOf(query), limit: query.limit, after: query.after }),
            (connections) =>
              connections.map(({ state, user, ...connection }) => ({
                ...connection,
                ...(user !== undefined && { user }),
                // SAFETY: what the codec of the room's states gives is JSON.
                state: Result.getOrThrow(room.state.encode(state)) as Schema.Json
              }))
          )
      ),
      route(
        disconnect,
        ({ params, query: { code, reason } }) =>
          Effect.map(rooms.get(params.room).close(params.connection, { code, reason }), (closed) => ({ closed }))
      ),
      route(disconnectAll, ({ params, query: { code, reason, ...query } }) =>
        // The schema of the query demands an audience.
        Effect.map(rooms.get(params.room).close(audienceOf(query)!, { code, reason }), (closed) => ({ closed }))),
      route(
        closeUser,
        ({ params, query: { code, reason } }) =>
          Effect.map(rooms.get(params.room).closeUser(params.user, { code, reason }), (closed) => ({ closed }))
      ),
      route(
        drain,
        ({ params, payload }) => Effect.map(rooms.get(params.room).drain(payload), (closing) => ({ closing }))
      )
    ]

    return (request, url = request.url) => {
      const { pathname, searchParams } = new URL(url, "http://rooms.invalid")
      const method = request.method === "HEAD" ? "GET" : request.method
      const found = routes.flatMap((route) => {
        const params = match(prefix + route.path, pathname)
        return params === undefined ? [] : [{ ...route, params }]
      })
      const asked = found.find((route) => route.method === method)
      if (asked === undefined) {
        return Effect.succeed(Problem.toResponse(found.length === 0 ? nothingHere() : otherMethod(found)))
      }
      const { answer, params, scope, takesBody } = asked
      return authorize(request, params["room"] ?? "", scope).pipe(
        Effect.andThen(takesBody ? readJson(request, bodyBytes) : Effect.undefined),
        Effect.flatMap((payload) => answer({ params, query: record(searchParams), payload })),
        Effect.catchDefect((defect) => failed(Problem.make(500, "The API failed to answer."), Cause.die(defect))),
        Effect.catch((error: E | Problem.Problem) =>
          error instanceof Problem.Problem
            ? Effect.succeed(Problem.toResponse(error))
            // SAFETY: it is no problem.
            : Effect.fail(error as Exclude<E, Problem.Problem>)
        )
      )
    }
  })

// The contents of a request.
interface Asked {
  readonly params: unknown
  readonly query: unknown
  readonly payload: unknown
}

// The value for an endpoint without a query or parameters, or without a body.
const noParams: Schema.Codec<any> = Schema.Record(Schema.String, Schema.Never)
const noBody: Schema.Codec<any> = Schema.Undefined

// An endpoint between its codecs.
const route = <Params, Query, Payload, Success>(
  endpoint: {
    readonly method: string
    readonly path: string
    readonly scope: ApiToken.Scope
    readonly params?: Schema.Codec<Params, any>
    readonly query?: Schema.Codec<Query, any>
    readonly payload?: Schema.Codec<Payload, any>
    readonly success: Schema.Codec<Success, any>
  },
  run: (
    asked: { readonly params: Params; readonly query: Query; readonly payload: Payload }
  ) => Effect.Effect<Success, RoomsError.RoomsError>
) => {
  const { method, path, params = noParams, payload, query = noParams, scope, success } = endpoint
  const decodeParams = decoder("path", Schema.toCodecStringTree(params))
  const decodeQuery = decoder("query", Schema.toCodecStringTree(query))
  const decodePayload = decoder("body", payload === undefined ? noBody : Schema.toCodecJson(payload))
  const encode = Schema.encodeUnknownSync(Schema.toCodecJson(success))
  return {
    method,
    path,
    scope,
    takesBody: payload !== undefined,
    answer: Effect.fnUntraced(function*(asked: Asked) {
      const params = yield* decodeParams(asked.params)
      const query = yield* decodeQuery(asked.query)
      const payload = yield* decodePayload(asked.payload)
      const value = yield* Effect.catch(run({ params, query, payload }), RoomsError.toLoggedProblem)
      return Response.json(encode(value), {
        headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" }
      })
    })
  }
}

const decoder = <A>(part: string, schema: Schema.Codec<A, any>) => {
  const decode = Schema.decodeUnknownResult(schema, RoomsEndpoints.exactly)
  return (value: unknown) =>
    Effect.mapError(
      Effect.fromResult(decode(value)),
      ({ message }) => Problem.make(400, `The ${part} is of the wrong form. ${message}.`)
    )
}

const audienceOf = (
  { label, user }: { readonly user?: string; readonly label?: string }
): Audience.Audience | undefined =>
  user !== undefined ? Audience.user(user) : label === undefined ? undefined : Audience.label(label)

// The log learns what happened inside. The caller does not.
const failed = (problem: Problem.Problem, cause: Cause.Cause<unknown>): Effect.Effect<never, Problem.Problem> =>
  Effect.andThen(Effect.logError(problem.detail, cause), Effect.fail(problem))

// The parameters of a path, where it is of the pattern. `HttpRouter` takes none of over 100 characters, unless told to.
const match = (pattern: string, pathname: string): Readonly<Record<string, string>> | undefined => {
  const names = pattern.split("/")
  const segments = pathname.split("/")
  if (names.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, name] of names.entries()) {
    const segment = segments[index]!
    if (name.startsWith(":")) params[name.slice(1)] = decodeSegment(segment)
    else if (name !== segment) return undefined
  }
  return params
}

const decodeSegment = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    // A lone `%` encodes nothing, and no name and no id has one.
    return segment
  }
}

// A repeated parameter becomes an array, which no endpoint takes.
const record = (query: URLSearchParams): Readonly<Record<string, string | ReadonlyArray<string>>> =>
  Object.fromEntries([...query.keys()].map((key) => {
    const values = query.getAll(key)
    return [key, values.length === 1 ? values[0]! : values]
  }))

const readJson = Effect.fnUntraced(function*(request: Request, bytes: number) {
  const type = request.headers.get("content-type") ?? json
  if (type.split(";")[0]!.trim().toLowerCase() !== json) {
    return yield* Problem.make(415, `The body must be \`${json}\`.`)
  }
  const text = yield* Effect.tryPromise({
    try: () => readText(request, bytes),
    catch: () => Problem.make(400, "The body could not be read.")
  })
  if (text === undefined) return yield* Problem.make(413, `The body has more than ${bytes} bytes.`)
  return yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => Problem.make(400, "The body is not JSON.")
  })
})

const json = "application/json"

// `undefined` if there is more.
const readText = async ({ body }: Request, bytes: number): Promise<string | undefined> => {
  const decoder = new TextDecoder()
  let text = ""
  let left = bytes
  for await (const chunk of body ?? []) {
    left -= chunk.length
    if (left < 0) return undefined
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

const nothingHere = () => Problem.make(404, "There is nothing here.")

const otherMethod = (routes: ReadonlyArray<{ readonly method: string }>) => {
  const methods = routes.flatMap(({ method }) => method === "GET" ? [method, "HEAD"] : [method])
  return Problem.make(405, "This takes another method.", { allow: methods.join(", ") })
}
