/**
 * The network between clients and a room in memory: standard WebSockets without any, with what can go wrong with them.
 *
 * A client that takes a way to open sockets, as `RoomClient` does, talks through it to a `MemoryRoom`, under the
 * `TestClock`. Each frame takes a microtask.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Problem from "../domain/Problem.ts"
import * as Sockets from "../services/Sockets.ts"
import type * as MemoryRuntime from "./MemoryRuntime.ts"
import * as SocketRules from "./SocketRules.ts"

/** The events of a socket. */
export interface Events {
  readonly open: unknown
  readonly message: { readonly data: unknown }
  readonly close: CloseCode.Close
  readonly error: unknown
}

/** The network of a room. */
export interface Network {
  /** Opens a socket to the room, whatever the host of the address. */
  readonly transport: (url: string, protocols: ReadonlyArray<string>) => MemoryWebSocket
  /** Every connection breaks off, and both ends see that. */
  readonly cut: Effect.Effect<void>
  /** From now on neither end of a connection hears the other, though both look open. New ones are as they should be. */
  readonly silence: Effect.Effect<void>
  /** Whether sockets that are opened from now on find nobody. */
  readonly offline: (isOffline: boolean) => Effect.Effect<void>
  /** The sockets that have not ended, the oldest first. */
  readonly sockets: Effect.Effect<ReadonlyArray<MemoryWebSocket>>
}

/** The client's end of a connection, as a standard WebSocket. */
export class MemoryWebSocket {
  binaryType = "blob"
  protocol = ""
  readyState = SocketRules.CONNECTING
  readonly url: string
  readonly #listeners = new Map<string, Set<(event: any) => void>>()
  readonly #network: Ways
  #client: MemoryRuntime.Client | undefined
  #isSilent = false

  constructor(url: string, network: Ways) {
    this.url = url
    this.#network = network
  }

  /** How many listen to its events. */
  get listeners(): number {
    let count = 0
    for (const listeners of this.#listeners.values()) count += listeners.size
    return count
  }

  readonly addEventListener = <K extends keyof Events>(event: K, listener: (event: Events[K]) => void): void => {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
  }

  readonly removeEventListener = <K extends keyof Events>(event: K, listener: (event: Events[K]) => void): void => {
    this.#listeners.get(event)?.delete(listener)
  }

  readonly send = (data: string | Uint8Array<ArrayBuffer>): void => {
    if (this.readyState === SocketRules.CONNECTING) {
      throw new DOMException("The socket is not open yet", "InvalidStateError")
    }
    if (this.readyState !== Sockets.OPEN) return
    const frame = typeof data === "string" ? data : data.slice().buffer
    queueMicrotask(() => {
      if (!this.#isSilent) this.#network.run(this.#client!.send(frame))
    })
  }

  readonly close = (code?: number, reason?: string): void => {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`No client closes with ${code}`, "InvalidAccessError")
    }
    if (this.readyState === SocketRules.CONNECTING) {
      queueMicrotask(() => this.end(CloseCode.brokenOff))
    } else if (this.readyState === Sockets.OPEN) {
      queueMicrotask(() => {
        if (!this.#isSilent) this.#network.run(this.#client!.close(code, reason))
      })
    }
    if (this.readyState < SocketRules.CLOSING) this.readyState = SocketRules.CLOSING
  }

  /** @internal */
  readonly open = (client: MemoryRuntime.Client, subprotocol: string | undefined): void => {
    if (this.readyState !== SocketRules.CONNECTING) return this.#network.run(client.drop)
    this.#client = client
    this.readyState = Sockets.OPEN
    this.protocol = subprotocol ?? ""
    this.#tell("open", {})
    const message = (data: unknown) => this.#tell("message", { data: data instanceof Uint8Array ? data.buffer : data })
    for (const frame of client.inbox.splice(0)) message(frame)
    client.listen({
      frame: (frame) => queueMicrotask(() => message(frame)),
      closed: (close) => queueMicrotask(() => this.end(close))
    })
    const closed = client.closed()
    if (closed !== undefined) this.end(closed)
  }

  /** @internal */
  readonly end = (close: CloseCode.Close): void => {
    if (this.readyState === SocketRules.CLOSED || this.#isSilent) return
    this.readyState = SocketRules.CLOSED
    this.#network.forget(this)
    if (!close.wasClean) this.#tell("error", {})
    this.#tell("close", close)
  }

  /** @internal */
  readonly silence = (): void => {
    if (this.#client !== undefined) this.#network.run(this.#client.stall)
    this.#isSilent = true
  }

  /** @internal */
  readonly cut = (): Effect.Effect<void> => {
    this.#isSilent = false
    return this.#client?.drop ?? Effect.sync(() => this.end(CloseCode.brokenOff))
  }

  #tell<K extends keyof Events>(event: K, value: Events[K]) {
    if (this.#isSilent) return
    this.#listeners.get(event)?.forEach((listener) => listener(value))
  }
}

interface Ways {
  readonly run: (effect: Effect.Effect<unknown>) => void
  readonly forget: (socket: MemoryWebSocket) => void
}

/**
 * Makes the network of a room.
 *
 * @internal
 */
export const make = (
  enter: (
    url: string,
    headers: Readonly<Record<string, string>>
  ) => Effect.Effect<{ readonly client: MemoryRuntime.Client; readonly subprotocol?: string }, Problem.Problem>,
  context: Context.Context<never>
): Network => {
  const sockets = new Set<MemoryWebSocket>()
  const run = Effect.runForkWith(context)
  const ways: Ways = { run, forget: (socket) => sockets.delete(socket) }
  let isOffline = false
  return {
    transport: (url, protocols) => {
      const socket = new MemoryWebSocket(url, ways)
      sockets.add(socket)
      const fails = () => socket.end(CloseCode.brokenOff)
      queueMicrotask(() => {
        if (isOffline) return fails()
        const headers: Record<string, string> = protocols.length === 0
          ? {}
          : { "sec-websocket-protocol": protocols.join(", ") }
        run(Effect.match(enter(url, headers), {
          onFailure: fails,
          onSuccess: ({ client, subprotocol }) => socket.open(client, subprotocol)
        }))
      })
      return socket
    },
    cut: Effect.sync(() => {
      for (const socket of sockets) run(socket.cut())
    }),
    silence: Effect.sync(() => {
      for (const socket of sockets) socket.silence()
    }),
    offline: (is) =>
      Effect.sync(() => {
        isOffline = is
      }),
    sockets: Effect.sync(() => [...sockets])
  }
}
