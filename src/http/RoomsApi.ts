/**
 * An HTTP API of rooms, for servers without a WebSocket: they publish, list connections, and close them.
 *
 * This is only the definition, for clients and for documents. `RoomsApiRoutes` serves it.
 *
 * **Example** (a client)
 *
 * ```ts
 * const tellAll = Effect.fnUntraced(function*(text: string) {
 *   const { rooms } = yield* HttpApiClient.make(RoomsApi.make(Lobby), { baseUrl: "https://app.invalid" })
 *   return yield* rooms.publish({ params: { room: RoomName.RoomName.make("lobby") }, payload: { message: { text } } })
 * }, Effect.provide(RoomsApi.layerClient(Redacted.make("the token"))))
 * ```
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Room from "../services/Room.ts"
import * as RoomsEndpoints from "./RoomsEndpoints.ts"

const type = "about:blank"
const detail = { detail: Schema.String }

/** The request has the wrong form. */
export class BadRequest extends HttpApiError.Problem<BadRequest>()(
  "BadRequest",
  { type, status: 400, title: "Bad Request" },
  detail
) {}

/** The token is missing, or none that is known. */
export class Unauthorized extends HttpApiError.Problem<Unauthorized>()(
  "Unauthorized",
  { type, status: 401, title: "Unauthorized" },
  detail
) {}

/** The token may not do this: it lacks the scope. */
export class Forbidden extends HttpApiError.Problem<Forbidden>()(
  "Forbidden",
  { type, status: 403, title: "Forbidden" },
  detail
) {}

/** No open connection has this id. */
export class NotFound extends HttpApiError.Problem<NotFound>()(
  "NotFound",
  { type, status: 404, title: "Not Found" },
  detail
) {}

/** The body is too large. */
export class ContentTooLarge extends HttpApiError.Problem<ContentTooLarge>()(
  "ContentTooLarge",
  { type, status: 413, title: "Content Too Large" },
  detail
) {}

/** The `content-type` of the body is not JSON. */
export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  { type, status: 415, title: "Unsupported Media Type" },
  detail
) {}

/** The room failed to answer; its log says why. */
export class InternalServerError extends HttpApiError.Problem<InternalServerError>()(
  "InternalServerError",
  { type, status: 500, title: "Internal Server Error" },
  detail
) {}

/** No answer came from the room: it is overloaded, could not be reached, or did not start. Another try may help. */
export class ServiceUnavailable extends HttpApiError.Problem<ServiceUnavailable>()(
  "ServiceUnavailable",
  { type, status: 503, title: "Service Unavailable" },
  detail
) {}

/**
 * A request needs a bearer token that has the scope of the endpoint. A client sends it with {@link layerClient}, and the
 * server checks it with `ApiToken.authorize`.
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization>()(
  "effect-dormouse/http/RoomsApi/Authorization",
  { security: { bearer: HttpApiSecurity.bearer }, error: [Unauthorized, Forbidden], requiredForClient: true }
) {}

/** Sends the token with every request of a client. */
export const layerClient = (
  token: Redacted.Redacted
): Layer.Layer<HttpApiMiddleware.ForClient<Authorization>> =>
  HttpApiMiddleware.layerClient(
    Authorization,
    ({ next, request }) => next(HttpClientRequest.bearerToken(request, token))
  )

/** Where the API is. */
export interface Options {
  /** Before the paths of all endpoints: `/api`, unless given. */
  readonly prefix?: `/${string}` | undefined
}

const errors = [BadRequest, InternalServerError, ServiceUnavailable] as const

const groupOf = <R extends Room.Any>(room: R) => {
  const { closeUser, connections, disconnect, disconnectAll, drain, publish } = RoomsEndpoints.make(room)
  return HttpApiGroup.make("rooms").add(
    HttpApiEndpoint.post("publish", publish.path, {
      ...publish,
      error: [...errors, ContentTooLarge, UnsupportedMediaType]
    }).annotate(
      OpenApi.Description,
      "Sends a message to everybody in the room, to a user or to a label, but for the connections in `except`. Needs the scope `publish`."
    ),
    HttpApiEndpoint.get("connections", connections.path, { ...connections, error: [...errors, NotFound] }).annotate(
      OpenApi.Description,
      "The open connections, the oldest first: all, those of a user or of a label. A page of `limit`, 1,000 unless given, that begins after the connection `after`; 404 where that one is not open any more. Needs the scope `list`."
    ),
    HttpApiEndpoint.delete("disconnect", disconnect.path, { ...disconnect, error: [...errors, NotFound] }).annotate(
      OpenApi.Description,
      "Closes a connection: with 1000, unless another code is given. Needs the scope `disconnect`."
    ),
    HttpApiEndpoint.delete("disconnectAll", disconnectAll.path, { ...disconnectAll, error: errors }).annotate(
      OpenApi.Description,
      "Closes the connections of a user or of a label; one of the two must be given. Tells how many it closed. Needs the scope `disconnect`."
    ),
    HttpApiEndpoint.delete("closeUser", closeUser.path, { ...closeUser, error: errors }).annotate(
      OpenApi.Description,
      "Closes what a user has open in the room: with 4501, unless another code is given. From then on no token of the user holds there that was issued before. Tells how many it closed. Needs the scope `disconnect`."
    ),
    HttpApiEndpoint.post("drain", drain.path, {
      ...drain,
      error: [...errors, ContentTooLarge, UnsupportedMediaType]
    }).annotate(
      OpenApi.Description,
      "Closes everybody in waves with 4001, over a time in milliseconds, so that they do not come back all at once. Tells how many it will close. Needs the scope `disconnect`."
    )
  )
}

const list = HttpApiEndpoint.get("list", RoomsEndpoints.list.path, { ...RoomsEndpoints.list, error: errors }).annotate(
  OpenApi.Description,
  "The rooms in which somebody is, in the order of their names, with how many are connected. A page of `limit`, 100 unless given, that begins after the name `after`; only names that begin with `prefix`. Needs the scope `list`."
)

const name = "effect-dormouse/RoomsApi"

const build = <R extends Room.Any>(room: R, { prefix = RoomsEndpoints.prefix }: Options = {}) =>
  HttpApi.make(name).add(groupOf(room).prefix(prefix).middleware(Authorization))
    .annotate(OpenApi.Title, "Rooms")
    .annotate(HttpApi.QueryParseOptions, RoomsEndpoints.exactly)
    .annotate(HttpApi.PayloadParseOptions, RoomsEndpoints.exactly)

const buildListed = <R extends Room.Any>(room: R, { prefix = RoomsEndpoints.prefix }: Options = {}) =>
  HttpApi.make(name).add(groupOf(room).add(list).prefix(prefix).middleware(Authorization))
    .annotate(OpenApi.Title, "Rooms")
    .annotate(HttpApi.QueryParseOptions, RoomsEndpoints.exactly)
    .annotate(HttpApi.PayloadParseOptions, RoomsEndpoints.exactly)

/**
 * The API of the rooms of a definition. It has a name because the compiler writes the members of an inferred type in
 * another order each time.
 */
export type RoomsApi<R extends Room.Any> = Room.HasDirectory<R> extends true ? ReturnType<typeof buildListed<R>>
  : ReturnType<typeof build<R>>

/**
 * Makes the API of the rooms of a definition: the group `rooms` with `publish`, `connections`, `disconnect` (one),
 * `disconnectAll` (of a user or a label), `closeUser` and `drain`, and with `list` if the rooms stand in a directory. A property that
 * is not declared is refused, in a message too. So a typing error never publishes to everybody.
 */
export const make = <R extends Room.Any>(room: R, options?: Options): RoomsApi<R> =>
  // SAFETY: the type of a room says whether it stands in a directory.
  (room.directory ? buildListed(room, options) : build(room, options)) as RoomsApi<R>
