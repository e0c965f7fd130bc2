/**
 * The HTTP API of the deployed Worker, for servers without a WebSocket, its OpenAPI document, and the inspector of its
 * rooms. All of it is there only with a token.
 *
 * `scripts/openapi.ts` makes the document beforehand. To make it in the Worker would add half the Worker's size.
 */
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Chat } from "./Chat.ts"
import * as Problem from "./domain/Problem.ts"
import * as Bindings from "./durable/Bindings.ts"
import * as DurableRooms from "./durable/DurableRooms.ts"
import type * as RoomObject from "./durable/RoomObject.ts"
import * as ApiToken from "./http/ApiToken.ts"
import * as RoomsApiRoutes from "./http/RoomsApiRoutes.ts"
import * as Inspector from "./inspector/Inspector.ts"
import { InspectorRoom } from "./inspector/InspectorRoom.ts"
import * as InspectorRoutes from "./inspector/InspectorRoutes.ts"
import document from "./openapi.json" with { type: "json" }
import * as LogLine from "./services/LogLine.ts"
import * as Rooms from "./services/Rooms.ts"

/** What the API needs of the Worker's configuration. */
export interface Env {
  readonly CHAT: DurableObjectNamespace<RoomObject.RoomObject<typeof Chat, any>>
  readonly INSPECTOR: DurableObjectNamespace<RoomObject.RoomObject<typeof InspectorRoom, any>>
  /** A text, or JSON as the configuration of a Worker may have it. */
  readonly API_TOKEN?: unknown
}

/** Answers `/api/…` and `/openapi.json`. */
export type Handler = (request: Request) => Promise<Response>

/**
 * Makes the function that answers. Without a token, which is the variable or secret `API_TOKEN`, it makes nothing. Where
 * that is of the wrong form, the log says once what is wrong, and every answer is 503.
 */
export const make = ({ API_TOKEN, CHAT, INSPECTOR }: Env): Handler | undefined => {
  // A number or `false` is no token, and no list of them.
  const text = typeof API_TOKEN === "string" || API_TOKEN === undefined
    ? API_TOKEN?.trim()
    : Array.isArray(API_TOKEN)
    ? JSON.stringify(API_TOKEN)
    : `[${JSON.stringify(API_TOKEN)}]`
  return Effect.gen(function*() {
    const tokens = yield* ApiToken.configured
    if (tokens.length === 0) return undefined
    const authorize = ApiToken.authorize(tokens)
    const handle = yield* RoomsApiRoutes.make(Chat, { authorize })
    const inspect = yield* InspectorRoutes.make(Chat, { authorize })
    return (request: Request) =>
      new URL(request.url).pathname === "/openapi.json"
        ? showDocument(request)
        : run(inspect(request) ?? handle(request))
  }).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ API_TOKEN: text })),
    Effect.provideService(Rooms.key(Chat), DurableRooms.make(Chat, CHAT)),
    Effect.provideService(Rooms.key(InspectorRoom), DurableRooms.make(InspectorRoom, INSPECTOR)),
    Effect.catch((error) => Effect.as(Effect.logError("The API has no tokens", Cause.fail(error)), showFault)),
    Effect.runSyncWith(logging)
  )
}

const logging = Context.make(Logger.CurrentLoggers, new Set([LogLine.console]))

const run = Effect.runPromiseWith(logging)

const showFault: Handler = async () => Problem.toResponse(Problem.make(503, "The API is not configured as it must be."))

const showDocument = async ({ method }: Request) =>
  method === "GET" || method === "HEAD"
    ? Response.json(document, { headers: { "x-content-type-options": "nosniff" } })
    : Problem.toResponse(Problem.make(405, "This takes GET only.", { allow: "GET, HEAD" }))

/** The inspector of each chat, where there is a token to ask for it. */
export const InspectorLive = Layer.unwrap(Bindings.Bindings.useSync((env) => {
  // SAFETY: the Worker has these bindings.
  const { API_TOKEN, INSPECTOR } = env as Env & Cloudflare.Env
  return API_TOKEN === undefined || API_TOKEN === ""
    ? Layer.empty
    : Layer.provide(
      Inspector.layer,
      Layer.succeed(Rooms.key(InspectorRoom))(DurableRooms.make(InspectorRoom, INSPECTOR))
    )
}))
