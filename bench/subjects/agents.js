import { Lifecycle } from "agents/lifecycle"
import { WebSockets } from "agents/websockets"
import { DurableObject } from "cloudflare:workers"
import { stateOf } from "./state.js"

export class Room extends DurableObject {
  born = crypto.randomUUID()
  webSockets = new WebSockets({
    // No identity frame on connect: the other subjects greet nobody either.
    protocol: false,
    getConnectionTags: (_connection, { request }) => {
      const query = new URL(request.url).searchParams
      return [`u:${query.get("user")}`, `l:${query.get("label")}`]
    },
    handlers: {
      onConnect: (connection, { request }) => {
        const state = new URL(request.url).searchParams.get("state")
        if (state !== null) connection.setState(stateOf(Number(state)))
      },
      onMessage: (connection, text) => {
        const message = JSON.parse(text)
        switch (message._tag) {
          case "Echo":
            return connection.send(JSON.stringify({ _tag: "Echoed", text: message.text }))
          case "Broadcast": {
            const said = JSON.stringify({ _tag: "Said", text: message.text, at: message.at })
            for (const each of this.webSockets.getConnections()) each.send(said)
            return
          }
          case "Born":
            return connection.send(JSON.stringify({ _tag: "Born", id: this.born }))
        }
      }
    }
  })
  lifecycle = Lifecycle.install(this).use(this.webSockets)
}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
}
