/**
 * The stock client of `effect/rpc` on a connection that comes back as `RoomClient`'s does: with fresh tokens, pauses that
 * spread, close codes that are obeyed, and a heartbeat each 25 seconds that wakes nobody.
 *
 * A call that is under way when the connection breaks off fails at once with an `RpcClientError`, and so does a stream. A
 * call that is made while there is no connection waits for one.
 *
 * **Example** (who watches the counter)
 *
 * ```ts
 * const watch = Effect.gen(function*() {
 *   const counter = yield* RpcClient.make(CounterRpcs)
 *   yield* Stream.runForEach(counter.Watch(), (total) => Effect.log(total))
 * })
 *
 * const live = RpcRoomClient.layer({ url: "wss://example.com/counters/hall" })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type * as CloseCode from "../domain/CloseCode.ts"
import * as Protocol from "../services/Protocol.ts"
import * as Reconnection from "./Reconnection.ts"
import type * as Status from "./Status.ts"
import * as Transport from "./Transport.ts"

/** Where the room is, and how the client comes back to it. */
export interface Options<R = never> extends Reconnection.Options<R> {
  /** Is told how the client stands to the room, as it changes. It may not throw. */
  readonly onStatus?: ((status: Status.Status) => void) | undefined
}

const json = RpcSerialization.json

const encode = (message: RpcMessage.FromClientEncoded | RpcMessage.FromServerEncoded) =>
  String(json.makeUnsafe().encode(message))

// In the order in which they happen: whoever waits for a connection must not be told of the end of the one before.
type Event = { readonly opened: Transport.Socket } | { readonly data: unknown } | {
  readonly lost: CloseCode.Close
  readonly isFinal: boolean
}

/** Makes the protocol of the stock client. */
export const make = <R = never>(
  { onStatus = () => undefined, ...options }: Options<R>
): Effect.Effect<RpcClient.Protocol["Service"], never, R | Scope.Scope> =>
  RpcClient.Protocol.make(Effect.fnUntraced(function*(respond, clients) {
    const events = yield* Queue.unbounded<Event>()
    const opened = Latch.makeUnsafe(false)
    // Which client has asked for what.
    const requests = new Map<string | number, number>()
    let socket: Transport.Socket | undefined
    let ended: RpcClientError | undefined
    let parser = json.makeUnsafe()

    const { run } = yield* Reconnection.make(options, {
      subprotocols: [Protocol.plain],
      autoResponse: [encode(RpcMessage.constPing), encode(RpcMessage.constPong)],
      opened: (it) => Queue.offerUnsafe(events, { opened: it }),
      frame: (data) => Queue.offerUnsafe(events, { data }),
      pinged: () => undefined,
      lost: (close) => {
        socket = undefined
        opened.closeUnsafe()
        Queue.offerUnsafe(events, { lost: close, isFinal: false })
      },
      status: onStatus
    })

    const tellAll = (response: RpcMessage.FromServerEncoded) =>
      Effect.forEach([...clients], (client) => respond(client, response), { discard: true })

    const take = (event: Event): Effect.Effect<void> => {
      if ("opened" in event) {
        socket = event.opened
        parser = json.makeUnsafe()
        return opened.open
      }
      if ("lost" in event) {
        requests.clear()
        const error = new RpcClientError({ reason: new Socket.SocketCloseError({ code: event.lost.code }) })
        if (event.isFinal) {
          ended = error
          opened.openUnsafe()
        }
        return tellAll({ _tag: "ClientProtocolError", error })
      }
      try {
        // SAFETY: the room speaks this protocol, or what it says is told as a defect.
        const responses = parser.decode(event.data as string) as ReadonlyArray<RpcMessage.FromServerEncoded>
        return Effect.forEach(responses, read, { discard: true })
      } catch (cause) {
        const reason = new RpcClientDefect({ message: "Error decoding message", cause })
        return tellAll({ _tag: "ClientProtocolError", error: new RpcClientError({ reason }) })
      }
    }

    const read = (response: RpcMessage.FromServerEncoded): Effect.Effect<void> => {
      if (response._tag === "Pong") return Effect.void
      if (!("requestId" in response)) return tellAll(response)
      const client = requests.get(response.requestId)
      if (response._tag === "Exit") requests.delete(response.requestId)
      return client === undefined ? Effect.void : respond(client, response)
    }

    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(events), take)))
    yield* Effect.forkScoped(
      Effect.map(run, (close) => {
        Queue.offerUnsafe(events, { lost: close, isFinal: true })
        onStatus({ _tag: "Closed", code: close.code, reason: close.reason })
      })
    )

    const write = (message: RpcMessage.FromClientEncoded) => {
      if (socket?.readyState === Transport.OPEN) socket.send(encode(message))
    }

    return {
      send: (client, message) => {
        // What concerns a request is of no use to another connection.
        if (message._tag !== "Request") {
          return Effect.sync(() => {
            if (message._tag === "Interrupt") requests.delete(message.requestId)
            write(message)
          })
        }
        const request: Effect.Effect<void, RpcClientError> = Effect.flatMap(opened.await, () => {
          if (ended !== undefined) return Effect.fail(ended)
          if (socket === undefined) return request
          requests.set(message.id, client)
          write(message)
          return Effect.void
        })
        return request
      },
      supportsAck: true,
      supportsTransferables: false,
      codecFor: json.codecFor
    }
  }))

/** The protocol as a layer: `RpcClient.make` needs nothing else. It leaves with 1000 when its scope closes. */
export const layer = <R = never>(options: Options<R>): Layer.Layer<RpcClient.Protocol, never, R> =>
  Layer.effect(RpcClient.Protocol, make(options))
