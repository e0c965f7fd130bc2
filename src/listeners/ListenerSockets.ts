/**
 * Standard WebSockets as the sockets of a room: `accept()` and event listeners, the form that there was before
 * hibernation.
 *
 * What the runtime keeps beside a hibernatable socket is kept here in memory: who is accepted, with which tags, and the
 * auto-response. So it lasts as long as the process, and nothing sleeps meanwhile.
 */
import type * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"
import type * as Protocol from "../services/Protocol.ts"
import * as Sockets from "../services/Sockets.ts"

/**
 * The server's end of a standard WebSocket. That of a `WebSocketPair` is one as it is; `NodeSocket` is one over the
 * package `ws`.
 */
export interface ListenerSocket extends Sockets.Socket {
  /** Whether bytes arrive as an `ArrayBuffer`; they do where it says `arraybuffer`. */
  binaryType: "arraybuffer" | "blob"
  /** Lets events come, and frames go. Half open, a peer's close waits for our answer. */
  accept(options: { readonly allowHalfOpen: boolean }): void
  addEventListener(type: "message", listener: (event: { readonly data: any }) => void): void
  addEventListener(type: "close", listener: (event: CloseCode.Close) => void): void
  addEventListener(type: "error", listener: (event: { readonly error: unknown }) => void): void
}

/** Who is told of what happens to the accepted sockets. No function may throw: a listener that does kills its socket. */
export interface Events {
  readonly message: (socket: Sockets.Socket, frame: Protocol.Received) => void
  readonly close: (socket: Sockets.Socket, close: CloseCode.Close) => void
  readonly error: (socket: Sockets.Socket, error: unknown) => void
  /** The client asks for auto-responses, and does not read them. */
  readonly slow: (socket: Sockets.Socket) => void
}

/**
 * Makes the service, over sockets that are all {@link ListenerSocket}s. While more than `bufferBytes` wait for a client,
 * it gets no auto-response. `now` is the time in milliseconds since 1970.
 */
export const make = (events: Events, bufferBytes: number, now: () => number): Sockets.Sockets["Service"] => {
  const accepted = new Set<Sockets.Socket>()
  const tagged = new Map<string, Set<Sockets.Socket>>()
  // Outlives the socket's place in the list: its close handler may still wait.
  const tagsOf = new WeakMap<Sockets.Socket, ReadonlyArray<string>>()
  const answeredAt = new WeakMap<Sockets.Socket, number>()
  let autoResponse: readonly [request: string, response: string] | undefined

  const remove = (socket: Sockets.Socket) => {
    if (!accepted.delete(socket)) return
    for (const tag of tagsOf.get(socket) ?? []) {
      const carriers = tagged.get(tag)
      carriers?.delete(socket)
      if (carriers?.size === 0) tagged.delete(tag)
    }
  }

  const listen = (socket: ListenerSocket) => {
    socket.addEventListener("message", ({ data }) => {
      if (data !== autoResponse?.[0]) return events.message(socket, data)
      if (socket.readyState !== Sockets.OPEN) return
      // Where nobody counts what waits, `undefined` is never above the bound.
      if (socket.bufferedAmount! > bufferBytes) return events.slow(socket)
      answeredAt.set(socket, now())
      socket.send(autoResponse![1])
    })
    // An error may follow a close, and a close an error: the first of them is the end.
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      if (!accepted.has(socket)) return
      events.close(socket, { code, reason, wasClean })
      remove(socket)
    })
    socket.addEventListener("error", ({ error }) => {
      if (!accepted.has(socket)) return
      events.error(socket, error)
      remove(socket)
    })
  }

  return Sockets.Sockets.of({
    accept: (socket, tags) => {
      if (tagsOf.has(socket)) throw new Error("The socket was already accepted.")
      const distinct = Limits.acceptedTags(tags, accepted.size)
      const standard = toListenerSocket(socket)
      standard.binaryType = "arraybuffer"
      standard.accept({ allowHalfOpen: true })
      tagsOf.set(socket, distinct)
      accepted.add(socket)
      for (const tag of distinct) {
        const carriers = tagged.get(tag)
        if (carriers === undefined) tagged.set(tag, new Set([socket]))
        else carriers.add(socket)
      }
      listen(standard)
    },
    list: (tag) => tag === undefined ? [...accepted].toReversed() : [...tagged.get(tag) ?? []],
    tags: (socket) => {
      const tags = tagsOf.get(socket)
      if (tags === undefined) throw new Error("The socket must be accepted before its tags can be read.")
      return tags
    },
    autoRespond: (request, response) => {
      autoResponse = Limits.autoResponse(request, response)
    },
    answeredAt: (socket) => answeredAt.get(socket)
  })
}

// SAFETY: `ListenerRoom` takes no other sockets.
const toListenerSocket = (socket: Sockets.Socket) => socket as ListenerSocket
