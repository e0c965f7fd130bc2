/**
 * The port to the runtime's sockets: what Dormouse needs of them, and no more.
 *
 * The methods are plain functions, because a broadcast runs them once for each socket. They behave as the runtime does,
 * and throw what it throws; the services above turn that into typed errors. A real hibernatable `WebSocket` is a {@link
 * Socket} as it is.
 */
import * as Context from "effect/Context"

/** `readyState` of a socket that takes messages. With any other state it has begun to close. */
export const OPEN = 1

/** The server's end of a connection. */
export interface Socket {
  readonly readyState: number
  /** Bytes that were sent and have not left yet, if the runtime counts them. */
  readonly bufferedAmount?: number
  /** Queues a frame. Throws after our own `close`. If the peer is gone, the frame is silently dropped. */
  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void
  /**
   * Begins the close handshake, or answers the peer's. Throws on a code that cannot be sent. A repetition is ignored.
   */
  close(code?: number, reason?: string): void
  /**
   * Keeps a value beside the socket while the object sleeps. Throws over 16,384 serialized bytes and keeps the old one.
   */
  serializeAttachment(value: unknown): void
  /** A fresh copy of the value that was kept; `null` if there is none. */
  deserializeAttachment(): unknown
}

/** The sockets that the runtime holds for this object. */
export class Sockets extends Context.Service<Sockets, {
  /** Hands a socket to the runtime. Its tags never change afterwards. */
  readonly accept: (socket: Socket, tags: ReadonlyArray<string>) => void
  /**
   * The accepted sockets, including those that are closing. With a tag: those that carry it, the oldest first. Without:
   * all of them, the newest first.
   */
  readonly list: (tag?: string) => ReadonlyArray<Socket>
  /** The tags that a socket was accepted with. */
  readonly tags: (socket: Socket) => ReadonlyArray<string>
  /** Lets the runtime answer one text with another, exactly matched, without waking the object. */
  readonly autoRespond: (request: string, response: string) => void
  /** When the runtime last did that for a socket, in milliseconds since 1970; `undefined` if it never has. */
  readonly answeredAt: (socket: Socket) => number | undefined
}>()("effect-dormouse/services/Sockets") {}
