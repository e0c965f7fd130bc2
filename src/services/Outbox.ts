/**
 * How frames leave: at once, or joined with those that follow.
 *
 * A broadcast costs time per frame, not per byte. So a connection that speaks `ndjson` gets several messages in one
 * frame. A message that finds the outbox quiet leaves at once. Messages that follow before the next macrotask are
 * collected, joined once, and leave as one frame a socket. So a busy room sends batches, and a lone message never
 * waits. A connection that speaks `plain` gets one message a frame, always at once.
 *
 * Each receiver gets messages in the order of sending. A socket that fails, or does not read, never stops the rest. The
 * work is linear in what leaves: a message for one socket is kept with that socket, and sockets for which the same
 * messages wait share them.
 */
import * as Context from "effect/Context"
import * as Audience from "../domain/Audience.ts"
import * as Identity from "../domain/Identity.ts"
import * as Limits from "../domain/Limits.ts"
import type { Assembly } from "./Assembly.ts"
import * as Protocol from "./Protocol.ts"
import * as Sockets from "./Sockets.ts"

/** How a broadcast went. Delivered means that the outbox took the message, not that the client has read it. */
export interface Delivery {
  readonly delivered: number
  readonly failed: number
}

/** The bounds of what leaves. */
export interface Options {
  /** Bytes of one joined frame. What is more leaves as further frames. 65,536 unless given. */
  readonly frameBytes: number
  /**
   * Bytes that may wait for a client that does not read, if the runtime counts them. A client with more gets nothing
   * more. 1,048,576 unless given.
   */
  readonly bufferBytes: number
}

export class Outbox extends Context.Service<Outbox, {
  /** Sends to one socket. Throws what the socket throws. A plain function, like the others: they are the hot path. */
  readonly send: (socket: Sockets.Socket, frame: Protocol.Frame) => void
  /** Sends to an audience, except some sockets. */
  readonly broadcast: (
    frame: Protocol.Frame,
    audience: Audience.Audience,
    except: ReadonlySet<Sockets.Socket> | undefined
  ) => Delivery
  /** Closes a socket behind what waits for it. */
  readonly close: (socket: Sockets.Socket, code: number, reason: string) => void
  /**
   * Sends what was collected, where it has waited for 20 ms. For the beginning of each event: while one client
   * floods the room, no macrotask comes.
   */
  readonly relieve: () => void
  /** Sends now what was collected, and not with the next macrotask. */
  readonly flush: () => void
}>()("effect-dormouse/services/Outbox") {}

/** The messages that wait for a socket, the last one first. Sockets with the same messages share one chain. */
interface Chain {
  readonly before: Chain | undefined
  readonly message: Message
  /** Of all its messages. */
  readonly bytes: number
  /** The chain with one more message, for the sockets that have this chain and get that message too. */
  after: Chain | undefined
  frames: ReadonlyArray<string> | undefined
}

interface Message {
  readonly text: string
  readonly bytes: number
}

const append = (chain: Chain | undefined, message: Message): Chain => {
  if (chain?.after?.message === message) return chain.after
  const bytes = (chain?.bytes ?? 0) + message.bytes
  const longer: Chain = { before: chain, message, bytes, after: undefined, frames: undefined }
  if (chain !== undefined) chain.after = longer
  return longer
}

/** Joins messages, as many to a frame as fit. */
const join = (last: Chain, frameBytes: number): ReadonlyArray<string> => {
  const messages: Array<Message> = []
  for (let chain: Chain | undefined = last; chain !== undefined; chain = chain.before) messages.push(chain.message)
  const frames: Array<string> = []
  let texts: Array<string> = []
  let size = 0
  for (const { bytes, text } of messages.toReversed()) {
    if (texts.length > 0 && size + 1 + bytes > frameBytes) {
      frames.push(texts.join("\n"))
      texts = []
      size = 0
    }
    size += texts.length === 0 ? bytes : 1 + bytes
    texts.push(text)
  }
  frames.push(texts.join("\n"))
  return frames
}

interface Members {
  readonly plain: ReadonlyArray<Sockets.Socket>
  readonly ndjson: ReadonlyArray<Sockets.Socket>
}

// In milliseconds. By then the macrotask should have come. At 5 a burst to 1,000 clients took twice as long: to send to
// all of them takes longer than that.
const overdue = 20

/**
 * Makes the outbox of a room. `onSlow` is told of a socket that does not read.
 *
 * @internal
 */
export const make = (
  assembly: Assembly,
  { bufferBytes = 1_048_576, frameBytes = 65_536 }: Partial<Options>,
  onSlow: (socket: Sockets.Socket) => void
): Outbox["Service"] => {
  // While the outbox is busy, broadcasts are collected. It is quiet again when a whole macrotask had nothing to send.
  let isBusy = false
  // What waits for everybody who speaks `ndjson`, except sockets with a chain of their own.
  let shared: Chain | undefined
  // When the first of what waits began to.
  let since = 0
  const own = new Map<Sockets.Socket, Chain | undefined>()
  // The members. The runtime is asked again only when somebody has entered or left.
  let members: Members = { plain: [], ndjson: [] }
  let version: number | undefined
  // Of the members for whom something waits.
  let flushed: number | undefined

  const present = (): Members => {
    const { registry } = assembly
    upToDate()
    if (version !== flushed) {
      version = flushed
      members = {
        plain: registry.carrying(Identity.protocolTag(Protocol.plain)),
        ndjson: registry.carrying(Identity.protocolTag(Protocol.ndjson))
      }
    }
    return members
  }

  const becomeBusy = () => {
    if (isBusy) return
    isBusy = true
    setImmediate(tick)
  }

  const tick = () => {
    // A flush that somebody asked for may have found them.
    letGo()
    if (shared === undefined && own.size === 0) {
      isBusy = false
      return
    }
    flush()
    letGo()
    setImmediate(tick)
  }

  // First everybody gets what was sent. Then the others are told that somebody leaves.
  const slow = new Set<Sockets.Socket>()

  const letGo = () => {
    for (const socket of slow) {
      slow.delete(socket)
      onSlow(socket)
    }
  }

  // Some runtimes do not count what waits: `undefined` is never above the bound.
  const isSlow = (socket: Sockets.Socket) => socket.bufferedAmount! > bufferBytes

  // Whether the socket took the frame. Throws what the socket throws.
  const transmit = (socket: Sockets.Socket, frame: Protocol.Frame): boolean => {
    if (isSlow(socket)) {
      slow.add(socket)
      return false
    }
    socket.send(frame)
    return true
  }

  const transmitAll = (
    to: ReadonlyArray<Sockets.Socket>,
    frame: Protocol.Frame,
    except: ReadonlySet<Sockets.Socket> | undefined
  ): Delivery => {
    let delivered = 0
    let failed = 0
    for (const socket of to) {
      if (except?.has(socket)) continue
      try {
        if (transmit(socket, frame)) delivered++
        else failed++
      } catch {
        failed++
      }
    }
    return { delivered, failed }
  }

  const transmitChain = (socket: Sockets.Socket, chain: Chain) => {
    chain.frames ??= join(chain, frameBytes)
    try {
      for (const frame of chain.frames) transmit(socket, frame)
    } catch {
      // Somebody else closed it. Its close event will come, and tell the room.
    }
  }

  const waitingFor = (socket: Sockets.Socket) => own.has(socket) ? own.get(socket) : shared

  const flush = () => {
    const everybody = shared
    for (const [socket, chain] of own) {
      if (chain !== undefined && !assembly.registry.isForgotten(socket)) transmitChain(socket, chain)
    }
    if (everybody !== undefined) {
      for (const socket of members.ndjson) {
        if (!own.has(socket) && !assembly.registry.isForgotten(socket)) transmitChain(socket, everybody)
      }
    }
    shared = undefined
    own.clear()
  }

  // One socket gets what waits for it, before the others get theirs.
  const drain = (socket: Sockets.Socket) => {
    const chain = waitingFor(socket)
    if (chain === undefined) return
    transmitChain(socket, chain)
    own.set(socket, undefined)
  }

  // What is for one socket waits for no macrotask, which the events of others can put off for seconds: the first message of
  // a turn leaves at once, and what follows leaves joined when the turn ends.
  const served = new Set<Sockets.Socket>()

  const endTurn = () => {
    for (const socket of served) {
      // What waits for everybody waits on.
      if (!own.has(socket)) continue
      drain(socket)
      if (shared === undefined) own.delete(socket)
    }
    served.clear()
    letGo()
  }

  // Who entered since is to get nothing of what was collected before.
  const upToDate = () => {
    const now = assembly.registry.version()
    if (flushed === now) return
    flush()
    flushed = now
  }

  const serve = (socket: Sockets.Socket, frame: Protocol.Frame) => {
    upToDate()
    if (typeof frame !== "string") {
      // Bytes are not joined, and overtake nothing.
      drain(socket)
      transmit(socket, frame)
      return
    }
    if (served.has(socket)) return extend(socket, toMessage(frame))
    if (served.size === 0) queueMicrotask(endTurn)
    served.add(socket)
    drain(socket)
    transmit(socket, frame)
  }

  const toMessage = (text: string): Message => ({ text, bytes: Limits.utf8Bytes(text) })

  // What fills a frame gains nothing by waiting on, and a client that reads is not to find a burst of it.
  const extend = (socket: Sockets.Socket, message: Message) => {
    begin()
    const chain = append(waitingFor(socket), message)
    own.set(socket, chain)
    if (chain.bytes >= frameBytes) drain(socket)
  }

  const begin = () => {
    if (shared === undefined && own.size === 0) since = Date.now()
  }

  const collectForAll = (text: string, except: ReadonlySet<Sockets.Socket> | undefined) => {
    begin()
    const message = toMessage(text)
    for (const socket of except ?? []) {
      if (speaksNdjson(socket)) own.set(socket, waitingFor(socket))
    }
    for (const socket of own.keys()) {
      if (!except?.has(socket)) extend(socket, message)
    }
    shared = append(shared, message)
    if (shared.bytes >= frameBytes) flush()
  }

  const collectFor = (sockets: ReadonlyArray<Sockets.Socket>, text: string) => {
    const message = toMessage(text)
    for (const socket of sockets) extend(socket, message)
  }

  const broadcastToAll = (frame: Protocol.Frame, except: ReadonlySet<Sockets.Socket> | undefined): Delivery => {
    const { ndjson, plain } = present()
    const now = transmitAll(plain, frame, except)
    if (ndjson.length === 0) return now
    if (isBusy && typeof frame === "string") {
      collectForAll(frame, except)
      let left = 0
      if (except !== undefined) { for (const socket of ndjson) left += except.has(socket) ? 1 : 0 }
      return { delivered: now.delivered + ndjson.length - left, failed: now.failed }
    }
    // Bytes are not joined, and overtake nothing.
    flush()
    const joined = transmitAll(ndjson, frame, except)
    becomeBusy()
    return { delivered: now.delivered + joined.delivered, failed: now.failed + joined.failed }
  }

  const speaksNdjson = (socket: Sockets.Socket) => assembly.registry.isSpeaking(socket, Protocol.ndjson)

  const broadcastTo = (
    frame: Protocol.Frame,
    audience: Audience.Audience,
    except: ReadonlySet<Sockets.Socket> | undefined
  ): Delivery => {
    const { ndjson } = present()
    const found = assembly.registry.open(audience)
    if (ndjson.length === 0) return transmitAll(found, frame, except)
    const collects = isBusy && typeof frame === "string"
    const later = found.filter((socket) => speaksNdjson(socket) && !except?.has(socket))
    if (!collects) {
      flush()
      if (later.length > 0) becomeBusy()
      return transmitAll(found, frame, except)
    }
    const now = transmitAll(found.filter((socket) => !speaksNdjson(socket)), frame, except)
    collectFor(later, frame)
    return { delivered: now.delivered + later.length, failed: now.failed }
  }

  return Outbox.of({
    send: (socket, frame) => {
      if (speaksNdjson(socket)) serve(socket, frame)
      else transmit(socket, frame)
      if (slow.size > 0) letGo()
    },
    broadcast: (frame, audience, except) => {
      const delivery = audience._tag === "All"
        ? broadcastToAll(frame, except)
        : broadcastTo(frame, audience, except)
      if (slow.size > 0) letGo()
      return delivery
    },
    close: (socket, code, reason) => {
      upToDate()
      // Nothing waits for a socket that speaks something else, nor is anything to wait for one that does not read.
      if (!isSlow(socket) && speaksNdjson(socket)) drain(socket)
      socket.close(code, reason)
    },
    relieve: () => {
      if ((shared !== undefined || own.size > 0) && Date.now() - since >= overdue) flush()
    },
    flush
  })
}
