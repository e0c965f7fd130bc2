/**
 * How frames leave: at once, or joined with those that follow.
 *
 * The cost of a broadcast is per frame, not per byte. So a connection that speaks `ndjson` is sent several messages in
 * one frame: a message that finds the outbox quiet leaves at once, and what follows before the next macrotask is
 * collected, joined once, and leaves as one frame a socket. Under load this batches by itself, and a lone message waits
 * for nothing. A connection that speaks `plain` gets one message a frame, always at once.
 *
 * The order for each receiver is the order of sending. A socket that fails, or does not read, never stops the rest.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Audience from "../domain/Audience.ts"
import * as Limits from "../domain/Limits.ts"
import * as ConnectionRegistry from "./ConnectionRegistry.ts"
import * as Protocol from "./Protocol.ts"
import * as Sockets from "./Sockets.ts"

/** How a broadcast went. Delivered means that the outbox took the message, not that the client has read it. */
export interface Delivery {
  readonly delivered: number
  readonly failed: number
}

/** The bounds of what leaves. */
export interface Options {
  /** Bytes of one joined frame; more leaves as further frames. 65,536 unless given. */
  readonly frameBytes: number
  /** Bytes that may wait for a client that does not read, where the runtime tells. 1,048,576 unless given. */
  readonly bufferBytes: number
}

export class Outbox extends Context.Service<Outbox, {
  /** Sends to one socket. Throws what the socket throws. A plain function, like the others: they are the hot path. */
  readonly send: (socket: Sockets.Socket, frame: Protocol.Frame) => void
  /** Sends to an audience, but for some sockets. */
  readonly broadcast: (
    frame: Protocol.Frame,
    audience: Audience.Audience,
    except: ReadonlySet<Sockets.Socket> | undefined
  ) => Delivery
  /** A socket has entered. It gets nothing that was collected before. */
  readonly entered: (socket: Sockets.Socket) => void
  /** A socket has left. */
  readonly left: () => void
  /** Sends what was collected. To be called before a socket is closed, so that it gets its last messages. */
  readonly flush: () => void
  /** Says what becomes of a socket that does not read. */
  readonly onSlow: (close: (socket: Sockets.Socket) => void) => void
}>()("effect-dormouse/services/Outbox") {
  static readonly layer = (
    options: Partial<Options> = {}
  ): Layer.Layer<Outbox, never, ConnectionRegistry.ConnectionRegistry> => Layer.effect(Outbox, make(options))
}

// A message that was collected: for everybody, unless it says for whom.
interface Entry {
  readonly text: string
  readonly bytes: number
  readonly only: ReadonlySet<Sockets.Socket> | undefined
  readonly except: ReadonlySet<Sockets.Socket> | undefined
}

interface Members {
  readonly plain: ReadonlyArray<Sockets.Socket>
  readonly ndjson: ReadonlyArray<Sockets.Socket>
}

/** Makes the service; its layer does the same. */
export const make = Effect.fnUntraced(
  function*({ bufferBytes = 1_048_576, frameBytes = 65_536 }: Partial<Options> = {}) {
    const registry = yield* ConnectionRegistry.ConnectionRegistry

    // While the outbox is busy, messages are collected. It is quiet again when a whole macrotask had nothing to send.
    let isBusy = false
    let entries: Array<Entry> = []
    // Who is there, until somebody enters or leaves: the runtime is not asked again for every message.
    let members: Members | undefined
    // Who entered while messages were collected, and how many of them came before.
    const newcomers = new Map<Sockets.Socket, number>()
    let closeSlow = (_socket: Sockets.Socket): void => {}

    const present = (): Members =>
      members ??= {
        plain: registry.speaking(Protocol.plain),
        ndjson: registry.speaking(Protocol.ndjson)
      }

    const becomeBusy = () => {
      if (isBusy) return
      isBusy = true
      setImmediate(tick)
    }

    const tick = () => {
      if (entries.length === 0) {
        isBusy = false
        return
      }
      flush()
      setImmediate(tick)
    }

    const slow: Array<Sockets.Socket> = []

    const transmit = (socket: Sockets.Socket, frame: Protocol.Frame) => {
      socket.send(frame)
      look(socket)
    }

    const look = (socket: Sockets.Socket) => {
      // Not every runtime tells: then `undefined` is not above the bound.
      if (socket.bufferedAmount! > bufferBytes) slow.push(socket)
    }

    // Each look is a question to the runtime, so not every message is worth one for every socket.
    const lookEvery = Math.min(65_536, bufferBytes / 16)
    let sentSinceLook = 0

    // Only once everybody has what made a socket slow: the others are told that it leaves, and not before that.
    const letGo = () => {
      for (let socket = slow.pop(); socket !== undefined; socket = slow.pop()) closeSlow(socket)
    }

    const transmitAll = (
      to: ReadonlyArray<Sockets.Socket>,
      frame: Protocol.Frame,
      except: ReadonlySet<Sockets.Socket> | undefined
    ): Delivery => {
      sentSinceLook += frame.length
      const looks = sentSinceLook > lookEvery
      if (looks) sentSinceLook = 0
      let delivered = 0
      let failed = 0
      for (const socket of to) {
        if (except?.has(socket)) continue
        try {
          socket.send(frame)
          delivered++
          if (looks) look(socket)
        } catch {
          failed++
          // Somebody closed it behind our back.
          members = undefined
        }
      }
      return { delivered, failed }
    }

    const collect = (
      text: string,
      only: ReadonlySet<Sockets.Socket> | undefined,
      except: ReadonlySet<Sockets.Socket> | undefined
    ) => {
      entries.push({ text, bytes: Limits.utf8Bytes(text), only, except })
    }

    // Joins the messages of some entries, as many to a frame as fit.
    const join = (chosen: ReadonlyArray<Entry>): ReadonlyArray<string> => {
      const frames: Array<string> = []
      let texts: Array<string> = []
      let size = 0
      for (const { bytes, text } of chosen) {
        if (texts.length > 0 && size + 1 + bytes > frameBytes) {
          frames.push(texts.join("\n"))
          texts = []
          size = 0
        }
        size += texts.length === 0 ? bytes : 1 + bytes
        texts.push(text)
      }
      if (texts.length > 0) frames.push(texts.join("\n"))
      return frames
    }

    const flush = () => {
      if (entries.length === 0) return
      const collected = entries
      const special = collected.filter(({ except, only }) => only !== undefined || except !== undefined)
      entries = []
      const isFor = (entry: Entry, socket: Sockets.Socket) =>
        (entry.only === undefined || entry.only.has(socket)) && !entry.except?.has(socket)
      // Sockets that get the same messages get the same frames, joined once.
      const joined = new Map<string, ReadonlyArray<string>>()
      for (const socket of present().ndjson) {
        if (socket.readyState !== Sockets.OPEN) continue
        const since = newcomers.get(socket) ?? 0
        let key = `${since}`
        for (const entry of special) key += isFor(entry, socket) ? "+" : "-"
        let frames = joined.get(key)
        if (frames === undefined) {
          frames = join(collected.slice(since).filter((entry) => isFor(entry, socket)))
          joined.set(key, frames)
        }
        for (const frame of frames) {
          try {
            transmit(socket, frame)
          } catch {
            members = undefined
          }
        }
      }
      newcomers.clear()
      letGo()
    }

    const broadcastToAll = (frame: Protocol.Frame, except: ReadonlySet<Sockets.Socket> | undefined): Delivery => {
      const { ndjson, plain } = present()
      const now = transmitAll(plain, frame, except)
      if (ndjson.length === 0 || typeof frame !== "string") return now
      if (isBusy) {
        collect(frame, undefined, except)
        let left = 0
        if (except !== undefined) { for (const socket of ndjson) left += except.has(socket) ? 1 : 0 }
        return { delivered: now.delivered + ndjson.length - left, failed: now.failed }
      }
      const joined = transmitAll(ndjson, frame, except)
      becomeBusy()
      return { delivered: now.delivered + joined.delivered, failed: now.failed + joined.failed }
    }

    const speaksNdjson = (socket: Sockets.Socket) => registry.isSpeaking(socket, Protocol.ndjson)

    const broadcastTo = (
      frame: Protocol.Frame,
      audience: Audience.Audience,
      except: ReadonlySet<Sockets.Socket> | undefined
    ): Delivery => {
      const found = registry.open(audience)
      const collects = isBusy && typeof frame === "string"
      const now = transmitAll(collects ? found.filter((socket) => !speaksNdjson(socket)) : found, frame, except)
      const later = found.filter((socket) => speaksNdjson(socket) && !except?.has(socket))
      if (later.length === 0) return now
      if (!collects) {
        becomeBusy()
        return now
      }
      collect(frame, new Set(later), undefined)
      return { delivered: now.delivered + later.length, failed: now.failed }
    }

    return Outbox.of({
      send: (socket, frame) => {
        const joins = typeof frame === "string" && speaksNdjson(socket)
        if (joins && isBusy) return collect(frame, new Set([socket]), undefined)
        transmit(socket, frame)
        if (joins) becomeBusy()
        letGo()
      },
      broadcast: (frame, audience, except) => {
        const delivery = audience._tag === "All"
          ? broadcastToAll(frame, except)
          : broadcastTo(frame, audience, except)
        letGo()
        return delivery
      },
      entered: (socket) => {
        members = undefined
        if (entries.length > 0) newcomers.set(socket, entries.length)
      },
      left: () => {
        members = undefined
      },
      flush,
      onSlow: (close) => {
        closeSlow = close
      }
    })
  }
)
