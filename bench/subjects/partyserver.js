import { Server } from "partyserver"
import { stateOf } from "./state.js"

export class Room extends Server {
  static options = { hibernate: true }
  born = crypto.randomUUID()

  getConnectionTags(_connection, { request }) {
    const query = new URL(request.url).searchParams
    return [`u:${query.get("user")}`, `l:${query.get("label")}`]
  }

  onConnect(connection, { request }) {
    const state = new URL(request.url).searchParams.get("state")
    if (state !== null) connection.setState(stateOf(Number(state)))
  }

  onMessage(connection, text) {
    const message = JSON.parse(text)
    switch (message._tag) {
      case "Echo":
        return connection.send(JSON.stringify({ _tag: "Echoed", text: message.text }))
      case "Broadcast":
        return this.broadcast(JSON.stringify({ _tag: "Said", text: message.text, at: message.at }))
      case "Born":
        return connection.send(JSON.stringify({ _tag: "Born", id: this.born }))
    }
  }
}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
}
