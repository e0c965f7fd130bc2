/**
 * What a client stands on: a WebSocket, and what tells it that the network or the page is back.
 *
 * Both are references with the platform's own as the default: the global `WebSocket` of a browser, of Node 22 and of a
 * Worker, and the events `online` and `visibilitychange` where there are any.
 */
import * as Context from "effect/Context"
import * as CloseCode from "../domain/CloseCode.ts"

/** The events of a socket. */
export interface Events {
  readonly open: unknown
  readonly message: { readonly data: unknown }
  readonly close: { readonly code: number; readonly reason: string; readonly wasClean: boolean }
  readonly error: unknown
}

/** A standard WebSocket, as far as a client needs one. That of a browser fits, and so does that of `ws`. */
export interface Socket {
  binaryType: string
  /** The subprotocol that the server has answered; none where it is empty, or `null` as in a Worker. */
  readonly protocol: string | null
  readonly readyState: number
  /** Bytes that wait for the network, where the platform tells. */
  readonly bufferedAmount?: number
  readonly addEventListener: <K extends keyof Events>(event: K, listener: (event: Events[K]) => void) => void
  readonly removeEventListener: <K extends keyof Events>(event: K, listener: (event: Events[K]) => void) => void
  readonly send: (data: string | Uint8Array<ArrayBuffer>) => void
  readonly close: (code?: number, reason?: string) => void
}

/** Opens a socket. Throws where the address or a subprotocol cannot be. */
export type Transport = (url: string, protocols: ReadonlyArray<string>) => Socket

/**
 * How a client opens its sockets: `new WebSocket`, unless given.
 *
 * **Example** (the `ws` package)
 *
 * ```ts
 * const live = Layer.succeed(Transport.Transport)((url, protocols) => new WebSocket(url, [...protocols]))
 * ```
 */
export const Transport: Context.Reference<Transport> = /* @__PURE__ */ Context.Reference<Transport>(
  "effect-dormouse/client/Transport",
  { defaultValue: () => (url, protocols) => new Platform.WebSocket(url, protocols) }
)

/** Calls back whenever it may be worth to try at once. Gives what ends that. */
export type Wakeups = (wake: () => void) => () => void

/** What wakes a client that waits: the network is back, or the page is seen again. An app may bring its own. */
export const Wakeups: Context.Reference<Wakeups> = /* @__PURE__ */ Context.Reference<Wakeups>(
  "effect-dormouse/client/Transport/Wakeups",
  {
    defaultValue: () => (wake) => {
      const { document } = Platform
      const seen = () => {
        if (document?.visibilityState === "visible") wake()
      }
      Platform.addEventListener?.("online", wake)
      document?.addEventListener("visibilitychange", seen)
      return () => {
        Platform.removeEventListener?.("online", wake)
        document?.removeEventListener("visibilitychange", seen)
      }
    }
  }
)

interface Target {
  readonly addEventListener: (event: string, listener: () => void) => void
  readonly removeEventListener: (event: string, listener: () => void) => void
}

// SAFETY: what may be missing is optional. A platform without a `WebSocket` throws at the first attempt.
const Platform = globalThis as unknown as Partial<Target> & {
  readonly WebSocket: new(url: string, protocols: ReadonlyArray<string>) => Socket
  readonly document?: Target & { readonly visibilityState: string }
  readonly location?: { readonly href: string }
}

/**
 * The address in terms of WebSockets: a relative one is the page's, and `http` is `ws`. Throws where it is none.
 *
 * @internal
 */
export const toUrl = (url: string | URL): URL => {
  const absolute = new URL(url, Platform.location?.href)
  absolute.protocol = absolute.protocol.replace("http", "ws")
  return absolute
}

/**
 * Whether frames can leave through a socket.
 *
 * @internal
 */
export const isOpen = (socket: Socket | undefined): socket is Socket => socket?.readyState === 1

/**
 * Sends a frame, if its socket is open. Says whether it has left.
 *
 * @internal
 */
export const put = (socket: Socket | undefined, frame: string | Uint8Array<ArrayBuffer>): boolean => {
  if (!isOpen(socket)) return false
  try {
    socket.send(frame)
    return true
  } catch {
    // A code with which the client comes back.
    socket.close(CloseCode.silent)
    return false
  }
}

/**
 * Whether a frame would wait behind others, and with them be more than so many bytes. `beside` is yet to be put.
 *
 * @internal
 */
export const isFull = (socket: Socket, { length }: { readonly length: number }, bytes: number, beside = 0): boolean => {
  const before = (socket.bufferedAmount ?? 0) + beside
  return before > 0 && before + length > bytes
}
