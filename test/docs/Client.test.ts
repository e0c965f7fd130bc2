/**
 * The clients of docs/client.md and of the README, as they stand there, on a room in memory.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { afterEach, vi } from "vitest"
import WebSocket from "ws"
import { Chat, Say } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import { connect, type Connection } from "../../src/client/Connect.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import { pass } from "../client/world.ts"

afterEach(() => vi.unstubAllGlobals())

/** What a page has, on the network of a room. */
const page = ({ network }: Pick<MemoryRoom.MemoryRoom<typeof Chat>, "network">) => {
  vi.stubGlobal("location", { href: "https://chat.example/" })
  vi.stubGlobal("WebSocket", function(url: string, protocols: ReadonlyArray<string>) {
    return network.transport(url, protocols)
  })
  vi.stubGlobal("fetch", async () => new Response("a.token"))
}

const inMemory = <A>(use: (room: MemoryRoom.MemoryRoom<typeof Chat>) => Promise<A>) => async () => {
  const scope = Scope.makeUnsafe()
  const room = await Effect.runPromise(Effect.provideService(MemoryRoom.make(Chat, ChatLive), Scope.Scope, scope))
  try {
    return await use(room)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}

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

it(
  "the hook gives a component its room (EX-2, CC-11)",
  inMemory(async (memory) => {
    page(memory)
    // As React has them, for one component that never renders again.
    const useState = <A>(make: () => A) => [make()] as const
    const effects: Array<() => () => void> = []
    const useEffect = (effect: () => () => void, _dependencies: ReadonlyArray<unknown>) => void effects.push(effect)
    const useSyncExternalStore = <A>(subscribe: (changed: () => void) => () => void, get: () => A) => {
      subscribe(() => {})()
      return get()
    }

    const useRoom = (make: () => Connection<typeof Chat>) => {
      const [room] = useState(make)
      useEffect(() => () => void room.close(), [room])
      const status = useSyncExternalStore(room.subscribe, () => room.status)
      return { room, status }
    }

    const { room, status } = useRoom(() => connect(Chat, { url: "/rooms/lobby" }))
    assert.strictEqual(status._tag, "Connecting")
    await until(() => room.status._tag === "Connected")
    for (const effect of effects) effect()()
    await until(() => room.status._tag === "Closed")
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
