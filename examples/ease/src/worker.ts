/**
 * The three rooms on Workers, without a router: `/chats/:room`, `/halls/:room` and `/reminders/:room`.
 *
 *     npx wrangler dev
 */
import * as Layer from "effect/Layer"
import * as Problem from "../../../src/domain/Problem.ts"
import * as RoomName from "../../../src/domain/RoomName.ts"
import * as RequestClaims from "../../../src/durable/RequestClaims.ts"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import { Chat, ChatLive } from "./Archive.ts"
import { Hall, HallLive, LimiterLive } from "./Hall.ts"
import { Reminders, RemindersLive } from "./Reminders.ts"
import { ArchiveLive } from "./Storage.ts"

export class ChatRoom extends RoomObject.make(Chat, Layer.provide(ChatLive, ArchiveLive)) {}

export class HallRoom extends RoomObject.make(Hall, Layer.provide(HallLive, LimiterLive)) {}

export class RemindersRoom extends RoomObject.make(Reminders, RemindersLive) {}

interface Env {
  readonly CHATS: DurableObjectNamespace<ChatRoom>
  readonly HALLS: DurableObjectNamespace<HallRoom>
  readonly REMINDERS: DurableObjectNamespace<RemindersRoom>
}

const enter = (request: Request, room: DurableObjectStub, user: string) =>
  room.fetch(RequestClaims.attach(request, { user }))

// Where an app would verify a session.
const userOf = (request: Request) => /\buser=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1]

const refuse = (status: number, detail: string) => Problem.toResponse(Problem.make(status, detail))

export default {
  async fetch(request, { CHATS, HALLS, REMINDERS }) {
    const [, kind, segment = ""] = new URL(request.url).pathname.split("/")
    const name = RoomName.fromPathSegment(segment)
    if (name === undefined) return refuse(404, "There is no such room.")
    switch (kind) {
      case "chats":
        return CHATS.getByName(name).fetch(request)
      case "halls": {
        const user = userOf(request)
        return user === undefined ? refuse(401, "Set a cookie `user`.") : enter(request, HALLS.getByName(name), user)
      }
      case "reminders":
        return REMINDERS.getByName(name).fetch(request)
      default:
        return refuse(404, "There are no such rooms.")
    }
  }
} satisfies ExportedHandler<Env>
