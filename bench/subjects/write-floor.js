import { DurableObject } from "cloudflare:workers"

/** A room by hand that keeps each message in its database before it broadcasts it. */
export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS said (text TEXT, at REAL)")
  }

  fetch() {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }

  webSocketMessage(_socket, text) {
    const message = JSON.parse(text)
    switch (message._tag) {
      case "Broadcast": {
        this.ctx.storage.sql.exec("INSERT INTO said VALUES (?, ?)", message.text, message.at)
        const said = JSON.stringify({ _tag: "Said", text: message.text, at: message.at })
        for (const each of this.ctx.getWebSockets()) each.send(said)
      }
    }
  }

  webSocketClose(socket) {
    socket.close()
  }
}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
}
