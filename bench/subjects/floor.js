import { DurableObject } from "cloudflare:workers"
import { stateOf } from "./state.js"

/** A room by hand on the Hibernation API: what the same work costs without any library. */
export class Room extends DurableObject {
  born = crypto.randomUUID()

  fetch(request) {
    const query = new URL(request.url).searchParams
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server, [
      `c:${crypto.randomUUID()}`,
      `u:${query.get("user")}`,
      `l:${query.get("label")}`
    ])
    const state = query.get("state")
    if (state !== null) server.serializeAttachment(stateOf(Number(state)))
    return new Response(null, { status: 101, webSocket: client })
  }

  webSocketMessage(socket, text) {
    const message = JSON.parse(text)
    switch (message._tag) {
      case "Echo":
        return socket.send(JSON.stringify({ _tag: "Echoed", text: message.text }))
      case "Broadcast": {
        const said = JSON.stringify({ _tag: "Said", text: message.text, at: message.at })
        for (const each of this.ctx.getWebSockets()) each.send(said)
        return
      }
      case "Each": {
        for (const [at, each] of this.ctx.getWebSockets().entries()) {
          each.send(JSON.stringify({ _tag: "Said", text: message.text, at }))
        }
        return
      }
      case "Find": {
        const tag = message.by === "id"
          ? this.ctx.getTags(socket)[0]
          : message.by === "user"
          ? `u:${message.key}`
          : `l:${message.key}`
        let count = 0
        for (let i = 0; i < message.times; i++) count = this.ctx.getWebSockets(tag).length
        return socket.send(JSON.stringify({ _tag: "Found", count }))
      }
      case "Born":
        return socket.send(JSON.stringify({ _tag: "Born", id: this.born }))
    }
  }

  webSocketClose(socket) {
    socket.close()
  }
}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
}
