import { WebSocketHibernationServer } from "seed"

/** The seed example of a build, which also says which instance of the object answers. */
export class Room extends WebSocketHibernationServer {
  born = crypto.randomUUID()

  webSocketMessage(socket, frame) {
    return frame === `{"_tag":"Born"}`
      ? socket.send(JSON.stringify({ _tag: "Born", id: this.born }))
      : super.webSocketMessage(socket, frame)
  }
}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
}
