/**
 * The sockets of a Durable Object: its hibernatable WebSockets, as they are.
 */
import * as Layer from "effect/Layer"
import * as Sockets from "../services/Sockets.ts"

/** The sockets that an object's state holds. */
export const layer = (ctx: DurableObjectState): Layer.Layer<Sockets.Sockets> =>
  Layer.succeed(Sockets.Sockets)(make(ctx))

/** Makes the service; its layer does the same. */
export const make = (ctx: DurableObjectState): Sockets.Sockets["Service"] =>
  Sockets.Sockets.of({
    accept: (socket, tags) => ctx.acceptWebSocket(toWebSocket(socket), [...tags]),
    list: (tag) => ctx.getWebSockets(tag),
    tags: (socket) => ctx.getTags(toWebSocket(socket)),
    autoRespond: (request, response) =>
      ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(request, response)),
    answeredAt: (socket) => ctx.getWebSocketAutoResponseTimestamp(toWebSocket(socket))?.getTime()
  })

// SAFETY: every socket that reaches these services came from this runtime; anything else it refuses itself.
const toWebSocket = (socket: Sockets.Socket) => socket as WebSocket
