/**
 * The HTTP API of the deployed Worker, for servers without a WebSocket, and its OpenAPI document.
 *
 * `scripts/openapi.ts` makes the document beforehand. To make it in the Worker would add half the Worker's size.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { Chat } from "./Chat.ts"
import * as Problem from "./domain/Problem.ts"
import * as DurableRooms from "./durable/DurableRooms.ts"
import type * as RoomObject from "./durable/RoomObject.ts"
import * as ApiToken from "./http/ApiToken.ts"
import * as RoomsApiRoutes from "./http/RoomsApiRoutes.ts"
import document from "./openapi.json" with { type: "json" }
import * as Rooms from "./services/Rooms.ts"

/** What the API needs of the Worker's configuration. */
export interface Env {
  readonly CHAT: DurableObjectNamespace<RoomObject.RoomObject<typeof Chat, any>>
}

/**
 * Makes the function that answers `/api/…` and `/openapi.json`. Without a token, which is the variable or secret
 * `API_TOKEN`, it makes nothing.
 */
export const make = (env: Env): ((request: Request) => Promise<Response>) | undefined =>
  Effect.runSync(
    Effect.gen(function*() {
      const token = Option.getOrUndefined(yield* ApiToken.configured)
      if (token === undefined) return undefined
      const handle = yield* RoomsApiRoutes.make(Chat, { authorize: ApiToken.authorize(token) })
      return (request: Request) =>
        new URL(request.url).pathname === "/openapi.json" ? showDocument(request) : run(handle(request))
    }).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env)),
      Effect.provideService(Rooms.key(Chat), DurableRooms.make(Chat, env.CHAT))
    )
  )

const run = Effect.runPromiseWith(Context.make(Logger.CurrentLoggers, new Set([Logger.consoleJson])))

const showDocument = async ({ method }: Request) =>
  method === "GET" || method === "HEAD"
    ? Response.json(document)
    : Problem.toResponse(Problem.make(405, "This takes GET only.", { allow: "GET, HEAD" }))
