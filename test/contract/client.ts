/**
 * What a client does against any server of the chat: in memory, the deployed Worker over TCP, and Node.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Chat, Say } from "../../src/Chat.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import type * as Status from "../../src/client/Status.ts"
import * as Transport from "../../src/client/Transport.ts"

/** A server of chats. */
export interface World {
  /** A room that no other test enters. */
  readonly room: Effect.Effect<ChatRoom, never, Scope.Scope>
  /** Ten milliseconds pass, of real time or of the test's. */
  readonly pass: Effect.Effect<void>
}

export interface ChatRoom {
  readonly url: string
  /** The platform's own, unless given. */
  readonly transport?: Transport.Transport
  /** The room sleeps, and its clients stay. */
  readonly sleep: Effect.Effect<void>
  /** The room goes, and its clients' connections with it. */
  readonly crash: Effect.Effect<void>
}

type Test = (title: string, effect: () => Effect.Effect<void, unknown, Scope.Scope>) => void

/** Reads a stream into an array as it comes. */
export const collect = Effect.fnUntraced(function*<A, E>(stream: Stream.Stream<A, E>) {
  const all: Array<A> = []
  const fiber = yield* Effect.forkScoped(Stream.runForEach(stream, (value) => Effect.sync(() => all.push(value))), {
    startImmediately: true
  })
  return { all, fiber }
})

const texts = (messages: ReadonlyArray<typeof Chat.send.Type>) =>
  messages.flatMap((message) => "text" in message ? [message.text] : [])

/** Runs the suite. */
export const suite = (test: Test, world: World) => {
  const until = Effect.fnUntraced(function*(what: string, condition: () => boolean) {
    for (let passed = 0; !condition(); passed++) {
      if (passed === 1_000) return yield* Effect.die(new Error(`${what} did not come`))
      yield* world.pass
    }
  })

  const enter = Effect.fnUntraced(function*(room: ChatRoom, name: string, options: Partial<RoomClient.Options> = {}) {
    const client = yield* RoomClient.make(Chat, {
      url: room.url,
      query: { name },
      reconnect: Schedule.spaced(50),
      ...options
    }).pipe(room.transport ? Effect.provideService(Transport.Transport, room.transport) : identity)
    const { all } = yield* collect(client.messages)
    const troubles = yield* collect(client.troubles)
    const statuses = yield* collect(client.statuses)
    yield* until("the welcome", () => all.length > 0)
    return { ...client, all, texts: () => texts(all as never), heard: troubles.all, statuses: statuses.all }
  })

  test("typed messages go both ways, also after a sleep, and several of a turn in order (CC-1)", () =>
    Effect.gen(function*() {
      const room = yield* world.room
      const ada = yield* enter(room, "Ada")
      const bob = yield* enter(room, "Bob")
      yield* ada.send(new Say({ text: "one" }))
      yield* until("the first text", () => bob.texts().length === 1)
      yield* room.sleep
      for (const text of ["two", "three", "four"]) yield* ada.send(new Say({ text }))
      yield* until("all texts", () => bob.texts().length === 4 && ada.texts().length === 4)
      assert.deepStrictEqual(bob.texts(), ["one", "two", "three", "four"])
      assert.deepStrictEqual(ada.texts(), ["one", "two", "three", "four"])
      assert.deepStrictEqual(ada.heard, [])
    }))

  test("a client whose room goes comes back by itself, and what it said meanwhile is sent, once, in order (CC-2, CC-5)", () =>
    Effect.gen(function*() {
      const room = yield* world.room
      const ada = yield* enter(room, "Ada", { reconnect: Schedule.spaced(200) })
      const bob = yield* enter(room, "Bob", { reconnect: Schedule.spaced(50) })
      yield* room.crash
      yield* until("the loss", () => ada.statuses.some(({ _tag }) => _tag === "Waiting"))
      const sending = yield* Effect.forkScoped(
        Effect.forEach(["one", "two", "three"], (text) => ada.send(new Say({ text })), { concurrency: "unbounded" })
      )
      yield* until("the return", () => ada.all.filter(({ _tag }) => _tag === "Welcome").length === 2)
      yield* Fiber.join(sending)
      yield* until("all texts", () => ada.texts().length === 3)
      assert.deepStrictEqual(ada.texts(), ["one", "two", "three"])
      assert.isAtLeast(bob.all.length, 1)
      const tags = ada.statuses.map((status: Status.Status) => status._tag)
      assert.deepStrictEqual(tags.slice(-3), ["Waiting", "Connecting", "Connected"])
    }))
}
