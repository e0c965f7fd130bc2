/**
 * A runtime in memory that keeps the rules of the real one: the sockets of one object with their tags and attachments,
 * its alarm, its storage, its sleep and its crash.
 *
 * Use it through `MemoryRoom` to test a room, and directly to test a service. As in the real runtime, the sockets, the
 * alarm and the storage outlive an eviction, and the services do not. Of a crash, the alarm and the storage are left.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { deserialize } from "node:v8"
import * as CloseCode from "../domain/CloseCode.ts"
import * as Limits from "../domain/Limits.ts"
import * as Alarm from "../services/Alarm.ts"
import * as ClockAlarm from "../services/ClockAlarm.ts"
import type * as Protocol from "../services/Protocol.ts"
import * as Sockets from "../services/Sockets.ts"
import * as Storage from "../services/Storage.ts"
import * as SocketRules from "./SocketRules.ts"
import * as SqliteStorage from "./SqliteStorage.ts"

/** The events of an object, as the runtime delivers them. */
export interface Events {
  readonly message: (socket: Sockets.Socket, frame: Protocol.Received) => Effect.Effect<unknown>
  readonly close: (socket: Sockets.Socket, close: CloseCode.Close) => Effect.Effect<void>
  readonly error: (socket: Sockets.Socket, error: unknown) => Effect.Effect<void>
  /** If it fails, the runtime repeats it. */
  readonly alarm: (repetition: number) => Effect.Effect<void, unknown>
}

/** The client's end of a connection. Its effects end when the event that they cause has been handled. */
export interface Client {
  /** The server's end, as the object sees it now: another one after each eviction. */
  readonly server: () => Sockets.Socket
  /** What has arrived and was not yet taken. */
  readonly inbox: Array<Protocol.Frame>
  /** From now on the listener is told what arrives, and the end. The inbox stays as it is. */
  readonly listen: (listener: Listener) => void
  /** How the connection ended for the client; `undefined` while it lives. */
  readonly closed: () => CloseCode.Close | undefined
  readonly send: (frame: Protocol.Received) => Effect.Effect<void>
  /** Begins the close handshake; without a code the server sees 1005. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** The connection breaks off: no close frame reaches the server. */
  readonly drop: Effect.Effect<void>
  /** The client breaks the WebSocket protocol, or sends a frame that the runtime refuses. */
  readonly violate: (code: 1002 | 1007 | 1009) => Effect.Effect<void>
  /** From now on the client does not answer a close. */
  readonly mute: Effect.Effect<void>
  /** From now on the client reads nothing. */
  readonly stall: Effect.Effect<void>
}

/** Whoever is told what arrives at a client. */
export interface Listener {
  readonly frame: (frame: Protocol.Frame) => void
  readonly closed: (close: CloseCode.Close) => void
}

export class MemoryRuntime extends Context.Service<MemoryRuntime, {
  /** A new socket, to be accepted, and its client. */
  readonly connect: () => readonly [Client, Sockets.Socket]
  /** Says who handles the events, until the next eviction. */
  readonly listen: (events: Events) => Effect.Effect<void>
  /** The object sleeps. Afterwards it sees every socket as a new object. */
  readonly evict: Effect.Effect<void>
  /**
   * The object crashes: every connection breaks off, and nobody tells the object. What still runs of it reaches nothing
   * any more. An alarm that was ringing rings again, as the runtime repeats it.
   */
  readonly crash: Effect.Effect<void>
  /** The sockets, the alarm and the storage, as the object sees them until it crashes. */
  readonly life: () => Context.Context<Alarm.Alarm | Sockets.Sockets | Storage.Storage>
  /** Handles the events that the object itself has caused, like the answer to a close. */
  readonly settle: Effect.Effect<void>
}>()("effect-dormouse/memory/MemoryRuntime") {
  static readonly layer: Layer.Layer<MemoryRuntime | Alarm.Alarm | Sockets.Sockets | Storage.Storage> = Layer
    .effectContext(
      Effect.suspend(() => make)
    )
}

// What the runtime holds for a connection. `MemorySocket` is a view of it that an eviction replaces.
interface Link {
  tags: ReadonlyArray<string> | undefined
  attachment: Uint8Array | undefined
  readyState: number
  serverClosed: boolean
  clientGone: boolean
  /** Whether the object has slept since we closed it. */
  hasSlept: boolean
  isMute: boolean
  /** Bytes that wait for a client that reads nothing; `undefined` while it reads. */
  waiting: number | undefined
  closed: CloseCode.Close | undefined
  /** When a text was last answered by the auto-response. */
  answeredAt: number | undefined
  view: MemorySocket
  listener: Listener | undefined
  readonly inbox: Array<Protocol.Frame>
}

const arrive = ({ inbox, listener }: Link, frame: Protocol.Frame) =>
  listener === undefined ? inbox.push(frame) : listener.frame(frame)

const finish = (link: Link, close: CloseCode.Close) => {
  if (link.closed !== undefined) return
  link.closed = close
  link.listener?.closed(close)
}

class MemorySocket implements Sockets.Socket {
  readonly #link: Link
  readonly #answer: (link: Link, close: CloseCode.Close) => void

  constructor(link: Link, answer: (link: Link, close: CloseCode.Close) => void) {
    this.#link = link
    this.#answer = answer
  }

  get readyState() {
    return this.#link.readyState
  }

  get bufferedAmount() {
    return this.#link.waiting ?? 0
  }

  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>) {
    const link = this.#link
    if (link.tags === undefined) throw new TypeError("The socket must be accepted before messages can be sent.")
    if (link.serverClosed) throw new TypeError("Can't call WebSocket send() after close().")
    if (link.clientGone) return
    if (link.waiting === undefined) arrive(link, SocketRules.toFrame(data))
    else link.waiting += typeof data === "string" ? Limits.utf8Bytes(data) : data.byteLength
  }

  close(code?: number, reason = "") {
    const link = this.#link
    SocketRules.checkClose(code, reason)
    if (link.tags === undefined) throw new TypeError("The socket must be accepted before it can be closed.")
    if (link.serverClosed || link.clientGone) return
    link.serverClosed = true
    const close = { code: code ?? CloseCode.noStatus, reason, wasClean: true }
    const answersClient = link.readyState === SocketRules.CLOSING
    link.readyState = answersClient ? SocketRules.CLOSED : SocketRules.CLOSING
    if (answersClient) finish(link, close)
    else if (!link.isMute) this.#answer(link, close)
  }

  serializeAttachment(value: unknown) {
    this.#link.attachment = SocketRules.toAttachment(value)
  }

  deserializeAttachment(): unknown {
    return this.#link.attachment === undefined ? null : deserialize(this.#link.attachment)
  }
}

const make = Effect.gen(function*() {
  // Those of the life that the object is in.
  let links = new Set<Link>()
  const linkOf = new WeakMap<Sockets.Socket, Link>()
  const pending: Array<Effect.Effect<void>> = []
  let events: Events | undefined
  let autoResponse: readonly [request: string, response: string] | undefined

  const handled = <E>(event: (events: Events) => Effect.Effect<unknown, E>): Effect.Effect<void, E> =>
    Effect.andThen(Effect.suspend(() => events === undefined ? Effect.void : event(events)), settle)

  const settle: Effect.Effect<void> = Effect.suspend(() => {
    const next = pending.shift()
    return next === undefined ? Effect.void : Effect.andThen(next, settle)
  })

  const clientAnswers = (link: Link, close: CloseCode.Close) => {
    finish(link, close)
    pending.push(handled((events) => {
      link.readyState = SocketRules.CLOSED
      return Effect.ensuring(events.close(link.view, close), Effect.sync(() => links.delete(link)))
    }))
  }

  const view = (link: Link) => {
    link.view = new MemorySocket(link, clientAnswers)
    linkOf.set(link.view, link)
    return link.view
  }

  const get = (socket: Sockets.Socket): Link => {
    const link = linkOf.get(socket)
    if (link === undefined || link.view !== socket) throw new Error("The socket belongs to another life of the object.")
    return link
  }

  const ends = (link: Link, event: (events: Events) => Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (link.clientGone || link.closed !== undefined) return Effect.void
      link.clientGone = true
      finish(link, CloseCode.brokenOff)
      if (link.readyState === Sockets.OPEN) link.readyState = SocketRules.CLOSING
      return handled((events) => Effect.ensuring(event(events), Effect.sync(() => links.delete(link))))
    })

  const clientOf = (link: Link): Client => ({
    server: () => link.view,
    inbox: link.inbox,
    listen: (listener) => {
      link.listener = listener
    },
    closed: () => link.closed,
    send: (frame) =>
      Effect.suspend(() => {
        if (link.clientGone || link.closed !== undefined) return Effect.void
        if (autoResponse?.[0] === frame) {
          arrive(link, autoResponse[1])
          return Effect.map(Clock.currentTimeMillis, (now) => {
            link.answeredAt = now
          })
        }
        return handled((events) => events.message(link.view, frame))
      }),
    close: (code, reason = "") =>
      Effect.suspend(() => {
        if (link.clientGone || link.closed !== undefined) return Effect.void
        const close = { code: code ?? CloseCode.noStatus, reason, wasClean: true }
        if (link.serverClosed) {
          finish(link, close)
          link.readyState = SocketRules.CLOSED
        } else {
          link.readyState = SocketRules.CLOSING
        }
        return handled((events) =>
          Effect.ensuring(events.close(link.view, close), Effect.sync(() => links.delete(link)))
        )
      }),
    drop: ends(link, (events) =>
      events.close(link.view, {
        code: CloseCode.abnormal,
        reason: "WebSocket disconnected without sending Close frame.",
        wasClean: false
      })),
    violate: (code) =>
      ends(link, (events) =>
        events.error(
          link.view,
          new Error(`WebSocket protocol error; protocolError.statusCode = ${code}; protocolError.description = …`)
        )),
    mute: Effect.sync(() => {
      link.isMute = true
    }),
    // Its close frame waits behind what it does not read.
    stall: Effect.sync(() => {
      link.isMute = true
      link.waiting = 0
    })
  })

  const breakOff = (link: Link) => {
    link.clientGone = true
    finish(link, CloseCode.brokenOff)
    link.readyState = SocketRules.CLOSED
  }

  // As workerd does: in the second sleep it forgets that we closed a socket, while the peer has not answered.
  const oversleep = (link: Link) => {
    if (link.hasSlept) {
      link.serverClosed = false
      link.readyState = Sockets.OPEN
    }
    link.hasSlept = true
  }

  // The ring that is under way, if it is one of this life.
  let ringing: object | undefined
  const alarm = yield* ClockAlarm.make((repetition) =>
    Effect.suspend(() => {
      const own = ringing = {}
      return Effect.ensuring(
        handled((events) => events.alarm(repetition)),
        Effect.sync(() => {
          if (ringing === own) ringing = undefined
        })
      )
    })
  )

  const ringAgain = Effect.gen(function*() {
    if (ringing === undefined) return
    ringing = undefined
    if (Option.isSome(yield* alarm.get)) return
    yield* alarm.set((yield* Clock.currentTimeMillis) + 2_000)
  })

  const sqlite = SqliteStorage.make()
  yield* Effect.addFinalizer(() => Effect.sync(sqlite.close))

  const life = (): Context.Context<Alarm.Alarm | Sockets.Sockets | Storage.Storage> => {
    const own = links
    const hasEnded = () => links !== own
    const alive = <A>(use: () => A): A => {
      if (hasEnded()) throw new Error("The object has crashed.")
      return use()
    }
    const storage = SqliteStorage.during(sqlite, hasEnded)
    return Context.make(Storage.Storage, {
      ...storage,
      clear: Effect.andThen(Effect.sync(storage.clear), alarm.clear)
    }).pipe(
      Context.add(Alarm.Alarm, {
        set: (at) => Effect.suspend(() => alive(() => alarm.set(at))),
        get: Effect.suspend(() => alive(() => alarm.get)),
        clear: Effect.suspend(() => alive(() => alarm.clear))
      }),
      Context.add(Sockets.Sockets, {
        accept: (socket, tags) =>
          alive(() => {
            const link = get(socket)
            if (link.tags !== undefined) throw new Error("The socket was already accepted.")
            link.tags = Limits.acceptedTags(tags, own.size)
            own.add(link)
          }),
        // Who was there when it crashed is still listed, and hears nothing.
        list: (tag) => {
          const views = [...own].filter(({ tags }) => tag === undefined || tags?.includes(tag)).map(({ view }) => view)
          return tag === undefined ? views.toReversed() : views
        },
        tags: (socket) => {
          const { tags } = get(socket)
          if (tags === undefined) throw new Error("The socket must be accepted before its tags can be read.")
          return tags
        },
        autoRespond: (request, response) =>
          alive(() => {
            autoResponse = Limits.autoResponse(request, response)
          }),
        answeredAt: (socket) => get(socket).answeredAt
      })
    )
  }

  return Context.make(MemoryRuntime, {
    connect: () => {
      const link: Omit<Link, "view"> = {
        tags: undefined,
        attachment: undefined,
        readyState: Sockets.OPEN,
        serverClosed: false,
        clientGone: false,
        hasSlept: false,
        isMute: false,
        waiting: undefined,
        closed: undefined,
        answeredAt: undefined,
        listener: undefined,
        inbox: []
      }
      // SAFETY: `view` sets what is missing.
      const server = view(link as Link)
      return [clientOf(link as Link), server]
    },
    listen: (handlers) =>
      Effect.sync(() => {
        events = handlers
      }),
    evict: Effect.sync(() => {
      for (const link of links) {
        if (link.serverClosed && !link.clientGone && link.closed === undefined) oversleep(link)
        view(link)
      }
    }),
    crash: Effect.suspend(() => {
      pending.length = 0
      links.forEach(breakOff)
      links = new Set()
      return ringAgain
    }),
    life,
    settle
  }).pipe(Context.merge(life()))
})
