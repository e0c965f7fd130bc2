/**
 * The stock client of `effect/rpc` on the connection of this library, under the `TestClock`.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as RpcRoomClient from "../../src/client/RpcRoomClient.ts"
import type * as Status from "../../src/client/Status.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import { collect } from "../contract/client.ts"
import { Calls, Ticker, TickerLive } from "../rpc/Ticker.ts"
import { pass, settle } from "./world.ts"

const build = Effect.fnUntraced(function*(options: Partial<RpcRoomClient.Options> = {}) {
  const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
  const frames: Array<string> = []
  const protocols: Array<ReadonlyArray<string>> = []
  const statuses: Array<Status.Status> = []
  const transport: Transport.Transport = (url, offered) => {
    protocols.push(offered)
    const socket = room.network.transport(url, offered)
    const { send } = socket
    return Object.assign(socket, {
      send: (data: string | Uint8Array<ArrayBuffer>) => {
        frames.push(String(data))
        send(data)
      }
    })
  }
  const protocol = yield* RpcRoomClient.make({
    url: "ws://memory/",
    reconnect: Schedule.spaced(1_000),
    onStatus: (status) => statuses.push(status),
    ...options
  }).pipe(Effect.provideService(Transport.Transport, transport))
  const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
  yield* settle
  return { ...room, calls, frames, protocols, statuses }
})

it.effect("calls and pushed streams go on through sleeps; a call that is cut fails, one made away waits (CC-14)", () =>
  Effect.gen(function*() {
    let tokens = 0
    const { calls, evict, network, protocols, statuses } = yield* build({
      token: Effect.sync(() => `t${++tokens}`)
    })
    const watch = yield* collect(calls.Watch({}))
    // It is open when the answer to what is asked later is there.
    assert.strictEqual(yield* calls.Echo({ text: "a" }), "a")
    yield* evict
    yield* calls.Push({ value: 1 })
    yield* settle
    assert.deepStrictEqual(watch.all, [1])
    const never = yield* Effect.forkScoped(Effect.flip(calls.Never()), { startImmediately: true })
    yield* settle
    yield* network.cut
    yield* settle
    assert.strictEqual((yield* Fiber.join(never))._tag, "RpcClientError")
    assert.strictEqual((yield* Fiber.await(watch.fiber))._tag, "Failure")
    const waits = yield* Effect.forkScoped(calls.Echo({ text: "b" }), { startImmediately: true })
    yield* pass(999)
    assert.isUndefined(waits.pollUnsafe())
    yield* pass(1)
    assert.strictEqual(yield* Fiber.join(waits), "b")
    assert.deepStrictEqual(protocols, [["bearer", "t1", "plain"], ["bearer", "t2", "plain"]])
    assert.deepStrictEqual(statuses.map(({ _tag }) => _tag), ["Connected", "Waiting", "Connecting", "Connected"])
  }))

it.effect("the heartbeat of an RPC room is its own, every 25 seconds, and wakes nobody (CC-4, CC-14)", () =>
  Effect.gen(function*() {
    const { calls, evict, frames, network, statuses } = yield* build()
    const waking = yield* calls.Waking()
    yield* evict
    frames.length = 0
    yield* pass(600_000)
    assert.lengthOf(frames, 24)
    assert.deepStrictEqual([...new Set(frames)], [`{"_tag":"Ping"}`])
    assert.strictEqual(yield* calls.Waking(), waking + 1)
    yield* network.silence
    yield* pass(35_000)
    assert.deepInclude(statuses.at(-1), { _tag: "Waiting", code: 4000 })
  }))

it.effect("a code that ends it fails what is under way and what comes later (CC-2, CC-14)", () =>
  Effect.gen(function*() {
    const Calls = RpcGroup.make(Rpc.make("Leave", { payload: { code: Schema.Int } }))
    const Exit = RpcRoom.make("exit", Calls)
    const room = yield* MemoryRoom.make(
      Exit.room,
      Exit.toLayer(Effect.gen(function*() {
        const room = yield* Exit
        return {
          Leave: ({ code }, request) =>
            Effect.flatMap(room.caller(request), ({ id }) => Effect.orDie(room.close(id, { code }))).pipe(
              Effect.andThen(Effect.never)
            )
        }
      }))
    )
    const protocol = yield* RpcRoomClient.make({ url: "ws://memory/" }).pipe(
      Effect.provideService(Transport.Transport, room.network.transport)
    )
    const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
    for (let call = 0; call < 2; call++) {
      const error = yield* Effect.flip(calls.Leave({ code: 4500 }))
      assert.deepInclude(error.reason, { _tag: "SocketCloseError", code: 4500 })
    }
  }))

it.effect("RpcRoomClient's example watches (EX-2, CC-14)", () =>
  Effect.gen(function*() {
    const CounterRpcs = RpcGroup.make(Rpc.make("Watch", { success: Schema.Int, stream: true }))
    const Counter = RpcRoom.make("counter", CounterRpcs)
    const room = yield* MemoryRoom.make(Counter.room, Counter.toLayer({ Watch: () => Stream.make(1, 2) }))

    const watch = Effect.gen(function*() {
      const counter = yield* RpcClient.make(CounterRpcs)
      yield* Stream.runForEach(counter.Watch(), (total) => Effect.log(total))
    })

    const live = RpcRoomClient.layer({ url: "wss://example.com/counters/hall" })

    yield* watch.pipe(
      Effect.scoped,
      Effect.provide(live),
      Effect.provideService(Transport.Transport, room.network.transport)
    )
    yield* settle
    assert.deepStrictEqual(yield* room.network.sockets, [])
  }))
