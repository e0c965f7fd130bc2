/**
 * Serves what the `Inspector` of a room tells, at `/api/rooms/:room/inspection`:
 *
 * | request | |
 * |---|---|
 * | `GET` | the room as it is now, an `Inspection` |
 * | `GET` with `upgrade: websocket` | a WebSocket on which nothing is said until somebody asks with `POST` |
 * | `POST` | the same answer as to `GET`. It also goes to every such WebSocket, and after it what passes: `Events` |
 *
 * So a page opens the WebSocket first, and then asks. Each asks for a bearer token. A browser can send none with a
 * WebSocket, and offers it as a pair of subprotocols beside the one that it speaks. Few characters may stand there, so it
 * is encoded:
 *
 * ```js
 * new WebSocket(url, ["bearer", encodeURIComponent(token), "plain"])
 * ```
 *
 * **Example** (a function that answers what is asked of the inspector)
 *
 * ```ts
 * const answer = InspectorRoutes.make(Window, { authorize: ApiToken.authorize(Redacted.make("the token")) })
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Problem from "../domain/Problem.ts"
import * as RoomName from "../domain/RoomName.ts"
import type * as Room from "../services/Room.ts"
import * as Rooms from "../services/Rooms.ts"
import * as RoomsError from "../services/RoomsError.ts"
import * as Inspector from "./Inspector.ts"
import * as InspectorRoom from "./InspectorRoom.ts"

/** How the inspector is served. */
export interface Options<E, R> {
  /**
   * Lets a request in, or refuses it: a `Problem` is the response. It is asked before anything is checked, so the name may
   * be one that no room has. The token of a WebSocket stands in `authorization` here. `ApiToken.authorize` asks for a
   * token with the scope `list`.
   */
  readonly authorize: (request: Request, room: string, scope: "list") => Effect.Effect<unknown, E, R>
  /** Before the path: `/api`, unless given. */
  readonly prefix?: `/${string}` | undefined
}

/** Answers a request; `undefined` if it is none of the inspector. */
export type Handler<E, R> = (request: Request) => Effect.Effect<Response, E, R> | undefined

/** Makes the function that answers. */
export const make = <R extends Room.Any, E = never, RIn = never>(
  room: R,
  { authorize, prefix = "/api" }: Options<E, RIn>
): Effect.Effect<
  Handler<Exclude<E, Problem.Problem>, RIn>,
  never,
  Rooms.Rooms<Room.Name<R>> | Rooms.Rooms<Room.Name<typeof InspectorRoom.InspectorRoom>>
> =>
  Effect.gen(function*() {
    const rooms: Rooms.Always<R> = yield* Rooms.key(room)
    const audience = yield* Rooms.key(InspectorRoom.InspectorRoom)

    const answer = Effect.fnUntraced(function*(request: Request, segment: string) {
      const { authorized, handedOn } = withToken(request)
      yield* authorize(authorized, segment, "list")
      const name = RoomName.fromPathSegment(segment)
      if (name === undefined) return yield* Problem.make(400, "No room can have this name.")
      switch (request.method) {
        case "GET":
        case "HEAD":
          return isUpgrade(request)
            ? yield* Effect.catch(audience.get(name).fetch(handedOn), RoomsError.toLoggedProblem)
            : toResponse(yield* Effect.catch(Inspector.inspect(rooms, name), refuse))
        case "POST":
          return toResponse(yield* Effect.catch(Inspector.look(rooms, name), refuse))
        default:
          return yield* Problem.make(405, "This takes another method.", { allow: "GET, HEAD, POST" })
      }
    })

    return (request) => {
      const segments = new URL(request.url).pathname.slice(prefix.length + 1).split("/")
      const [rooms, name, inspection] = segments
      const isOurs = new URL(request.url).pathname.startsWith(`${prefix}/`) && segments.length === 3 &&
        rooms === "rooms" && name !== undefined && inspection === "inspection"
      return !isOurs ? undefined : answer(request, name).pipe(
        Effect.catchDefect((defect) =>
          Effect.andThen(
            Effect.logError("The inspector failed to answer.", Cause.die(defect)),
            Problem.make(500, "The inspector failed to answer.")
          )
        ),
        Effect.catch((error: E | Problem.Problem) =>
          error instanceof Problem.Problem
            ? Effect.succeed(Problem.toResponse(error))
            // SAFETY: it is no problem.
            : Effect.fail(error as Exclude<E, Problem.Problem>)
        )
      )
    }
  })

const isUpgrade = ({ headers }: Request) => headers.get("upgrade")?.toLowerCase() === "websocket"

// The pair of subprotocols becomes a header for who looks at the token, and nobody else sees it.
const withToken = (request: Request) => {
  const offered = request.headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ?? []
  const pair = offered.indexOf("bearer")
  const headers = new Headers(request.headers)
  if (pair >= 0) headers.set("authorization", `Bearer ${decoded(offered[pair + 1] ?? "")}`)
  const authorized = new Request(request.url, { method: request.method, headers: new Headers(headers) })
  headers.delete("authorization")
  headers.delete("sec-websocket-protocol")
  const spoken = pair < 0 ? offered : offered.toSpliced(pair, 2)
  if (spoken.length > 0) headers.set("sec-websocket-protocol", spoken.join(", "))
  return { authorized, handedOn: new Request(request.url, { headers }) }
}

// A subprotocol has fewer characters than a token.
const decoded = (offered: string): string => {
  try {
    const token = decodeURIComponent(offered)
    return /^[ -~]*$/.test(token) ? token : offered
  } catch {
    return offered
  }
}

const refuse = (error: RoomsError.RoomsError) =>
  error.reason._tag === "UnknownMethod"
    ? Problem.make(404, "This room has no inspector.")
    : RoomsError.toLoggedProblem(error)

const toResponse = (inspection: unknown) =>
  Response.json(inspection, { headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" } })
