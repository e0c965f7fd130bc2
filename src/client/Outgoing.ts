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
  /** Of whoever waits until it has left. */
  readonly settle?: Settle
}

/** Lines of a frame. A room takes 256, but each is a message of the rate that its guard allows, which takes all or none. */
const frameLines = 64

/** So many messages in doubt cost a ping of their own. */
const doubts = 256

// It costs a third of a send: only what waits or is joined is counted.
const bytesOf = (frame: Protocol.Frame) => typeof frame === "string" ? Limits.utf8Bytes(frame) : frame.length

/** Makes it. It is on for one client. */
export const make = ({ bounds, frameBytes, request, unknown }: {
  /** What may wait for a connection: messages, and UTF-8 bytes of their frames. */
  readonly bounds: { readonly messages: number; readonly bytes: number }
  /** Bytes of a joined frame. */
  readonly frameBytes: number
  /** The text of a ping. Where there is none, any frame of the server counts as the answer to one. */
  readonly request: string | undefined
  /** Is told of each message that may have been lost. */
  readonly unknown: (message: unknown) => void
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
  // For an answer of the room.
  const confirming = new Map<string, Settle>()

  const left = ({ id, message, settle }: Waiting) => {
    if (id === undefined) {
      doubtful.push(message)
      settle?.(Effect.void)
    }
  }

  const isOpen = () => socket?.readyState === Transport.OPEN

  const flush = () => {
    if (turn.length === 0) return
    const leaving = turn
    turn = []
    turnBytes = 0
    if (!isOpen()) {
      // It has not left, and goes first next time.
      for (const { frame } of leaving) waitingBytes += bytesOf(frame)
      waiting.unshift(...leaving)
      return
    }
    socket!.send(leaving.length === 1 ? leaving[0]!.frame : leaving.map(({ frame }) => frame).join("\n"))
    leaving.forEach(left)
    doubt()
  }

  const doubt = () => {
    if (request === undefined) {
      if (doubtful.length > doubts) doubtful.splice(0, doubtful.length - doubts)
    } else if (doubtful.length - (pings.at(-1) ?? 0) >= doubts) {
      socket!.send(request)
      ping()
    }
  }

  const ping = () => {
    pings.push(doubtful.length)
  }

  const transmit = (item: Waiting) => {
    if (joins && typeof item.frame === "string") {
      const bytes = bytesOf(item.frame)
      if (turn.length === frameLines || turnBytes + bytes > frameBytes) flush()
      if (turn.push(item) === 1) queueMicrotask(flush)
      turnBytes += bytes + 1
    } else {
      flush()
      socket!.send(item.frame)
      left(item)
      doubt()
    }
  }

  const fail = (reason: RoomClientError.RoomClientError["reason"]) => Effect.fail(RoomClientError.make(reason))

  const isFull = (bytes: number) => waiting.length >= bounds.messages || waitingBytes + bytes > bounds.bytes

  return {
    /** Says a message, now. The effect ends when it has left, or with the room's answer where it has an id. */
    send: (item: Item): Effect.Effect<void, unknown> => {
      if (ended !== undefined) return Effect.fail(ended)
      const { frame, id } = item
      if (id === undefined && isOpen()) {
        transmit(item)
        return Effect.void
      }
      if (id !== undefined && confirming.has(id)) {
        return fail(new RoomClientError.InvalidMessage({ detail: `A message with the id ${id} is on its way.` }))
      }
      if (!isOpen() && isFull(bytesOf(frame))) return fail(new RoomClientError.QueueFull())
      return Effect.callback<void, unknown>((settle) => {
        const mine: Waiting = { ...item, settle }
        if (id !== undefined) confirming.set(id, settle)
        if (isOpen()) transmit(mine)
        else {
          waiting.push(mine)
          waitingBytes += bytesOf(frame)
        }
        return Effect.sync(() => {
          if (id !== undefined) confirming.delete(id)
          const place = waiting.indexOf(mine)
          if (place < 0) return
          waiting.splice(place, 1)
          waitingBytes -= bytesOf(frame)
        })
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
    /** The room has answered a message with an id. Says whether somebody waits for that. */
    answer: (id: string, outcome: Effect.Effect<void, unknown>): boolean => {
      const settle = confirming.get(id)
      confirming.delete(id)
      settle?.(outcome)
      return settle !== undefined
    },
    /** The connection is gone. What has not left stays. */
    lose: ({ code, reason }: CloseCode.Close) => {
      flush()
      socket = undefined
      pings.length = 0
      const lost = doubtful
      doubtful = []
      lost.forEach(unknown)
      const stay = new Set(waiting.map(({ id }) => id))
      for (const [id, settle] of confirming) {
        if (stay.has(id)) continue
        confirming.delete(id)
        settle(fail(new RoomClientError.Unknown({ code, reason })))
      }
    },
    /** There is no coming back. */
    end: (error: RoomClientError.RoomClientError) => {
      ended = error
      for (const { id, message, settle } of waiting.splice(0)) {
        if (settle === undefined) unknown(message)
        else if (id === undefined) settle(Effect.fail(error))
      }
      for (const settle of confirming.values()) settle(Effect.fail(error))
      confirming.clear()
    }
  }
}
