/**
 * The port to the runtime: the little that Dormouse needs of it to keep connections.
 *
 * The methods are plain functions and behave as the runtime does, errors included: they run once a socket in every
 * broadcast, and the services above turn what they throw into typed errors. A real hibernatable `WebSocket` is a
 * {@link Socket} as it is.
 */
import * as Context from "effect/Context"

/** `readyState` of a socket that takes messages. Any other has begun to close. */
export const OPEN = 1

/** The server's end of a connection. */
export interface Socket {
  readonly readyState: number
  /** Bytes that were sent and have not left yet, where the runtime tells. */
  readonly bufferedAmount?: number
  /** Queues a frame. Throws after our own `close`; is silently dropped where the peer is gone. */
  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void
  /** Begins the close handshake, or answers the peer's. Throws on a code that cannot be sent. A repetition is ignored. */
  close(code?: number, reason?: string): void
  /** Keeps a value beside the socket while the object sleeps. Throws over 16,384 serialized bytes and keeps the old one. */
  serializeAttachment(value: unknown): void
  /** A fresh copy of the value that was kept; `null` where none was. */
  deserializeAttachment(): unknown
}

/** The sockets that the runtime holds for this object. */
export class Sockets extends Context.Service<Sockets, {
  /** Hands a socket to the runtime. The tags stay as they are from then on. */
  readonly accept: (socket: Socket, tags: ReadonlyArray<string>) => void
  /**
   * The accepted sockets, those that are closing included: with a tag the ones that carry it, oldest first; without,
   * all of them, newest first.
   */
  readonly list: (tag?: string) => ReadonlyArray<Socket>
  /** The tags that a socket was accepted with. */
  readonly tags: (socket: Socket) => ReadonlyArray<string>
  /** Lets the runtime answer one text with another, exactly matched, without waking the object. */
  readonly autoRespond: (request: string, response: string) => void
}>()("effect-dormouse/services/Sockets") {}
