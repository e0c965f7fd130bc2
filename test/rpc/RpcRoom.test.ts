import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Guard from "../../src/doors/Guard.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Lifecycle from "../../src/services/Lifecycle.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract } from "./suite.ts"
import { Ticker, TickerLive } from "./Ticker.ts"
import type { World } from "./World.ts"

const world = Effect.gen(function*(): Effect.fn.Return<World, never, Scope.Scope> {
  const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
  return {
    connect: Effect.fnUntraced(function*(query = "") {
      const client = yield* room.connect(`/${query}`)
      const inbox: Array<string> = []
      const arrived = Effect.map(client.receivedFrames, (frames) => inbox.push(...frames.map(String)))
      const take: Effect.Effect<string, number> = Effect.gen(function*() {
        while (true) {
          yield* arrived
          const frame = inbox.shift()
          if (frame !== undefined) return frame
          const close = yield* client.closed
          if (close !== undefined) return yield* Effect.fail(close.code)
          yield* Effect.sleep(1)
        }
      })
      const scope = yield* Effect.scope
      return {
        // The room has handled a request when it has answered it, and nobody waits for that before the next.
        send: (frame) => Effect.asVoid(Effect.forkIn(client.sendFrame(frame), scope, { startImmediately: true })),
        take,
        rest: Effect.andThen(
          Effect.sleep(5),
          Effect.map(arrived, () => inbox.splice(0).map((frame) => JSON.parse(frame)))
        ),
        close: client.close(1000)
      }
    }),
    run: room.run,
    ring: Effect.ignore(room.run(Lifecycle.Lifecycle.use((lifecycle) => lifecycle.alarm))),
    evict: room.evict
  }
})

contract("in memory", world)

it.effect("calls that come while a room starts overlap once it has, and can be interrupted (RP-1, AP-2)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const isSlow = { now: false }
    const Slow = Layer.unwrap(
      Effect.as(Effect.suspend(() => isSlow.now ? Deferred.await(gate) : Effect.void), TickerLive)
    )
    const room = yield* MemoryRoom.make(Ticker.room, Slow)
    const client = yield* room.connect()
    isSlow.now = true
    yield* room.evict
    const request = (id: number, tag: string, payload: unknown = null) =>
      client.sendFrame(JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] }))
    const steps = [
      request(1, "Never"),
      request(2, "Echo", { text: "meanwhile" }),
      client.sendFrame(JSON.stringify({ _tag: "Interrupt", requestId: 1 })),
      request(3, "Echo", { text: "after" })
    ]
    const waiting = yield* Effect.forEach(steps, (step) => Effect.forkChild(step, { startImmediately: true }))
    assert.deepStrictEqual(yield* client.received, [])
    yield* Deferred.succeed(gate, undefined)
    for (const fiber of waiting.slice(1)) yield* Fiber.join(fiber)
    yield* Fiber.join(waiting[0]!)
    const answered = (yield* client.received).map((frame) => frame._tag === "Exit" ? frame.requestId : frame._tag)
    assert.sameMembers(answered, [1, 2, 3])
  }))

it.effect("the calls of who leaves hold the object no longer, whatever they are (RP-6, RP-10)", () =>
  Effect.gen(function*() {
    for (const leave of ["close", "drop"] as const) {
      const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
      const client = yield* room.connect()
      const frames = [
        { _tag: "Request", id: 1, tag: "Never", payload: null, headers: [] },
        { _tag: "Request", id: 2, tag: "Count", payload: { to: 1_000_000 }, headers: [] }
      ]
      const waiting = yield* Effect.forEach(
        frames,
        (frame) => Effect.forkChild(client.sendFrame(JSON.stringify(frame)), { startImmediately: true })
      )
      yield* Effect.yieldNow
      assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() === undefined))
      yield* leave === "close" ? client.close(1000) : client.drop
      for (const fiber of waiting) yield* Fiber.join(fiber)
    }
  }))

it.effect("a room is called from outside, and pushes what it is told (RP-5)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Ticker.room)
    const watcher = yield* (yield* (yield* MemoryRooms.key(Ticker.room)).room("far")).connect()
    yield* watcher.send({ _tag: "Request", id: 1, tag: "Watch", payload: {}, headers: [] })
    assert.strictEqual(yield* rooms.get("far").tick({ value: 7 }), 1)
    assert.deepStrictEqual(yield* watcher.received, [{ _tag: "Chunk", requestId: 1, values: [7] }])
  }).pipe(Effect.provide(MemoryRooms.layer(Ticker.room, TickerLive))))

it.effect("a call over the rate dies at once, and what steers a call is no message of it (LM-3, RP-1)", () =>
  Effect.gen(function*() {
    const Guarded = Layer.merge(
      TickerLive,
      Guard.layer({ messageBurst: 2, messagesPerSecond: 1, rateViolations: 100 })
    )
    const room = yield* MemoryRoom.make(Ticker.room, Guarded)
    const client = yield* room.connect()
    for (let n = 0; n < 50; n++) {
      yield* client.sendFrame(`{"_tag":"Ack","requestId":"${n}"}`)
      yield* client.sendFrame(`{"_tag":"Interrupt","requestId":"${n}","interruptors":[1,2]}`)
    }
    const ask = Effect.fnUntraced(function*(frame: string) {
      yield* client.sendFrame(frame)
      return (yield* client.receivedFrames).map(String).join("\n")
    })
    const request = (id: number) => `{"_tag":"Request","id":"${id}","tag":"Nobody","payload":null,"headers":[]}`
    for (const id of [1, 2]) assert.notInclude(yield* ask(request(id)), "Refused")
    const [answer] = (yield* ask(request(3))).split("\n").map((line) => JSON.parse(line))
    assert.deepInclude(answer, { _tag: "Exit", requestId: "3" })
    assert.include(JSON.stringify(answer), "You may say 1 messages a second")
    // What only begins like a small frame is none.
    assert.include(yield* ask(`{"_tag":"Ping",${request(4).slice(1)}`), "Refused")
    assert.notInclude(yield* ask(`{"_tag":"Eof"}`), "Refused")
  }))

it.effect("a call to a room that has not started dies at once (LC-17, RP-1)", () =>
  Effect.gen(function*() {
    let isBroken = false
    const Breaking = Layer.effectDiscard(Effect.suspend(() => isBroken ? Effect.die("broken") : Effect.void))
    const room = yield* MemoryRoom.make(Ticker.room, Layer.merge(TickerLive, Breaking))
    const client = yield* room.connect()
    isBroken = true
    yield* room.evict
    yield* client.sendFrame(`{"_tag":"Request","id":"7","tag":"Nobody","payload":null,"headers":[]}`)
    const [frame] = yield* client.receivedFrames
    assert.deepInclude(JSON.parse(String(frame)), { _tag: "Exit", requestId: "7" })
  }))
