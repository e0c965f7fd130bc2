import { DurableObject } from "cloudflare:workers"
import crossws from "crossws/adapters/cloudflare"

const ws = crossws({
  resolveDurableStub: (request, env) => env.ROOM.getByName(new URL(request.url).pathname),
  hooks: {
    open: (peer) => peer.subscribe("room"),
    message: (peer, frame) => {
      const message = frame.json()
      switch (message._tag) {
        case "Echo":
          return peer.send(JSON.stringify({ _tag: "Echoed", text: message.text }))
        case "Broadcast": {
          // `publish` leaves the sender out.
          const said = JSON.stringify({ _tag: "Said", text: message.text, at: message.at })
          peer.publish("room", said)
          return peer.send(said)
        }
        case "Born":
          // The hooks are not told which object they run in; only this control message has to know.
          return peer.send(JSON.stringify({ _tag: "Born", id: peer._internal.durable.born }))
      }
    }
  }
})

export class Room extends DurableObject {
  born = crypto.randomUUID()

  constructor(ctx, env) {
    super(ctx, env)
    ws.handleDurableInit(this, ctx, env)
  }

  fetch(request) {
    return ws.handleDurableUpgrade(this, request)
  }

  webSocketMessage(socket, message) {
    return ws.handleDurableMessage(this, socket, message)
  }

  webSocketClose(socket, code, reason, wasClean) {
    return ws.handleDurableClose(this, socket, code, reason, wasClean)
  }
}

export default {
  fetch: (request, env, ctx) => ws.handleUpgrade(request, env, ctx)
}
