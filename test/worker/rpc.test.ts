/**
 * An RPC room as it is deployed, and the stock client that talks to it over TCP.
 */
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { afterAll, beforeAll } from "vitest"
import { createTestHarness, type TestHarness } from "wrangler"
import * as RpcRoomClient from "../../src/client/RpcRoomClient.ts"
import { read } from "../rpc/suite.ts"
import { Calls } from "../rpc/Ticker.ts"

let harness: TestHarness
let url: URL

beforeAll(async () => {
  harness = createTestHarness({
    root: new URL("../durable/rpc", import.meta.url).pathname,
    workers: [{ configPath: "./wrangler.toml" }]
  })
  ;({ url } = await harness.listen())
})

afterAll(() => harness.close())

const client = (room: string, options?: Parameters<typeof RpcClient.layerProtocolSocket>[0]) => {
  const protocol = RpcClient.layerProtocolSocket(options).pipe(
    Layer.provide(RpcSerialization.layerJson),
    Layer.provide(Socket.layerWebSocket(new URL(room, url).href.replace(/^http/, "ws"))),
    Layer.provide(Socket.layerWebSocketConstructorGlobal)
  )
  return Effect.flatMap(Layer.build(protocol), (services) => Effect.provideContext(RpcClient.make(Calls), services))
}

type Test = (room: string) => Effect.Effect<void, unknown, Scope.Scope>

let rooms = 0
const test = (title: string, body: Test) => it.live(title, () => body(`/room-${++rooms}`))

const evict = (room: string) =>
  harness.getWorker().evictDurableObject("TickerRoom", { name: room, webSockets: "hibernate" })

const sleep = (room: string) => Effect.promise(() => evict(room))

const isAsleep = (room: string) =>
  Effect.promise(() =>
    evict(room).then(() => false, (error) => {
      if (String(error).includes("not currently running")) return true
      throw error
    })
  )

test("calls and pushed streams go on through every sleep, over TCP (RP-1, RP-2, RP-5)", (room) =>
  Effect.gen(function*() {
    const [ada, bob] = [yield* client(room), yield* client(room)]
    const watch = yield* read(ada.Watch({ first: [0] }))
    assert.strictEqual(yield* watch.take, 0)
    const waking = yield* bob.Waking()
    for (let value = 1; value <= 20; value++) {
      yield* sleep(room)
      assert.deepStrictEqual(yield* bob.Push({ value }), { delivered: 1, failed: 0 })
      assert.strictEqual(yield* watch.take, value)
      assert.strictEqual(yield* ada.Waking(), waking + value)
    }
    assert.deepInclude(yield* Effect.flip(bob.Refuse()), { _tag: "Refused", why: "because" })
    const dies = yield* Effect.exit(bob.Die())
    assert.isTrue(Exit.isFailure(dies) && Cause.hasDies(dies.cause))
    assert.strictEqual((yield* Stream.runCollect(bob.Count({ to: 10_000 }))).length, 10_000)
    yield* sleep(room)
    yield* Fiber.interrupt(watch.reading)
    yield* ada.Echo({ text: "" })
    assert.strictEqual((yield* bob.Push({ value: 0 })).delivered, 0)
  }))

test("the client's pings do not wake the object, over TCP (RP-4)", (room) =>
  Effect.gen(function*() {
    let dropped = 0
    const ada = yield* client(room, { pingInterval: 50, onPingTimeout: Effect.sync(() => void dropped++) })
    const watch = yield* read(ada.Watch({ first: [0] }))
    yield* watch.take
    const waking = yield* ada.Waking()
    assert.isFalse(yield* isAsleep(room))
    for (let index = 0; index < 4; index++) {
      yield* Effect.sleep(250)
      assert.isTrue(yield* isAsleep(room))
    }
    assert.strictEqual(yield* ada.Waking(), waking + 1)
    yield* ada.Push({ value: 1 })
    assert.strictEqual(yield* watch.take, 1)
    assert.strictEqual(dropped, 0)
  }))

test("a call in flight fails at once when the object goes away, and the client comes back, over TCP (RP-10)", (room) =>
  Effect.gen(function*() {
    let silences = 0
    const ada = yield* client(room, { onPingTimeout: Effect.sync(() => void silences++) })
    const never = yield* Effect.forkChild(Effect.flip(ada.Never()), { startImmediately: true })
    const watch = yield* read(ada.Watch({ first: [0] }))
    yield* watch.take
    yield* Effect.forkChild(Effect.promise(() => fetch(new URL(room, url))), { startImmediately: true })
    assert.strictEqual((yield* Fiber.join(never))._tag, "RpcClientError")
    assert.strictEqual((yield* Effect.flip(Fiber.join(watch.reading)))._tag, "RpcClientError")
    // The end of the connection tells it, and not a ping that went unanswered.
    assert.strictEqual(silences, 0)
    const back = yield* Effect.retry(ada.Echo({ text: "back" }), { times: 100, schedule: Schedule.spaced(50) })
    assert.strictEqual(back, "back")
    const again = yield* read(ada.Watch({ first: [0] }))
    yield* again.take
    yield* sleep(room)
    assert.strictEqual((yield* ada.Push({ value: 1 })).delivered, 1)
    assert.deepStrictEqual(yield* Queue.takeAll(again.queue), [1])
  }))

test("the client of this library calls and watches through a sleep, and comes back from a crash, over TCP (CC-14)", (room) =>
  Effect.gen(function*() {
    const protocol = RpcRoomClient.layer({ url: new URL(room, url), reconnect: Schedule.spaced(20) })
    const services = yield* Layer.build(protocol)
    const ada = yield* Effect.provideContext(RpcClient.make(Calls), services)
    const watch = yield* read(ada.Watch({ first: [0] }))
    assert.strictEqual(yield* watch.take, 0)
    yield* sleep(room)
    yield* ada.Push({ value: 1 })
    assert.strictEqual(yield* watch.take, 1)
    yield* Effect.promise(() =>
      harness.getWorker().evictDurableObject("TickerRoom", { name: room, webSockets: "close" })
    )
    assert.isTrue(Exit.isFailure(yield* Fiber.await(watch.reading)))
    assert.strictEqual(yield* ada.Echo({ text: "back" }), "back")
  }))
