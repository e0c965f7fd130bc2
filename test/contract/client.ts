/**
 * What a client does against any server of the chat: in memory, the deployed Worker over TCP, and Node.
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Random from "effect/Random"
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
  /** How many are many: 50, unless given. */
  readonly many?: number
}

export interface ChatRoom {
  readonly url: string
  /** The platform's own, unless given. */
  readonly transport?: Transport.Transport
  /** The room sleeps, and its clients stay. */
  readonly sleep: Effect.Effect<void>
  /** Whether it sleeps, where rooms sleep. */
  readonly isAsleep: Effect.Effect<boolean>
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

  test("a message with an id succeeds once it is handled, also when the room slept (CC-7, PL-7)", () =>
    Effect.gen(function*() {
      const room = yield* world.room
      const ada = yield* enter(room, "Ada")
      yield* ada.send(new Say({ text: "one" }), { id: "1" })
      yield* room.sleep
      yield* ada.send(new Say({ text: "two" }), { id: "2" })
      yield* until("both", () => ada.texts().length === 2)
      assert.deepStrictEqual(ada.heard, [])
    }))

  test("a heartbeat is answered, and a room that sleeps sleeps on (CC-4)", () =>
    Effect.gen(function*() {
      const room = yield* world.room
      const ada = yield* enter(room, "Ada", { pingEvery: 120, answerWithin: 100 })
      yield* room.sleep
      for (let passed = 0; passed < 50; passed++) yield* world.pass
      assert.deepStrictEqual(yield* ada.status, { _tag: "Connected" })
      assert.deepStrictEqual(ada.statuses.map(({ _tag }) => _tag).at(-1), "Connected")
      assert.isTrue(yield* room.isAsleep)
      yield* ada.send(new Say({ text: "hello" }))
      yield* until("the text", () => ada.texts().length === 1)
    }))

  test("a client that leaves has left with 1000 (CC-9)", () =>
    Effect.gen(function*() {
      const room = yield* world.room
      const bob = yield* enter(room, "Bob")
      yield* Effect.scoped(enter(room, "Ada"))
      const left = () => bob.all.find(({ _tag }) => _tag === "Left")
      yield* until("the leaving", () => left() !== undefined)
      assert.deepInclude(left(), { name: "Ada", code: 1000 })
    }))

  test("many whose room goes come back, spread over the window, and hear everything once, in order (CC-2)", () =>
    Effect.gen(function*() {
      const room = yield* world.room
      const window = 400
      const spread = Schedule.modifyDelay(
        Schedule.forever,
        () => Effect.map(Random.next, (random) => Duration.millis(window * random))
      )
      const clients = yield* Effect.forEach(
        Array.from({ length: world.many ?? 50 }, (_, n) => n),
        (n) => enter(room, `${n}`, { reconnect: spread }),
        { concurrency: 10 }
      )
      const backs = yield* Effect.forEach(
        clients,
        ({ messages }) =>
          collect(Stream.mapEffect(
            Stream.filter(messages, ({ _tag }) => _tag === "Welcome"),
            () => Clock.currentTimeMillis
          ))
      )
      yield* room.crash
      yield* until("everybody", () => backs.every(({ all }) => all.length > 0))
      const untils = clients.map(({ statuses }) =>
        Math.max(...statuses.map((status) => status._tag === "Waiting" ? status.until : 0))
      )
      const first = Math.min(...untils)
      // Half of them in the first half, more or less.
      const early = untils.filter((until) => until - first < window / 2).length
      assert.isTrue(early > untils.length / 4 && early < untils.length * 3 / 4, `${early} of ${untils.length}`)
      // Whoever is slow may be late. Nobody is early, but for what a timer rounds.
      const sooner = backs.map(({ all }, n) => untils[n]! - all[0]!)
      assert.isBelow(Math.max(...sooner), 5)
      const said = ["one", "two", "three"]
      for (const text of said) yield* clients[0]!.send(new Say({ text }))
      yield* until("all texts", () => clients.every((client) => client.texts().length === 3))
      for (const client of clients) assert.deepStrictEqual(client.texts(), said)
    }))
}
