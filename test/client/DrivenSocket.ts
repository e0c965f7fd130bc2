/**
 * Sockets that a test drives by hand, for what no sound network and no sound server does.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import type * as Room from "../../src/services/Room.ts"
import { collect } from "../contract/client.ts"
import { settle } from "./world.ts"

/** A socket without a network. */
export class DrivenSocket implements Transport.Socket {
  binaryType = "blob"
  protocol = ""
  readyState = 0
  bufferedAmount = 0
  /** What the client has sent. */
  readonly sent: Array<string | Uint8Array> = []
  /** How the client has closed it. */
  readonly closes: Array<ReadonlyArray<unknown>> = []
  /** Whether `send` throws. */
  isBroken = false
  readonly #listeners = new Map<string, Set<(event: any) => void>>()

  readonly addEventListener: Transport.Socket["addEventListener"] = (event, listener) => {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
  }

  readonly removeEventListener: Transport.Socket["removeEventListener"] = (event, listener) => {
    this.#listeners.get(event)?.delete(listener)
  }

  readonly send = (data: string | Uint8Array): void => {
    if (this.isBroken) throw new Error("This socket is broken")
    this.sent.push(data)
  }

  readonly close = (...how: ReadonlyArray<unknown>): void => {
    this.closes.push(how)
    this.readyState = 2
  }

  /** The server has answered the handshake. */
  open(protocol = "ndjson") {
    this.protocol = protocol
    this.readyState = 1
    this.#tell("open", {})
  }

  /** A frame of the server has come. */
  frame(data: unknown) {
    this.#tell("message", { data })
  }

  /** The connection has ended. */
  end(code = 1006, reason = "") {
    this.readyState = 3
    this.#tell("close", { code, reason, wasClean: code !== 1006 })
  }

  #tell(event: string, value: unknown) {
    for (const listener of this.#listeners.get(event) ?? []) listener(value)
  }
}

/** Opens sockets that the test drives; `last` is that of the last attempt. */
export const make = () => {
  const sockets: Array<DrivenSocket> = []
  const offered: Array<ReadonlyArray<string>> = []
  const transport: Transport.Transport = (_url, protocols) => {
    const socket = new DrivenSocket()
    sockets.push(socket)
    offered.push(protocols)
    return socket
  }
  return { transport, sockets, offered, last: () => sockets.at(-1)! }
}

/** A client of a room on such sockets, with all that it hears. It comes back after a second. */
export const enter = Effect.fnUntraced(function*<R extends Room.Any>(
  room: R,
  options: Partial<RoomClient.Options<Scope.Scope>> = {}
) {
  const network = make()
  const client = yield* RoomClient.make(room, { url: "ws://x/", reconnect: Schedule.spaced(1_000), ...options }).pipe(
    Effect.provideService(Transport.Transport, network.transport)
  )
  const messages = yield* collect(client.messages)
  const troubles = yield* collect(client.troubles)
  yield* settle
  return { ...network, ...client, heard: messages.all, listening: messages.fiber, trouble: troubles.all }
})
