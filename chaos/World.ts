/**
 * Where the room of a chaos run lives: in memory, in a process of Node, or in one of workerd.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as ConnectionId from "../src/domain/ConnectionId.ts"
import type { Report } from "./Annals.ts"

/** The room went before it answered, or it did not answer in time. */
export class Unanswered extends Data.TaggedError("Unanswered")<{ readonly what: string }> {}

/** The room does not let somebody in. */
export class Refused extends Data.TaggedError("Refused")<{ readonly status: number }> {}

/** What a message of a client is answered with. */
export type Answer =
  | { readonly _tag: "Heard"; readonly said: number }
  | { readonly _tag: "Refreshed"; readonly expiresAt?: number }
  | { readonly _tag: "Error"; readonly code: string }

/** What has come to a client so far, in order. */
export interface Received {
  readonly answers: ReadonlyArray<Answer>
  /** What everybody was told. */
  readonly shouts: ReadonlyArray<number>
  /** With which code the connection has ended; `undefined` while it lives, or if nobody has read so far. */
  readonly closed: number | undefined
}

/** A client of the room. */
export interface Client {
  readonly id: ConnectionId.ConnectionId
  readonly send: (frame: string) => Effect.Effect<void>
  readonly received: Effect.Effect<Received>
  /** Closes; without a code the room sees 1005. Ends when the close handshake has. */
  readonly leave: (code: number | undefined) => Effect.Effect<void, Unanswered>
  /** Breaks off. The room learns of it in its own time. */
  readonly vanish: Effect.Effect<void>
  /** Reads nothing any more. */
  readonly stall: Effect.Effect<void>
}

type Message =
  | Answer
  | { readonly _tag: "Welcome"; readonly id: ConnectionId.ConnectionId }
  | { readonly _tag: "Shouted"; readonly token: number }

/** Sorts what comes to a client. */
export class Inbox {
  readonly answers: Array<Answer> = []
  readonly shouts: Array<number> = []
  id: ConnectionId.ConnectionId | undefined
  closed: number | undefined

  push(frame: string): void {
    // SAFETY: it is what the room sends.
    const message = JSON.parse(frame) as Message
    if (message._tag === "Welcome") this.id = message.id
    else if (message._tag === "Shouted") this.shouts.push(message.token)
    else this.answers.push(message)
  }
}

/** What a call of the room carries and gives, by its method. */
export interface Calls {
  readonly set: readonly [
    payload: {
      readonly key: string
      readonly at: number
      readonly task: { readonly token: number; readonly takes: number; readonly fails: number }
      readonly connection?: ConnectionId.ConnectionId
    },
    success: boolean
  ]
  readonly cancel: readonly [payload: { readonly key: string }, success: boolean]
  readonly write: readonly [
    payload: { readonly token: number; readonly rows: number; readonly fails: boolean },
    success: boolean
  ]
  readonly kick: readonly [
    payload: { readonly id: ConnectionId.ConnectionId; readonly code: number },
    success: boolean
  ]
  readonly closeUser: readonly [payload: { readonly user: string }, success: number]
  readonly shout: readonly [payload: { readonly token: number; readonly bytes: number }, success: unknown]
  readonly look: readonly [payload: null, success: Report]
}

/** One room that outlives everything. Times are in milliseconds. */
export interface World {
  readonly now: Effect.Effect<number>
  readonly sleep: (millis: number) => Effect.Effect<void>
  readonly connect: (query: string) => Effect.Effect<Client, Refused | Unanswered>
  readonly call: <Method extends keyof Calls>(
    method: Method,
    payload: Calls[Method][0]
  ) => Effect.Effect<Calls[Method][1], Unanswered>
  /** The object sleeps, if it can and nothing keeps it awake. Its sockets stay. */
  readonly evict: Effect.Effect<void>
  /** The object goes with all its sockets, and starts again on the same storage when somebody wants it. */
  readonly abort: Effect.Effect<void>
  /** The process is killed and started again on the same storage. */
  readonly kill: Effect.Effect<void>
  /** Passes the time between the start of a step and a crash in the middle of it. */
  readonly hesitate: (moments: number) => Effect.Effect<void>
}

/** The rooms of a kind of world. */
export interface Kind {
  readonly name: string
  /** What a step's unit of time is, in milliseconds. */
  readonly tick: number
  /**
   * For how long what a crash follows may happen again, in milliseconds. Statements outside of a transaction are written
   * one after the other, and a process may be killed between two of them.
   */
  readonly slack: number
  /**
   * How long the room is let alone at the end of a chapter once all is due, in milliseconds. In a minute whoever a crash
   * has taken has its close, though nothing else happens.
   */
  readonly patience: (chapter: number) => number
  /** How often deadlines may be told to fail. A deadline that is set aside takes more than a minute. */
  readonly failures: ReadonlyArray<number>
  /** Of how many bytes a shout is. A client that reads none of them is closed at some time, if the runtime counts. */
  readonly shout: number
  /** Bytes with which a client that reads nothing is closed by the next shout at the latest. */
  readonly unread: number
  /** Whether an object sleeps, or goes by itself, while a client does not read what it was sent. */
  readonly sleepsUnread: boolean
  /** How many runs there may be at a time. */
  readonly concurrency: number
  /** Runs something in a world of its own. */
  readonly run: <A, E>(use: (world: World) => Effect.Effect<A, E>) => Effect.Effect<A, E>
}
