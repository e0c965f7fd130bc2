/**
 * The stock client of `effect/rpc` on the connection of this library, under the `TestClock`.
 */
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { RequestId } from "effect/rpc/RpcMessage"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as RpcRoomClient from "../../src/client/RpcRoomClient.ts"
import type * as Status from "../../src/client/Status.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import { collect } from "../contract/client.ts"
import { Calls, Ticker, TickerLive } from "../rpc/Ticker.ts"
import * as Driven from "./DrivenSocket.ts"
import { pass, settle } from "./world.ts"

const read = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  assert.instanceOf(error, RpcClientError)
  return error.reason
}

/** A call that is under way, and what it fails with. */
const begin = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.andThen(Effect.forkScoped(call, { startImmediately: true }), (fiber) => Effect.as(settle, fiber))

const reasonOf = <A, E>(fiber: Fiber.Fiber<A, E>) => {
  const exit = fiber.pollUnsafe()
  assert.strictEqual(exit?._tag, "Failure", "it has failed")
  return read((exit as Exit.Failure<A, E>).cause)
}

const build = Effect.fnUntraced(function*(options: Partial<RpcRoomClient.Options> = {}) {
  const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
  const frames: Array<string> = []
  const protocols: Array<ReadonlyArray<string>> = []
  const statuses: Array<Status.Status> = []
  let hear: (event: Transport.Events["message"]) => void
  const wire = { waits: 0, throws: false }
  const transport: Transport.Transport = (url, offered) => {
    protocols.push(offered)
    const socket = room.network.transport(url, offered)
    const { addEventListener, send } = socket
    Object.defineProperty(socket, "bufferedAmount", { get: () => wire.waits })
    return Object.assign(socket, {
      send: (data: string | Uint8Array<ArrayBuffer>) => {
        if (wire.throws) throw new Error("broken")
        frames.push(String(data))
        send(data)
      },
      addEventListener: ((event, listener) => {
        if (event === "message") hear = listener as typeof hear
        addEventListener.call(socket, event, listener as never)
      }) as Transport.Socket["addEventListener"]
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
  /** As if the room had said it. */
  const tell = (frame: string) => Effect.andThen(Effect.sync(() => hear({ data: frame })), settle)
  return { ...room, calls, frames, protocol, protocols, statuses, tell, wire }
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

it.effect("who reads a stream slowly holds up nobody, and misses nothing (CC-14)", () =>
  Effect.gen(function*() {
    const { calls, network } = yield* build()
    const heard: Array<number> = []
    const gate = yield* Latch.make()
    const slowly = Stream.runForEach(calls.Watch({}), (value) =>
      Effect.andThen(gate.await, Effect.sync(() => heard.push(value))))
    const watch = yield* begin(slowly)
    const values = Array.from({ length: 60 }, (_, value) =>
      value)
    for (const value of values) yield* calls.Push({ value })
    assert.strictEqual(yield* calls.Echo({ text: "a" }), "a")
    // The end comes after what came before it, whatever becomes of the connection.
    yield* calls.End({})
    yield* settle
    yield* network.cut
    yield* pass(1_000)
    assert.strictEqual(yield* calls.Echo({ text: "b" }), "b")
    yield* gate.open
    yield* Fiber.join(watch)
    assert.deepStrictEqual(heard, values)

    yield* gate.close
    const another = yield* begin(slowly)
    for (const value of values) yield* calls.Push({ value })
    yield* network.cut
    yield* pass(1_000)
    assert.strictEqual(yield* calls.Echo({ text: "c" }), "c")
    yield* gate.open
    assert.strictEqual(
      read((yield* Fiber.await(another) as Effect.Effect<Exit.Failure<void, unknown>>).cause)._tag,
      "SocketCloseError"
    )
  }))

it.effect("a stream whose reader is too far behind fails, and the room hears of it (CC-14)", () =>
  Effect.gen(function*() {
    const { calls } = yield* build({ streamChunks: 4 })
    const gate = yield* Latch.make()
    const behind = yield* begin(Stream.runForEach(calls.Watch({}), () => gate.await))
    const watch = yield* collect(calls.Watch({}))
    yield* settle
    for (let value = 0; value < 40; value++) yield* Effect.andThen(calls.Push({ value }), settle)
    assert.deepStrictEqual(yield* calls.Push({ value: 40 }), { delivered: 1, failed: 0 })
    yield* gate.open
    yield* settle
    const reason = reasonOf(behind)
    assert.strictEqual(reason._tag, "RpcClientDefect")
    assert.strictEqual(reason.message, "More than 4 messages wait for a listener")
    assert.lengthOf(watch.all, 41)
  }))

it.effect("what is no message of the server fails what is under way, and nothing else (CC-14)", () =>
  Effect.gen(function*() {
    const { calls, frames, network, tell } = yield* build()
    for (const frame of ["null", "42", `"x"`, "[null]", "[[]]", "{}", `{"_tag":"Defect"}`, "no JSON"]) {
      const never = yield* begin(calls.Never())
      const watch = yield* begin(Stream.runDrain(calls.Watch({})))
      yield* tell(frame)
      assert.strictEqual(reasonOf(never)._tag, "RpcClientDefect", frame)
      assert.strictEqual(reasonOf(watch)._tag, "RpcClientDefect", frame)
      // Nobody hears them any more.
      assert.strictEqual(frames.filter((frame) => frame.startsWith(`{"_tag":"Interrupt"`)).length, 2)
      assert.strictEqual((yield* calls.Push({ value: 1 })).delivered, 0)
      yield* network.cut
      yield* pass(1_000)
      assert.strictEqual(yield* calls.Echo({ text: frame }), frame)
      frames.length = 0
    }
  }))

it.effect("a frame that the room refuses fails what it may be about (CC-14, RP-8)", () =>
  Effect.gen(function*() {
    const { calls, protocol, tell } = yield* build()
    const watch = yield* collect(calls.Watch({}))
    yield* calls.Push({ value: 1 })
    const never = yield* begin(calls.Never())
    yield* tell(`{"_tag":"Error","code":"InvalidMessage","message":"Not this."}`)
    const reason = reasonOf(never)
    assert.strictEqual(reason._tag, "RpcClientDefect")
    assert.strictEqual(reason.message, "InvalidMessage: Not this.")
    // That which was answered was not refused.
    yield* calls.Push({ value: 2 })
    yield* settle
    assert.deepStrictEqual(watch.all, [1, 2])

    // The room itself says which it is.
    const again = yield* RpcClient.make(RpcGroup.make(Rpc.make("Any", { payload: { it: Schema.Unknown } }))).pipe(
      Effect.provideService(RpcClient.Protocol, protocol)
    )
    const another = yield* begin(calls.Never())
    const open = yield* collect(calls.Watch({ topic: "quiet" }))
    const deep = yield* Effect.exit(again.Any({ it: Array.from({ length: 40 }).reduce((it) => [it], 0) }))
    assert.include(String(deep), "A message has at most 32 levels and 1000 keys.")
    assert.isUndefined(another.pollUnsafe())
    assert.isUndefined(open.fiber.pollUnsafe())
  }))

it.effect("when its scope closes everything fails, and so does what comes later (CC-9, CC-14)", () =>
  Effect.gen(function*() {
    for (const isAway of [false, true]) {
      const scope = yield* Scope.make()
      const { network, protocol, statuses } = yield* Scope.provide(build(), scope)
      const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
      yield* settle
      if (isAway) yield* Effect.andThen(network.cut, settle)
      const never = yield* begin(calls.Never())
      const watch = yield* begin(Stream.runDrain(calls.Watch({})))
      yield* Scope.close(scope, Exit.void)
      yield* settle
      const late = yield* begin(calls.Echo({ text: "a" }))
      for (const fiber of [never, watch, late]) {
        assert.deepInclude(reasonOf<unknown, unknown>(fiber), { _tag: "SocketCloseError", code: 1000 })
      }
      assert.deepStrictEqual(statuses.at(-1), { _tag: "Closed", code: 1000, reason: "" })
      assert.lengthOf(statuses.filter(({ _tag }) => _tag === "Closed"), 1)
    }
  }))

it.effect("a connection that ends as it opens loses no call, and one made as it breaks off waits (CC-14)", () =>
  Effect.gen(function*() {
    const sent: Array<string> = []
    let connections = 0
    const transport: Transport.Transport = () => {
      const listeners: Partial<Record<string, (event: never) => void>> = {}
      const mine = ++connections
      const socket = {
        binaryType: "",
        protocol: "plain",
        readyState: 0,
        addEventListener: (event: string, listener: (event: never) => void) => void (listeners[event] = listener),
        removeEventListener: (event: string) => void delete listeners[event],
        send: (frame: string | Uint8Array<ArrayBuffer>) => void sent.push(`${mine} ${JSON.parse(String(frame)).tag}`),
        close: () => undefined
      } satisfies Transport.Socket
      queueMicrotask(() => {
        socket.readyState = 1
        listeners["open"]?.({} as never)
        if (mine > 1) return
        socket.readyState = 3
        listeners["close"]?.({ code: 1012, reason: "", wasClean: true } as never)
      })
      return socket
    }
    let whileWaiting: Effect.Effect<unknown> = Effect.void
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const protocol = yield* RpcRoomClient.make({
      url: "ws://memory/",
      reconnect: Schedule.spaced(1_000),
      onStatus: ({ _tag }) => {
        if (_tag === "Waiting") fork(whileWaiting)
      }
    }).pipe(Effect.provideService(Transport.Transport, transport))
    const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
    whileWaiting = Effect.exit(calls.Waking())
    yield* settle
    const echo = yield* begin(calls.Echo({ text: "a" }))
    const gaveUp = yield* begin(calls.Never())
    yield* Fiber.interrupt(gaveUp)
    yield* pass(1_000)
    assert.deepStrictEqual(sent, ["2 Waking", "2 Echo"])
    yield* Fiber.interrupt(echo)
  }))

it.effect("who calls again as a silent connection is given up waits for the next (CC-4, CC-14)", () =>
  Effect.gen(function*() {
    const network = Driven.make()
    const protocol = yield* RpcRoomClient.make({ url: "ws://x/", reconnect: Schedule.spaced(1_000) }).pipe(
      Effect.provideService(Transport.Transport, network.transport)
    )
    const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
    yield* settle
    network.last().open("plain")
    const called = yield* begin(Effect.catch(calls.Echo({ text: "first" }), () => calls.Echo({ text: "second" })))
    yield* pass(35_000)
    assert.lengthOf(network.last().closes, 1)
    yield* pass(1_000)
    network.last().open("plain")
    assert.deepStrictEqual(
      network.sockets.map(({ sent }) => ["first", "second"].filter((text) => sent.join().includes(text))),
      [["first"], ["second"]]
    )
    yield* Fiber.interrupt(called)
  }))

it.effect("a call that the network does not take fails at once (CC-5, CC-14)", () =>
  Effect.gen(function*() {
    const { calls, frames, wire } = yield* build({ bufferBytes: 1_000 })
    wire.waits = 900
    const before = frames.length
    const full = yield* Effect.flip(calls.Echo({ text: "x".repeat(100) }))
    assert.strictEqual(full.reason._tag, "SocketWriteError")
    assert.include(String(full.reason.cause), "Too much waits for the connection")
    assert.strictEqual(frames.length, before)
    wire.waits = 0
    assert.lengthOf(yield* calls.Echo({ text: "x".repeat(2_000) }), 2_000)

    // What a socket throws at has not left.
    wire.throws = true
    const waits = yield* begin(calls.Echo({ text: "a" }))
    wire.throws = false
    yield* pass(1_000)
    assert.strictEqual(yield* Fiber.join(waits), "a")
  }))

it.effect("a call that the room would close the connection for fails, and has not left (CC-1, CC-14)", () =>
  Effect.gen(function*() {
    for (const messageBytes of [undefined, 70_000]) {
      const { calls, frames } = yield* build({ messageBytes })
      const before = frames.length
      const { reason } = yield* Effect.flip(calls.Echo({ text: "é".repeat(35_000) }))
      assert.strictEqual(reason._tag, "SocketWriteError")
      assert.include(String(reason.cause), `It has more than ${messageBytes ?? 65_536} bytes`)
      assert.strictEqual(frames.length, before)
      assert.lengthOf(yield* calls.Echo({ text: "x".repeat(65_000) }), 65_000)
    }
  }))

const driven = Effect.fnUntraced(function*(options: Partial<RpcRoomClient.Options> = {}) {
  const network = Driven.make()
  const statuses: Array<Status.Status> = []
  const protocol = yield* RpcRoomClient.make({
    url: "ws://x/",
    reconnect: Schedule.spaced(1_000),
    onStatus: (status) => statuses.push(status),
    ...options
  }).pipe(Effect.provideService(Transport.Transport, network.transport))
  const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
  yield* settle
  const idOf = (frame: unknown) => JSON.parse(String(frame)).id as string
  return { ...network, calls, protocol, statuses, lastId: () => idOf(network.last().sent.at(-1)) }
})

it.effect("a schedule that dies or interrupts itself ends the calls, and tells why (CC-2, CC-14)", () =>
  Effect.gen(function*() {
    const failures = [
      [Effect.die(new Error("no schedule")), "Error: no schedule"],
      [Effect.interrupt, "Error: All fibers interrupted without error"]
    ] as const
    for (const [fails, why] of failures) {
      const reconnect = Schedule.modifyDelay(Schedule.forever, () => fails)
      const { calls, last, statuses } = yield* driven({ reconnect })
      last().end()
      yield* settle
      assert.deepInclude(statuses.at(-1), { _tag: "Closed", code: 1006, reason: why })
      const { reason } = yield* Effect.flip(calls.Echo({ text: "a" }))
      assert.strictEqual(reason._tag, "SocketCloseError")
    }
  }))

it.effect("a frame of which nothing can be made ends what it is about, and throws nowhere (CC-14)", () =>
  Effect.gen(function*() {
    const { calls, last, lastId } = yield* driven()
    last().open("")
    const refused = yield* begin(calls.Echo({ text: "a" }))
    last().frame(`{"_tag":"Error","code":{"toString":1,"valueOf":1},"message":[]}`)
    yield* settle
    assert.strictEqual(reasonOf(refused)._tag, "RpcClientDefect")
    const makes = [
      () => calls.Echo({ text: "a" }),
      () => calls.Echo({ text: "a" }, { discard: true }),
      () => Stream.runDrain(calls.Watch({ topic: "t" }))
    ]
    for (const make of makes) {
      for (const exit of [undefined, null, 3]) {
        const other = yield* begin(calls.Echo({ text: "other" }))
        const call = yield* begin<unknown, unknown>(make())
        last().frame(JSON.stringify({ _tag: "Exit", requestId: lastId(), exit }))
        yield* settle
        assert.isDefined(call.pollUnsafe(), `${exit}`)
        assert.isUndefined(other.pollUnsafe())
        yield* Fiber.interrupt(other)
      }
    }
  }))

it.effect("without a connection that takes it, 100 calls wait, and one more fails at once (CC-5, CC-14)", () =>
  Effect.gen(function*() {
    const { calls, last } = yield* driven({ waitingCalls: 3 })
    last().open("")
    last().readyState = 2
    last().bufferedAmount = 2_000_000
    const waiting = yield* Effect.forEach(["a", "b", "c"], (text) => begin(calls.Echo({ text })))
    const { reason } = yield* Effect.flip(calls.Echo({ text: "d" }))
    assert.include(String(reason.cause), "Too much waits")
    last().end()
    yield* pass(1_000)
    last().open("")
    assert.lengthOf(last().sent, 3)
    assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() === undefined))
  }))

it.effect("when a client of the protocol goes, the room is told to interrupt what it had begun (CC-14)", () =>
  Effect.gen(function*() {
    const { last, protocol } = yield* driven()
    last().open("")
    yield* Effect.scoped(Effect.gen(function*() {
      const calls = yield* Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
      yield* Effect.forkScoped(Stream.runDrain(calls.Watch({ topic: "t" })), { startImmediately: true })
      yield* settle
    }))
    yield* settle
    const tags = last().sent.map((frame) => JSON.parse(String(frame))._tag)
    assert.deepStrictEqual(tags.filter((tag) => tag === "Interrupt"), ["Interrupt"])
  }))

it.effect("an id that is in use fails the second call alone; what nobody waits for succeeds as it begins (CC-14)", () =>
  Effect.gen(function*() {
    const { calls, network, protocol } = yield* build()
    const another = RpcClient.make(Calls, { generateRequestId: () => RequestId("mine") }).pipe(
      Effect.provideService(RpcClient.Protocol, protocol)
    )
    const first = yield* begin((yield* another).Wait({ milliseconds: 50 }))
    const second = yield* begin((yield* another).Echo({ text: "a" }))
    assert.strictEqual(reasonOf(second)._tag, "RpcClientDefect")
    yield* pass(50)
    assert.strictEqual(yield* Fiber.join(first), "done")
    assert.isUndefined(yield* calls.Wait({ milliseconds: 60_000 }, { discard: true }))
    yield* network.cut
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
