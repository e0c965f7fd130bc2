/**
 * The Worker of a chaos run, for a workerd of its own: one room, and a way to send it to sleep.
 */
import * as RequestClaims from "../src/durable/RequestClaims.ts"
import * as RoomObject from "../src/durable/RoomObject.ts"
import { Annals, AnnalsLive, bounds } from "./Annals.ts"
import * as Token from "./Token.ts"
// @ts-expect-error: workerd has it under the flag `unsafe_module`, and nobody has written its types.
import unsafe from "workerd:unsafe"

export class AnnalsRoom extends RoomObject.make(Annals, AnnalsLive, bounds) {}

interface Env {
  readonly ANNALS: DurableObjectNamespace<AnnalsRoom>
}

export default {
  fetch: async (request, { ANNALS }) => {
    const { pathname } = new URL(request.url)
    const room = ANNALS.getByName("annals")
    const [, what, argument = ""] = pathname.split("/")
    switch (what) {
      case "call":
        return new Response(await room.call(argument, await request.text()))
      case "evict":
        // One that sleeps already is woken: it is to start anew, or to lose its sockets.
        await room.call("", "")
        await unsafe.evict(room, { webSockets: argument })
        return new Response("done")
      default:
        return room.fetch(RequestClaims.attach(request, Token.claimsOf(request.url)))
    }
  }
} satisfies ExportedHandler<Env>
