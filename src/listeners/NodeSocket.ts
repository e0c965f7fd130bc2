/**
 * A WebSocket of the package `ws` as a standard one.
 *
 * It exists before its WebSocket. A room may refuse a client only before the upgrade, and a room that lets a client in
 * may have written to it by then. What the room sends or closes before the upgrade waits, and goes when the WebSocket
 * is there.
 */
import { deserialize } from "node:v8"
import { WebSocket } from "ws"
import * as CloseCode from "../domain/CloseCode.ts"
import * as SocketRules from "../memory/SocketRules.ts"
import * as Sockets from "../services/Sockets.ts"
import type * as ListenerSockets from "./ListenerSockets.ts"

/**
 * The WebSocket itself, to be made by a `WebSocketServer`.
 *
 * `ws` answers a close frame by calling `close`, but reports it only when TCP has ended, which a client may delay for
 * as long as it likes. `conclude` is emitted when the frame arrives, with its code and reason. So the frame is seen
 * here.
 */
export class Peer extends WebSocket {
  /** The close code for what the client did wrong, if it did. */
  refused: number | undefined

  /** Called by `ws` alone. */
  override close(code?: number, reason?: string | Buffer): void {
    if (code !== undefined && reason === undefined) this.refused = code
    else this.emit("conclude", code ?? CloseCode.noStatus, String(reason ?? ""))
    // If a listener has closed already, this ends TCP.
    super.close(code, reason)
  }

  /** Begins the close handshake, or answers the client's. */
  finish(code: number | undefined, reason: string): void {
    super.close(code, reason)
  }
}

type Frame = string | Uint8Array<ArrayBuffer>

/** The server's end of a connection. */
export class NodeSocket implements ListenerSockets.ListenerSocket {
  binaryType: "arraybuffer" | "blob" = "arraybuffer"
  #readyState: number = Sockets.OPEN
  #isAccepted = false
  #isClosedByUs = false
  #attachment: Uint8Array | undefined
  #peer: Peer | undefined
  // What is to be done once there is a WebSocket.
  #waiting: Array<(peer: Peer) => void> = []
  #waitingBytes = 0
  readonly #listeners = {
    message: new Set<(event: { readonly data: string | ArrayBuffer }) => void>(),
    close: new Set<(event: CloseCode.Close) => void>(),
    error: new Set<(event: { readonly error: unknown }) => void>()
  }

  get readyState(): number {
    return this.#readyState
  }

  /** What waits for the WebSocket counts too, since the client has not read it. */
  get bufferedAmount(): number {
    return this.#peer?.bufferedAmount ?? this.#waitingBytes
  }

  /** Half open is the only way. */
  accept(): void {
    this.#isAccepted = true
  }

  addEventListener(type: "message", listener: (event: { readonly data: string | ArrayBuffer }) => void): void
  addEventListener(type: "close", listener: (event: CloseCode.Close) => void): void
  addEventListener(type: "error", listener: (event: { readonly error: unknown }) => void): void
  addEventListener(type: "message" | "close" | "error", listener: (event: any) => void): void {
    this.#listeners[type].add(listener)
  }

  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    if (!this.#isAccepted) throw new TypeError("The socket must be accepted before messages can be sent.")
    if (this.#isClosedByUs) throw new TypeError("Can't call WebSocket send() after close().")
    if (this.#readyState === SocketRules.CLOSED) return
    // `ws` does not copy bytes before it sends them.
    const frame = SocketRules.toFrame(data)
    if (this.#peer !== undefined) return transmit(this.#peer, frame)
    this.#waiting.push((peer) => transmit(peer, frame))
    this.#waitingBytes += Buffer.byteLength(frame)
  }

  close(code?: number, reason = ""): void {
    SocketRules.checkClose(code, reason)
    if (!this.#isAccepted) throw new TypeError("The socket must be accepted before it can be closed.")
    if (this.#isClosedByUs || this.#readyState === SocketRules.CLOSED) return
    this.#isClosedByUs = true
    this.#readyState = this.#readyState === SocketRules.CLOSING ? SocketRules.CLOSED : SocketRules.CLOSING
    if (this.#peer === undefined) this.#waiting.push((peer) => peer.finish(code, reason))
    else this.#peer.finish(code, reason)
  }

  serializeAttachment(value: unknown): void {
    this.#attachment = SocketRules.toAttachment(value)
  }

  deserializeAttachment(): unknown {
    return this.#attachment === undefined ? null : deserialize(this.#attachment)
  }

  /** Gives the socket its WebSocket; `undefined` if the client has gone before there was one. */
  attach(peer: Peer | undefined): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    if (peer === undefined) return this.#close(CloseCode.brokenOff)
    this.#peer = peer
    peer.binaryType = "arraybuffer"
    peer.on("message", (data: Buffer | ArrayBuffer, isBinary: boolean) => {
      // SAFETY: with this binary type bytes come as an `ArrayBuffer`, and texts as a `Buffer` all the same.
      const event = { data: isBinary ? data as ArrayBuffer : data.toString() }
      for (const listener of this.#listeners.message) listener(event)
    })
    peer.on("conclude", (code: number, reason: string) => this.#close({ code, reason, wasClean: true }))
    peer.on("error", ({ message }) => this.#fail(peer.refused, message))
    peer.on("close", () => this.#close(CloseCode.brokenOff))
    for (const task of waiting) task(peer)
  }

  #close(close: CloseCode.Close): void {
    if (this.#readyState === SocketRules.CLOSED) return
    this.#readyState = close.wasClean && !this.#isClosedByUs ? SocketRules.CLOSING : SocketRules.CLOSED
    for (const listener of this.#listeners.close) listener(close)
  }

  // The texts of workerd.
  #fail(code: number | undefined, description: string): void {
    this.#readyState = SocketRules.CLOSED
    const error = new Error(
      code === undefined
        ? description
        : `WebSocket protocol error; protocolError.statusCode = ${code}; protocolError.description = ${description}`
    )
    for (const listener of this.#listeners.error) listener({ error })
  }
}

// A frame to a client that is gone is dropped. `ws` would count it as bytes that wait.
const transmit = (peer: Peer, frame: Frame): void => {
  if (peer.readyState === Sockets.OPEN) peer.send(frame)
}
