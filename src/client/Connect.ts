/**
 * The client of a room for a program without Effect: the same connection, types and errors, as promises, callbacks and
 * an async iterator.
 *
 * **Example** (a page)
 *
 * ```ts
 * const room = connect(Chat, {
 *   url: "/rooms/lobby",
 *   query: { name: "Ada" },
 *   token: async () => (await fetch("/token")).text(),
 *   onMessage: (message) => show(message)
 * })
 * await room.send(new Say({ text: "hello" }))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Room from "../services/Room.ts"
import * as RoomClient from "./RoomClient.ts"
import type * as Status from "./Status.ts"
import * as Transport from "./Transport.ts"

/** A value, or a function that gives it, or a promise of it, for every attempt. One that throws has failed it. */
export type Given<A> = A | (() => A | PromiseLike<A>)

/** Where the room is, how a client behaves, and who hears of what. */
export interface Options<R extends Room.Any> extends Omit<RoomClient.Options, "url" | "query" | "token"> {
  /** The room's address: see `RoomClient.Options`. */
  readonly url: Given<string | URL>
  readonly query?: Given<Readonly<Record<string, string | undefined>>> | undefined
  readonly token?: Given<string | Redacted.Redacted | undefined> | undefined
  /** How sockets are opened: `new WebSocket`, unless given. */
  readonly transport?: Transport.Transport | undefined
  readonly onMessage?: ((message: Room.Send<R>) => void) | undefined
  readonly onStatus?: ((status: Status.Status) => void) | undefined
  readonly onTrouble?: ((trouble: RoomClient.Trouble<R>) => void) | undefined
}

/** A connection to a room that comes back by itself. */
export interface Connection<R extends Room.Any> extends AsyncIterable<Room.Send<R>> {
  /**
   * Says something; see `RoomClient.Service`. It rejects with a `RoomClientError`, and with an `id` also with what the
   * room refuses it with. The signal takes back what has not left, and makes it reject with the signal's
   * reason.
   */
  readonly send: (
    message: Room.Receive<R>,
    options?: { readonly id?: string | undefined; readonly signal?: AbortSignal | undefined }
  ) => Promise<void>
  /** How it stands to the room now. The same object until it changes. */
  readonly status: Status.Status
  /** Calls back when the status has changed. Gives what ends that. */
  readonly subscribe: (listener: () => void) => () => void
  /** Tries at once where it waits, and else asks whether the connection lives. */
  readonly wake: () => void
  /** Leaves with 1000. Nothing is left running. */
  readonly close: () => Promise<void>
}

/** Connects, now and again whenever it has to, until it is closed. */
export const connect = <R extends Room.Any>(
  room: R,
  { onMessage, onStatus, onTrouble, query, token, transport, url, ...options }: Options<R>
): Connection<R> => {
  const scope = Scope.makeUnsafe()
  const inScope = Effect.provideService(Scope.Scope, scope)
  const listeners = new Set<{ readonly listener: () => void }>()
  const told = (status: Status.Status) => {
    if (onStatus !== undefined) call(onStatus, status)
    for (const { listener } of new Set(listeners)) call(listener, undefined)
  }
  // Told at once: where nobody sees a page its timers are late, and so is whoever waits for a turn.
  const making = RoomClient.make(room, { ...options, url: asked(url), query: asked(query), token: asked(token) }, {
    onMessage: onMessage && ((message) => call(onMessage, message)),
    onTrouble: onTrouble && ((trouble) => call(onTrouble, trouble)),
    onStatus: told
  })
  // It waits for nothing, so it is done when this returns.
  const made = Effect.runFork(
    inScope(transport === undefined ? making : Effect.provideService(making, Transport.Transport, transport))
  ).pollUnsafe()
  if (made === undefined || Exit.isFailure(made)) throw new Error("The client cannot be made", { cause: made?.cause })
  const client = made.value
  // Whoever is told of it has the connection by then.
  const first = Effect.runSync(client.status)
  queueMicrotask(() => {
    if (Effect.runSync(client.status) === first) told(first)
  })

  return {
    send: async (message, { id, signal } = {}) => {
      signal?.throwIfAborted()
      const exit = await Effect.runPromiseExit(
        // SAFETY: both fail with what this may reject with.
        client.send(message, { id }) as Effect.Effect<void, unknown>,
        { signal }
      )
      if (Exit.isSuccess(exit)) return
      throw signal?.aborted && Cause.hasInterruptsOnly(exit.cause) ? signal.reason : Cause.squash(exit.cause)
    },
    get status() {
      return Effect.runSync(client.status)
    },
    subscribe: (listener) => {
      const entry = { listener }
      listeners.add(entry)
      return () => listeners.delete(entry)
    },
    wake: () => Effect.runFork(client.wake),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    [Symbol.asyncIterator]: () => Stream.toAsyncIterable(client.messages)[Symbol.asyncIterator]()
  }
}

// A function of the app that throws harms nobody else. The platform tells of it, as it does of a listener of an event.
const call = <A>(listener: (value: A) => void, value: A) => {
  try {
    listener(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

// Where it throws, the attempt has failed.
const asked = <A>(given: Given<A>) =>
  typeof given === "function"
    // SAFETY: nothing else that is given is a function.
    ? Effect.promise(async () => (given as () => A | PromiseLike<A>)())
    : given
