/**
 * What a client says: it leaves at once, or waits for a connection, and is told as unknown where nobody can know whether
 * it has arrived.
 *
 * Nothing leaves twice. A message has arrived once the answer to a later ping is there: the server reads in order. So
 * what has left since the last ping that was answered is what a connection that breaks off leaves in doubt.
 */
import * as Effect from "effect/Effect"
import type * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"
import type * as Protocol from "../services/Protocol.ts"
import * as RoomClientError from "./RoomClientError.ts"
import * as Transport from "./Transport.ts"

/** A message on its way. */
export interface Item {
  readonly message: unknown
  readonly frame: Protocol.Frame
  /** If the room is to confirm it. */
  readonly id: string | undefined
}

type Settle = (outcome: Effect.Effect<void, unknown>) => void

interface Waiting extends Item {
  /** Of whoever waits until it has left, or is answered. */
  settle?: Settle | undefined
}

/** Lines of a frame. A room takes 256, but each is a message of the rate that its guard allows, which takes all or none. */
const frameLines = 64

/** So many messages in doubt cost a ping of their own. */
const doubts = 256

/**
 * And so do frames of so many characters: a slow network has little to carry between a ping and its answer, and a ping
 * behind all that a socket holds would come too late.
 */
const doubtedLength = 131_072

// It costs a third of a send: only what waits or is joined is counted.
const bytesOf = (frame: Protocol.Frame) => typeof frame === "string" ? Limits.utf8Bytes(frame) : frame.length

/** Makes it. It is one for a client. */
export const make = ({ bounds, bufferBytes, frameBytes, request, unknown }: {
  /** What may wait for a connection: messages, and UTF-8 bytes of their frames. */
  readonly bounds: { readonly messages: number; readonly bytes: number }
  /** Bytes that may wait in the socket for the network, more or less. */
  readonly bufferBytes: number
  /** Bytes of a joined frame. */
  readonly frameBytes: number
  /** The text of a ping. Where there is none, any frame of the server counts as the answer to one. */
  readonly request: string | undefined
  /** Is told of those that one connection may have lost: at least one, in order. */
  readonly unknown: (messages: ReadonlyArray<unknown>) => void
}) => {
  let socket: Transport.Socket | undefined
  let joins = false
  let ended: RoomClientError.RoomClientError | undefined
  // For a connection.
  const waiting: Array<Waiting> = []
  let waitingBytes = 0
  // For the end of the turn.
  let turn: Array<Waiting> = []
  let turnBytes = 0
  // For a sign that it has arrived, in order, and how many of them were there when each ping left.
  let doubtful: Array<unknown> = []
  const pings: Array<number> = []
  // The length of what has left since the last ping.
  let unasked = 0
  // For an answer of the room, by their ids.
  const confirming = new Map<string, Waiting>()

  // Says whether it has left.
  const put = (frame: Protocol.Frame): boolean => {
    const hasLeft = Transport.put(socket, frame)
    if (hasLeft) unasked += frame.length
    return hasLeft
  }

  // Whoever hears of it may speak at once, and that comes behind what is being done.
  const settle = ({ settle }: Waiting, outcome: Effect.Effect<void, unknown>) => {
    if (settle !== undefined) queueMicrotask(() => settle(outcome))
  }

  const left = (item: Waiting) => {
    if (item.id !== undefined) return
    doubtful.push(item.message)
    settle(item, Effect.void)
  }

  const flush = () => {
    if (turn.length === 0) return
    const leaving = turn
    turn = []
    turnBytes = 0
    if (put(leaving.length === 1 ? leaving[0]!.frame : leaving.map(({ frame }) => frame).join("\n"))) {
      leaving.forEach(left)
      doubt()
    } else {
      // It goes first next time.
      for (const { frame } of leaving) waitingBytes += bytesOf(frame)
      waiting.unshift(...leaving)
    }
  }

  const doubt = () => {
    if (request === undefined) {
      if (doubtful.length > doubts) doubtful.splice(0, doubtful.length - doubts)
    } else if (doubtful.length - (pings.at(-1) ?? 0) >= doubts || unasked >= doubtedLength) {
      if (put(request)) ping()
    }
  }

  const ping = () => {
    unasked = 0
    pings.push(doubtful.length)
  }

  const transmit = (item: Waiting) => {
    const joined = joins && typeof item.frame === "string" ? bytesOf(item.frame) : undefined
    if (joined === undefined || turn.length === frameLines || turnBytes + joined > frameBytes) flush()
    if (joined !== undefined && Transport.isOpen(socket)) {
      if (turn.push(item) === 1) queueMicrotask(flush)
      turnBytes += joined + 1
    } else if (put(item.frame)) {
      left(item)
      doubt()
    } else {
      waiting.push(item)
      waitingBytes += bytesOf(item.frame)
    }
  }

  const isFull = (frame: Protocol.Frame) => {
    if (Transport.isOpen(socket)) return Transport.isFull(socket, frame, bufferBytes, turnBytes)
    return waiting.length >= bounds.messages || waitingBytes + bytesOf(frame) > bounds.bytes
  }

  const refusal = ({ frame, id }: Item): RoomClientError.RoomClientError | undefined => {
    if (ended !== undefined) return ended
    if (id !== undefined && confirming.has(id)) {
      const detail = `A message with the id ${id} is on its way.`
      return RoomClientError.make(new RoomClientError.InvalidMessage({ detail }))
    }
    return isFull(frame) ? RoomClientError.make(new RoomClientError.QueueFull()) : undefined
  }

  // Takes back what has not left.
  const withdraw = (item: Waiting) => {
    const { frame, id } = item
    if (remove(waiting, item)) waitingBytes -= bytesOf(frame)
    else if (remove(turn, item)) turnBytes -= bytesOf(frame) + 1
    else item.settle = undefined // Its id is taken until it is answered.
    if (item.settle !== undefined && id !== undefined) confirming.delete(id)
  }

  return {
    /** Says a message, now. The effect ends when it has left, or with the room's answer where it has an id. */
    send: (item: Item): Effect.Effect<void, unknown> => {
      if (item.id === undefined && Transport.isOpen(socket)) {
        const error = refusal(item)
        if (error !== undefined) return Effect.fail(error)
        transmit(item)
        return Effect.void
      }
      return Effect.callback<void, unknown>((settle) => {
        const error = refusal(item)
        if (error !== undefined) return settle(Effect.fail(error))
        const mine: Waiting = { ...item, settle }
        if (item.id !== undefined) confirming.set(item.id, mine)
        transmit(mine)
        return Effect.sync(() => withdraw(mine))
      })
    },
    /** The connection is there: what waits leaves, in order. */
    open: (opened: Transport.Socket, isJoining: boolean) => {
      socket = opened
      joins = isJoining
      waitingBytes = 0
      waiting.splice(0).forEach(transmit)
      flush()
    },
    /** A ping has left. */
    ping,
    /** A frame has come. Says whether it is the answer to a ping, and nothing else. */
    hear: (isResponse: boolean): boolean => {
      const isAnswer = isResponse && pings.length > 0
      const proven = isAnswer ? pings.shift()! : request === undefined ? doubtful.length : 0
      if (proven > 0) {
        doubtful.splice(0, proven)
        for (let ping = 0; ping < pings.length; ping++) pings[ping]! -= proven
      }
      return isAnswer
    },
    /** Whether a message with the id has no answer yet. */
    awaits: (id: string): boolean => confirming.has(id),
    /** The room has answered a message with an id. Says whether somebody waits for that. */
    answer: (id: string, outcome: Effect.Effect<void, unknown>): boolean => {
      const item = confirming.get(id)
      if (item === undefined) return false
      confirming.delete(id)
      settle(item, outcome)
      return item.settle !== undefined
    },
    /** The connection is gone. What has not left stays. */
    lose: ({ code, reason }: CloseCode.Close) => {
      flush()
      socket = undefined
      pings.length = 0
      unasked = 0
      const lost = doubtful
      doubtful = []
      const stay = new Set(waiting)
      for (const [id, item] of confirming) {
        if (stay.has(item)) continue
        confirming.delete(id)
        if (item.settle === undefined) lost.push(item.message)
        settle(item, Effect.fail(RoomClientError.make(new RoomClientError.Unknown({ code, reason }))))
      }
      if (lost.length > 0) unknown(lost)
    },
    /** There is no coming back. */
    end: (error: RoomClientError.RoomClientError) => {
      ended = error
      const lost: Array<unknown> = []
      for (const item of waiting.splice(0)) {
        if (item.settle === undefined) lost.push(item.message)
        else if (item.id === undefined) settle(item, Effect.fail(error))
      }
      for (const item of confirming.values()) settle(item, Effect.fail(error))
      confirming.clear()
      if (lost.length > 0) unknown(lost)
    }
  }
}

const remove = <A>(from: Array<A>, item: A): boolean => {
  const place = from.indexOf(item)
  if (place >= 0) from.splice(place, 1)
  return place >= 0
}
