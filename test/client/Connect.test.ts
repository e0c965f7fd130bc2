/**
 * The client without Effect, on a room in memory.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach } from "vitest"
import { connect, type Options } from "../../src/client/Connect.ts"
import type * as Status from "../../src/client/Status.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import * as Driven from "./DrivenSocket.ts"

class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}

const Note = Schema.Struct({ text: Schema.String })

const Wall = Room.make("wall", { receive: Note, send: Note, error: Full })

const WallLive = Wall.toLayer({
  message: Effect.fnUntraced(function*(_, { text }) {
    if (text === "full") return yield* new Full({ limit: 3 })
    const room = yield* Wall
    yield* room.broadcast({ text })
  })
})

let scope: Scope.Closeable
let room: MemoryRoom.MemoryRoom<typeof Wall>

beforeEach(async () => {
  scope = Scope.makeUnsafe()
  room = await Effect.runPromise(Effect.provideService(MemoryRoom.make(Wall, WallLive), Scope.Scope, scope))
})
afterEach(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const enter = (options: Partial<Options<typeof Wall>> = {}) =>
  connect(Wall, {
    url: "ws://memory/",
    transport: room.network.transport,
    reconnect: Schedule.spaced(20),
    ...options
  })

const until = async (condition: () => boolean) => {
  for (let turn = 0; !condition(); turn++) {
    assert.isBelow(turn, 500, "it did not happen")
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

it("promises, callbacks and an iterator say the same as the client (CC-11)", async () => {
  const messages: Array<string> = []
  const statuses: Array<Status.Status["_tag"]> = []
  const client = enter({
    onMessage: ({ text }) => messages.push(text),
    onStatus: ({ _tag }) => statuses.push(_tag)
  })
  let changes = 0
  const stop = client.subscribe(() => changes++)
  await until(() => client.status._tag === "Connected")
  assert.strictEqual(client.status, client.status)
  await client.send({ text: "a" }, { id: "1" })
  const iterator = client[Symbol.asyncIterator]()
  const next = iterator.next()
  await client.send({ text: "b" })
  assert.deepStrictEqual((await next).value, { text: "b" })
  await until(() => messages.length === 2)
  assert.deepStrictEqual(messages, ["a", "b"])
  stop()
  await client.close()
  await until(() => client.status._tag === "Closed")
  assert.isTrue((await iterator.next()).done)
  assert.isAbove(changes, 0)
  assert.deepStrictEqual(statuses, ["Connecting", "Connected", "Closed"])
  await until(() => Effect.runSync(room.network.sockets).length === 0)
})

it("a send rejects with what the room refuses it with, or with the client's error (CC-11)", async () => {
  const client = enter({ queue: false })
  await until(() => client.status._tag === "Connected")
  const refused = await client.send({ text: "full" }, { id: "1" }).catch((error: unknown) => error)
  assert.deepStrictEqual(refused, new Full({ limit: 3 }))
  await Effect.runPromise(room.network.cut)
  await until(() => client.status._tag !== "Connected")
  const full = await client.send({ text: "a" }).catch((error: unknown) => error)
  assert.deepInclude(full, { _tag: "RoomClientError" })
  await client.close()
})

it("a signal takes back what has not left, and callbacks that throw harm nobody (CC-11)", async () => {
  const thrown: Array<unknown> = []
  const caught = (error: unknown) => thrown.push(error)
  const others = process.rawListeners("uncaughtException")
  process.removeAllListeners("uncaughtException").on("uncaughtException", caught)
  try {
    const messages: Array<string> = []
    const client = enter({
      token: async () => "t",
      onMessage: ({ text }) => {
        messages.push(text)
        throw new Error(text)
      }
    })
    await until(() => client.status._tag === "Connected")
    await Effect.runPromise(room.network.cut)
    await until(() => client.status._tag !== "Connected")
    const abort = new AbortController()
    const taken = client.send({ text: "a" }, { signal: abort.signal }).catch(() => "taken")
    const kept = client.send({ text: "b" })
    abort.abort()
    assert.strictEqual(await taken, "taken")
    await kept
    await client.send({ text: "c" })
    await until(() => messages.length === 2)
    assert.deepStrictEqual(messages, ["b", "c"])
    assert.lengthOf(thrown, 2)
    await client.close()
  } finally {
    process.removeAllListeners("uncaughtException")
    for (const listener of others) process.on("uncaughtException", listener as never)
  }
})

it("an aborted signal rejects with its reason, before and after, and nothing is said (CC-5, CC-11)", async () => {
  const client = enter()
  await until(() => client.status._tag === "Connected")
  const reason = new Error("enough")
  const outcome = (promise: Promise<void>) => promise.then(() => "said", (error: unknown) => error)
  assert.strictEqual(await outcome(client.send({ text: "a" }, { signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const taken = outcome(client.send({ text: "b" }, { id: "1", signal: abort.signal }))
  abort.abort(reason)
  assert.strictEqual(await taken, reason)
  await client.send({ text: "c" }, { id: "2" })
  const heard: Array<string> = []
  for await (const { text } of client) {
    heard.push(text)
    if (text === "c") break
  }
  assert.deepStrictEqual(heard, ["c"])
  await client.close()
})

it("status is what it is, also at once after the end; who subscribes twice is told twice (CC-11)", async () => {
  const told: Array<Status.Status> = []
  const client = enter({ onStatus: (status) => told.push(status) })
  let changes = 0
  const listener = () => void changes++
  const stop = client.subscribe(listener)
  client.subscribe(listener)
  await until(() => client.status._tag === "Connected")
  assert.strictEqual(client.status, client.status)
  await until(() => told.at(-1)?._tag === "Connected")
  const before = changes
  assert.strictEqual(before % 2, 0)
  stop()
  await client.close()
  assert.strictEqual(client.status._tag, "Closed")
  assert.strictEqual(told.at(-1), client.status)
  assert.strictEqual(changes, before + 1)
})

it("callbacks are called in the turn of a frame, however many it has, and not after the end (CC-11)", async () => {
  const network = Driven.make()
  const heard: Array<string> = []
  const client = connect(Wall, {
    url: "ws://x/",
    transport: network.transport,
    listenerMessages: 2,
    onMessage: ({ text }) => {
      heard.push(text)
      if (text === "last") void client.close()
    }
  })
  await until(() => network.sockets.length === 1)
  network.last().open()
  for (let n = 1; n <= 9; n++) network.last().frame(`{"text":"${n}"}`)
  assert.lengthOf(heard, 9)
  network.last().frame(`{"text":"last"}\n{"text":"late"}`)
  assert.strictEqual(client.status._tag, "Closed")
  await client.close()
  assert.deepStrictEqual(heard.slice(9), ["last"])
})

it("what is told last is true, and who subscribes while told is told next time (CC-11)", async () => {
  const told: Array<string> = []
  const client = enter({ onStatus: ({ _tag }) => told.push(_tag) })
  let calls = 0
  const again = () => {
    calls += 1
    if (calls < 100) client.subscribe(again)
  }
  client.subscribe(again)
  await client.close()
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.strictEqual(told.at(-1), "Closed")
  assert.strictEqual(calls, 1)
})

it("an iterator that keeps up hears all that comes in one turn (CC-1, CC-11)", async () => {
  const network = Driven.make()
  const client = connect(Wall, { url: "ws://x/", transport: network.transport, listenerMessages: 2 })
  await until(() => network.sockets.length === 1)
  network.last().open()
  const heard: Array<string> = []
  const hearing = (async () => {
    for await (const { text } of client) if (heard.push(text) === 18) break
  })()
  for (let turn = 0; turn < 2; turn++) {
    for (let n = 0; n < 9; n++) network.last().frame(`{"text":"${n}"}`)
    await until(() => heard.length === 9 * (turn + 1))
  }
  await hearing
  await client.close()
})

it("an address that throws is an attempt that failed (CC-3)", async () => {
  let asked = 0
  const client = enter({
    url: () => {
      if (asked++ === 0) throw new Error("no address yet")
      return "ws://memory/"
    }
  })
  await until(() => client.status._tag === "Waiting")
  assert.deepInclude(client.status, { code: 1006, reason: "Error: no address yet" })
  await until(() => client.status._tag === "Connected")
  await client.close()
})
