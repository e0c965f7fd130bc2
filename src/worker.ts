/**
 * The deployed Worker: finds the room of a request and hands the request to its object. With a token it also has
 * an API for servers.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Api from "./Api.ts"
import { Chat } from "./Chat.ts"
import { ChatLive } from "./ChatLive.ts"
import * as Problem from "./domain/Problem.ts"
import * as RoomName from "./domain/RoomName.ts"
import * as RoomObject from "./durable/RoomObject.ts"
import * as Entrance from "./Entrance.ts"
import * as InspectorRoom from "./inspector/InspectorRoom.ts"
import * as LogLine from "./services/LogLine.ts"

/** What the Worker's configuration binds. */
export interface Env extends Entrance.Env {
  readonly CHAT: DurableObjectNamespace<ChatRoom>
  readonly INSPECTOR: DurableObjectNamespace<ChatInspector>
  readonly ASSETS: Fetcher
  /** The tokens of the API. Without one there is no API. */
  readonly API_TOKEN?: unknown
}

/** The object of one chat room. */
export class ChatRoom extends RoomObject.make(Chat, Layer.mergeAll(ChatLive, Entrance.GuardLive, Api.InspectorLive)) {}

/** The object of those who look at a chat room. */
export class ChatInspector extends RoomObject.make(InspectorRoom.InspectorRoom, InspectorRoom.layer) {}

export default {
  async fetch(request, env) {
    try {
      return await route(request, env)
    } catch (cause) {
      Effect.runSync(Effect.provide(Effect.logError("The room did not answer", Cause.die(cause)), LoggerLive))
      return Problem.toResponse(Problem.make(503, "The room did not answer.", { "retry-after": "1" }))
    }
  }
} satisfies ExportedHandler<Env>

const LoggerLive = Logger.layer([LogLine.console])

// Made by the first request that asks for them: a Worker starts without them.
let api: ReturnType<typeof Api.make>
let enter: Entrance.Enter | undefined

const route = async (request: Request, env: Env): Promise<Response> => {
  const { pathname } = new URL(request.url)
  const inspector = inspectorPath.exec(decoded(pathname))
  const isInspector = inspector !== null
  if (isInspector || pathname === "/openapi.json" || pathname.startsWith("/api/")) {
    api ??= Api.make(env)
    if (api !== undefined && !isInspector) return api(request)
  }
  const room = /^\/(?:rooms|parties\/main)\/([^/]*)$/.exec(pathname)?.[1]
  if (request.method !== "GET" && request.method !== "HEAD") {
    const isKnown = room !== undefined || pathname === "/" || pathname === "/health" || isInspector && api !== undefined
    return isKnown ? notAllowed() : notFound()
  }
  if (pathname === "/health") return Response.json({ status: "ok" }, { headers: nosniff })
  if (isInspector && api === undefined) return notFound()
  if (room === undefined) {
    // One page inspects every room: it reads from its address which.
    const page = isInspector && inspector[1] === undefined ? new URL("/inspect", request.url) : request.url
    const asset = await env.ASSETS.fetch(new Request(page, request))
    return asset.status === 404 ? notFound() : asset
  }
  const name = RoomName.fromPathSegment(room)
  if (name === undefined) return noName()
  enter ??= Entrance.make(env)
  const entered = await enter(request, name)
  return entered instanceof Response ? entered : env.CHAT.getByName(name).fetch(entered)
}

// The inspector's page, and its files.
const inspectorPath = /^\/+inspect(?:(\.js|\.css)|(?:\.html)?(?:\/.*)?)$/s

// The assets take a path for what it means.
const decoded = (pathname: string) => {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return pathname
  }
}

// It is what its type says, whatever it looks like.
const nosniff = { "x-content-type-options": "nosniff" }

const notFound = () => Problem.toResponse(Problem.make(404, "There is nothing here."))

const notAllowed = () => Problem.toResponse(Problem.make(405, "This takes GET only.", { allow: "GET, HEAD" }))

const noName = () =>
  Problem.toResponse(
    Problem.make(400, "A room's name is 1 to 128 of the characters A–Z, a–z, 0–9, `.`, `_`, `~` and `-`.")
  )
