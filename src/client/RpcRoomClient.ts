/**
 * The stock client of `effect/rpc` on a connection that comes back as `RoomClient`'s does: with fresh tokens, pauses that
 * spread, close codes that are obeyed, and a heartbeat each 25 seconds that wakes nobody.
 *
 * A call that is under way when the connection breaks off fails at once with an `RpcClientError`, and so does a stream;
 * nothing is ever sent twice. A call that is made while there is no connection waits for one, in order. Where there is no
 * coming back, or the scope closes, all of them fail.
 *
 * Who reads a stream slowly holds up nobody but itself. Where it falls too far behind, its stream fails.
 *
 * A frame of the server that is no message of `effect/rpc` fails the calls that are under way, since it may have been the
 * answer to any of them. Where the room refuses a frame without saying which, those fail to which nothing has been
 * answered yet. The room is asked to interrupt whatever fails so, and the connection goes on.
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
import { constVoid } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"
import * as Protocol from "../services/Protocol.ts"
import * as Reconnection from "./Reconnection.ts"
import * as RoomClientError from "./RoomClientError.ts"
import type * as Status from "./Status.ts"
import * as Transport from "./Transport.ts"

/** Where the room is, and how the client comes back to it. */
export interface Options<R = never> extends Reconnection.Options<R> {
  /** Is told how the client stands to the room, as it changes. It may not throw. */
  readonly onStatus?: ((status: Status.Status) => void) | undefined
  /**
   * How many bytes, more or less, may wait in the socket while the network takes nothing: 1,048,576, unless given. A call
   * that does not fit fails with a `SocketWriteError`, whose cause is `QueueFull`. Nothing of it has left.
   */
  readonly bufferBytes?: number | undefined
  /**
   * How many calls may wait for a connection: 100, unless given. One more fails like one that the network does not take.
   * A room runs 128 of a connection at once.
   */
  readonly waitingCalls?: number | undefined
  /**
   * How many bytes the frame of a call may have, as in the room's limits: 65,536, unless given. The room closes a connection
   * for more. Such a call fails with a `SocketWriteError`, whose cause is `InvalidMessage`.
   */
  readonly messageBytes?: number | undefined
  /**
   * How many chunks may wait for the reader of one stream: 4,096, unless given. A stream with more fails with an
   * `RpcClientDefect`, whose cause is `Overrun`.
   */
  readonly streamChunks?: number | undefined
}

/** A request that has not ended. */
interface Call {
  readonly client: number
  readonly settle: (outcome: Effect.Effect<void, RpcClientError>) => void
  /** What leaves with the next connection; `undefined` once it has left. */
  frame: string | undefined
  /** The room has sent something for it. */
  isAnswered: boolean
  /** What has come for it and is being delivered, in order. */
  readonly arrived: Array<RpcMessage.FromServerEncoded>
}

const json = RpcSerialization.json
const parser = json.makeUnsafe()

const encode = (message: RpcMessage.FromClientEncoded | RpcMessage.FromServerEncoded) => String(parser.encode(message))

/** Makes the protocol of the stock client. */
export const make = <R = never>(
  {
    bufferBytes = 1_048_576,
    messageBytes = Limits.client.messageBytes,
    onStatus = constVoid,
    streamChunks = 4_096,
    waitingCalls = 100,
    ...options
  }: Options<R>
): Effect.Effect<RpcClient.Protocol["Service"], never, R | Scope.Scope> =>
  RpcClient.Protocol.make(Effect.fnUntraced(function*(respond) {
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    // In the order in which they were made.
    const calls = new Map<string | number, Call>()
    let socket: Transport.Socket | undefined
    let ended: RpcClientError | undefined

    const write = (message: RpcMessage.FromClientEncoded) => Transport.put(socket, encode(message))

    const transmit = (call: Call) => {
      if (call.frame !== undefined && Transport.put(socket, call.frame)) call.frame = undefined
    }

    const isFull = (frame: string) => {
      if (Transport.isOpen(socket)) return Transport.isFull(socket, frame, bufferBytes)
      let waiting = 0
      for (const call of calls.values()) if (call.frame !== undefined) waiting++
      return waiting >= waitingCalls
    }

    const settle = (id: string | number, outcome: Effect.Effect<void, RpcClientError>) => {
      const call = calls.get(id)
      calls.delete(id)
      call?.settle(outcome)
    }

    // Whoever hears of a failure may call again at once, and that is none of those that fail.
    const fail = (error: RpcClientError, concerns: (call: Call) => boolean) => {
      const failed = [...calls].filter(([, call]) => concerns(call))
      for (const [requestId, call] of failed) {
        calls.delete(requestId)
        call.arrived.splice(1)
        write({ _tag: "Interrupt", requestId })
      }
      for (const [, call] of failed) call.settle(Effect.fail(error))
    }

    const end = ({ code, reason }: Pick<CloseCode.Close, "code" | "reason">) => {
      if (ended !== undefined) return
      ended = closed(code, reason)
      fail(ended, () => true)
      onStatus({ _tag: "Closed", code, reason })
    }

    // A reader that is slow holds up what has come for it, and nothing else.
    const deliver = (call: Call, response: RpcMessage.FromServerEncoded) => {
      if (call.arrived.push(response) > 1) return
      fork(Effect.whileLoop({
        while: () => call.arrived.length > 0,
        body: () =>
          Effect.catchCause(
            respond(call.client, call.arrived[0]!),
            (cause) => Effect.sync(() => call.settle(Effect.fail(defect("The server sent what is no message", cause))))
          ),
        step: () => void call.arrived.shift()
      }))
    }

    const take = (response: RpcMessage.FromServerEncoded | Rejected | null): void => {
      switch (response?._tag) {
        case "Pong":
          return
        case "Chunk":
        case "Exit": {
          // What comes for a call that has ended comes too late.
          const call = calls.get(response.requestId)
          if (call === undefined) return
          const failCall = (error: RpcClientError) => fail(error, (other) => other === call)
          if (response._tag === "Exit") {
            if (!Predicate.isObject(response.exit)) {
              return failCall(defect("The server sent an exit that is none", response))
            }
            settle(response.requestId, Effect.void)
          } else if (call.arrived.length > streamChunks) {
            const overrun = new RoomClientError.Overrun({ limit: streamChunks })
            return failCall(defect(overrun.message, RoomClientError.make(overrun)))
          }
          call.isAnswered = true
          return deliver(call, response)
        }
        case "Error": {
          const { code, message } = response
          const rejected = new RoomClientError.Rejected({ code: textOf(code), detail: textOf(message) })
          return fail(defect(rejected.message, RoomClientError.make(rejected)), hasLeft(false))
        }
        case "Defect":
          return fail(defect("The server has failed", response.defect), hasLeft(true))
        default:
          return fail(defect("The server sent what is no message", response), hasLeft(true))
      }
    }

    // Once its socket is closed.
    yield* Effect.addFinalizer(() => Effect.sync(() => end({ code: CloseCode.normal, reason: "" })))

    const { run } = yield* Reconnection.make(options, {
      subprotocols: [Protocol.plain],
      autoResponse: [encode(RpcMessage.constPing), encode(RpcMessage.constPong)],
      opened: (opened) => {
        socket = opened
        calls.forEach(transmit)
      },
      frame: (data) => {
        let responses: ReadonlyArray<RpcMessage.FromServerEncoded | Rejected | null>
        try {
          // SAFETY: the room speaks this protocol, or what it says is told as a defect.
          responses = parser.decode(data as string) as typeof responses
        } catch (cause) {
          return fail(defect("Error decoding message", cause), hasLeft(true))
        }
        responses.forEach(take)
      },
      pinged: constVoid,
      lost: ({ code, reason }) => {
        socket = undefined
        fail(closed(code, reason), hasLeft(true))
      },
      status: onStatus
    })
    yield* Effect.forkScoped(Effect.map(run, end))

    const request = (client: number, message: RpcMessage.RequestEncoded) =>
      Effect.suspend((): Effect.Effect<void, RpcClientError> => {
        if (ended !== undefined) return Effect.fail(ended)
        const { id } = message
        if (calls.has(id)) return Effect.fail(defect(`A request with the id ${id} is under way`, undefined))
        const frame = encode(message)
        if (!Limits.isWithin(frame, messageBytes)) {
          return Effect.fail(
            unwritten(new RoomClientError.InvalidMessage({ detail: `It has more than ${messageBytes} bytes.` }))
          )
        }
        if (isFull(frame)) return Effect.fail(unwritten(new RoomClientError.QueueFull()))
        return Effect.callback<void, RpcClientError>((settle) => {
          const call: Call = { client, settle, frame, isAnswered: false, arrived: [] }
          calls.set(id, call)
          transmit(call)
          return Effect.sync(() => {
            if (calls.get(id) !== call) return
            calls.delete(id)
            if (call.frame === undefined) write({ _tag: "Interrupt", requestId: id })
          })
        })
      })

    return {
      // That of a request lasts until it has ended, so that it can fail by itself.
      send: (client, message) =>
        message._tag === "Request" ? request(client, message) : Effect.sync(() => {
          if (message._tag !== "Interrupt") return void write(message)
          // The room need not hear of what has ended.
          if (!calls.has(message.requestId)) return
          settle(message.requestId, Effect.void)
          write(message)
        }),
      supportsAck: true,
      supportsTransferables: false,
      codecFor: json.codecFor
    }
  }))

/** The protocol as a layer: `RpcClient.make` needs nothing else. It leaves with 1000 when its scope closes. */
export const layer = <R = never>(options: Options<R>): Layer.Layer<RpcClient.Protocol, never, R> =>
  Layer.effect(RpcClient.Protocol, make(options))

/** A room's refusal of a frame: see `Plain.Error`. */
interface Rejected {
  readonly _tag: "Error"
  readonly code: unknown
  readonly message: unknown
}

const textOf = (value: unknown) => typeof value === "string" ? value : ""

const hasLeft = (evenIfAnswered: boolean) => ({ frame, isAnswered }: Call) =>
  frame === undefined && (evenIfAnswered || !isAnswered)

const failure = (reason: RpcClientError["reason"]) => new RpcClientError({ reason })

const closed = (code: number, closeReason: string) => failure(new Socket.SocketCloseError({ code, closeReason }))

const defect = (message: string, cause: unknown) => failure(new RpcClientDefect({ message, cause }))

const unwritten = (reason: RoomClientError.RoomClientError["reason"]) =>
  failure(new Socket.SocketWriteError({ cause: RoomClientError.make(reason) }))
