/**
 * The clients of docs/client.md and of the README, as they stand there, on a room in memory.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { afterEach, vi } from "vitest"
import WebSocket from "ws"
import { Chat, Say } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import { connect } from "../../src/client/Connect.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import { pass } from "../client/world.ts"
import { inMemory, page, until } from "./page.ts"

afterEach(() => vi.unstubAllGlobals())

it.effect("RoomClient's example talks (EX-2, CC-1)", () =>
  Effect.gen(function*() {
    const heard: Array<string> = []
    const talk = Effect.gen(function*() {
      const client = yield* RoomClient.key(Chat)
      yield* client.send(new Say({ text: "hello" }))
      yield* Stream.runForEach(client.messages, (message) => Effect.log(message._tag))
    })

    const live = RoomClient.layer(Chat, { url: "wss://example.com/rooms/lobby", query: { name: "Ada" } })

    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const witness = yield* room.connect("/?name=Bob")
    yield* Effect.forkScoped(
      talk.pipe(Effect.provide(live), Effect.provideService(Transport.Transport, room.network.transport))
    )
    yield* pass(10)
    for (const { _tag } of yield* witness.received) heard.push(_tag)
    assert.deepStrictEqual(heard, ["Welcome", "Joined", "Said"])
  }))

it.effect("RoomClientError's example tells that too much waits (EX-2, CC-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const client = yield* RoomClient.make(Chat, { url: "ws://memory/", queue: false }).pipe(
      Effect.provideService(Transport.Transport, room.network.transport)
    )

    const say = (text: string) =>
      client.send(new Say({ text })).pipe(
        Effect.catchReason("RoomClientError", "QueueFull", () => Effect.log("Too much is waiting already"))
      )

    yield* say("hello")
  }))

it("Transport's example opens sockets of the `ws` package (EX-2)", () => {
  const live = Layer.succeed(Transport.Transport)((url, protocols) => new WebSocket(url, [...protocols]))
  assert.isTrue(Layer.isLayer(live))
})

it.effect("a confirmed message fails with what the room refuses it with (EX-2, CC-7)", () =>
  Effect.gen(function*() {
    class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}
    const Wall = Room.make("wall", { receive: Schema.String, send: Schema.String, error: Full })
    const Notes = Room.make("notes", {
      receive: Schema.Struct({ note: Schema.String }),
      send: Schema.String,
      error: Full
    })
    const room = yield* MemoryRoom.make(Notes, Notes.toLayer({ message: () => new Full({ limit: 100 }) }))
    assert.strictEqual(Wall.format, "json")
    const client = yield* RoomClient.make(Notes, { url: "ws://memory/" }).pipe(
      Effect.provideService(Transport.Transport, room.network.transport)
    )

    const pin = (note: string) =>
      client.send({ note }, { id: crypto.randomUUID() }).pipe(
        Effect.catchTag("Full", ({ limit }) => Effect.succeed(`There are ${limit} notes already`))
      )

    assert.strictEqual(yield* pin("hello"), "There are 100 notes already")
  }))

it(
  "Connect's example is a page's (EX-2, CC-11)",
  inMemory(async (memory) => {
    page(memory)
    const shown: Array<string> = []
    const show = ({ _tag }: typeof Chat.send.Type) => shown.push(_tag)

    const room = connect(Chat, {
      url: "/rooms/lobby",
      query: { name: "Ada" },
      token: async () => (await fetch("/token")).text(),
      onMessage: (message) => show(message)
    })
    await room.send(new Say({ text: "hello" }))

    await until(() => shown.length === 2)
    assert.deepStrictEqual(shown, ["Welcome", "Said"])
    await room.close()
  })
)

it(
  "the page's loop, status and end (EX-2, CC-11)",
  inMemory(async (memory) => {
    page(memory)
    const shown: Array<string> = []
    const show = (text: string) => shown.push(text)
    const room = connect(Chat, { url: "/rooms/lobby", query: { name: "Ada" } })

    const stop = room.subscribe(() => {
      const { status } = room
      show(status._tag === "Waiting" ? `Again at ${new Date(status.until)}` : status._tag)
    })
    for await (const message of room) {
      show(message._tag)
      if (message._tag === "Said") break
      await room.send(new Say({ text: "hello" }), { signal: AbortSignal.timeout(5_000) })
    }
    stop()
    await room.close()

    assert.includeMembers(shown, ["Welcome", "Said"])
  })
)

it.effect("both ends in one test (EX-2, CC-1)", () =>
  Effect.gen(function*() {
    const macrotask = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    const settle = Effect.andThen(TestClock.adjust(0), Effect.replicateEffect(macrotask, 4))
    const pass = (millis: number) => Effect.andThen(Effect.andThen(settle, TestClock.adjust(millis)), settle)

    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const client = yield* RoomClient.make(Chat, { url: "ws://memory/?name=Ada" }).pipe(
      Effect.provideService(Transport.Transport, room.network.transport)
    )
    yield* settle
    yield* room.network.cut
    yield* settle
    assert.strictEqual((yield* client.status)._tag, "Waiting")
    yield* pass(500)
    assert.strictEqual((yield* client.status)._tag, "Connected")
  }))
