/**
 * Rooms in an HTTP app: a layer that serves them at a path of its `HttpRouter`, behind its middleware.
 *
 * A room's name may have 128 characters, but the router takes parameters of 100. Set its `routerConfig` to
 * `{ maxParamLength: 128 }` for longer names.
 *
 * **Example** (rooms at `/rooms/:room`, for everybody)
 *
 * ```ts
 * const Routes = RoomRoutes.layer(Lobby)
 * ```
 *
 * **Example** (another path, and a password)
 *
 * ```ts
 * const GuardedRoutes = RoomRoutes.layer(Lobby, {
 *   path: "/lobbies/:room",
 *   authorize: ({ headers }) =>
 *     headers.authorization === "the password" ? Effect.succeed({ user: "ada" }) : Problem.make(401, "Who are you?")
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import type * as Claims from "../domain/Claims.ts"
import * as Problem from "../domain/Problem.ts"
import type * as Room from "../services/Room.ts"
import * as Rooms from "../services/Rooms.ts"
import * as RoomsError from "../services/RoomsError.ts"

/** What lets requests in. `Doors` does. */
export interface Door {
  /** Lets a request into the room of a name, with what the room may believe about it, or refuses it. */
  readonly enter: (request: Request, room: string) => Effect.Effect<Claims.Claims, Problem.Problem>
  /** The request as it is handed to the room. */
  readonly strip: (request: Request) => Request
}

/** How the rooms are served. */
export interface Options<E, R, DE = never, DR = never> {
  /** Where: a path with the parameter `room`. `/rooms/:room`, unless given. */
  readonly path?: `/${string}:room${string}` | undefined
  /** The doors that a request comes through first: `Doors.Doors`. There are none, unless given. */
  readonly doors?: Effect.Effect<Door, DE, DR> | undefined
  /**
   * Lets a request in, with what the room may believe about it (see `Claims`), or refuses it. A `Problem` is the
   * response; any other error is the app's to handle. Everybody is let in, unless given. What the doors say about a
   * request is added, and wins.
   */
  readonly authorize?:
    | ((request: HttpServerRequest.HttpServerRequest, room: string) => Effect.Effect<Claims.Claims, E, R>)
    | undefined
}

/** Serves the rooms of a definition. The response to an upgrade passes through as the runtime made it. */
export const layer = <R extends Room.Any, E = never, RIn = never, DE = never, DR = never>(
  room: R,
  { authorize = everybody, doors, path = "/rooms/:room" }: Options<E, RIn, DE, DR> = {}
): Layer.Layer<
  never,
  DE,
  | DR
  | HttpRouter.HttpRouter
  | Rooms.Rooms<Room.Name<R>>
  | HttpRouter.Request.From<"Requires", Exclude<RIn, HttpRouter.Provided>>
  | HttpRouter.Request.From<"Error", Exclude<E, Problem.Problem>>
> =>
  HttpRouter.use(Effect.fnUntraced(function*(router) {
    const rooms = yield* Rooms.key(room)
    const door = doors && (yield* doors)
    yield* router.add("GET", path, (request) =>
      Effect.gen(function*() {
        const { room: name = "" } = yield* HttpRouter.params
        const asked = yield* Effect.orDie(HttpServerRequest.toWeb(request))
        const verified = door && (yield* door.enter(asked, name))
        const claims = { ...yield* authorize(request, name), ...verified }
        const response = yield* Effect.catch(
          rooms.get(name).fetch(door?.strip(asked) ?? asked, claims),
          RoomsError.toLoggedProblem
        )
        if (Object.hasOwn(response, "status")) yield* HttpEffect.appendPreResponseHandler(signed(response))
        return HttpServerResponse.raw(response, { status: response.status })
      }).pipe(
        Effect.catch((error) =>
          error instanceof Problem.Problem
            ? Effect.succeed(HttpServerResponse.raw(Problem.toResponse(error), { status: error.status }))
            // SAFETY: it is no problem.
            : Effect.fail(error as Exclude<E, Problem.Problem>)
        )
      ))
  }))

// Outside of workerd nobody can make a response of 101, nor a copy of one: a room's has its status of its own. What a
// middleware adds to it is written to the response that there is.
const signed = (response: Response): HttpEffect.PreResponseHandler => (_, sent) =>
  Effect.sync(() => {
    if (sent.body._tag !== "Raw" || sent.body.body !== response) return sent
    for (const [name, value] of Object.entries(sent.headers)) response.headers.set(name, value)
    for (const cookie of Cookies.toSetCookieHeaders(sent.cookies)) response.headers.append("set-cookie", cookie)
    return HttpServerResponse.raw(response, { status: response.status })
  })

const everybody = () => Effect.succeed({})
