import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { vi } from "vitest"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Room from "../../src/services/Room.ts"

const Words = Room.make("words", { receive: Schema.String, send: Schema.String })

const makeLog = () => {
  const lines: Array<string> = []
  return { lines, layer: Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]) }
}

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

it.effect("what a start that failed has installed is not there at the next one (LC-17)", () => {
  const { layer } = makeLog()
  return Effect.gen(function*() {
    const seen: Array<string> = []
    let builds = 0
    const handlers = (name: string) => Words.toLayer({ message: () => Effect.sync(() => void seen.push(name)) })
    const Live = Layer.unwrap(Effect.sync(() => {
      builds++
      if (builds === 1) return Layer.provideMerge(Layer.effectDiscard(Effect.fail("later")), handlers("first"))
      return builds === 2 ? Layer.empty : handlers("third")
    }))
    const room = yield* MemoryRoom.make(Words, Live)
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    yield* TestClock.adjust("2 seconds")
    yield* (yield* room.connect()).send("")
    assert.deepStrictEqual([builds, seen], [3, ["third"]])
  }).pipe(Effect.provide(layer))
})

it.effect("closes that waited and have run are not told as lost, and run once (LC-19)", () => {
  const { layer, lines } = makeLog()
  return Effect.gen(function*() {
    let isBroken = false
    const left: Array<number> = []
    const Live = Layer.unwrap(
      Effect.suspend(() =>
        isBroken
          ? Effect.fail("away")
          : Effect.succeed(Words.toLayer({ close: (_, { code }) => Effect.sync(() => left.push(code)) }))
      )
    )
    const room = yield* MemoryRoom.make(Words, Live)
    const clients = yield* Effect.replicateEffect(room.connect(), 3)
    isBroken = true
    yield* room.evict
    yield* clients[0]!.close(4000)
    yield* clients[1]!.close(4001)
    assert.deepStrictEqual(left, [])
    isBroken = false
    yield* TestClock.adjust("1 second")
    yield* clients[2]!.close(4002)
    yield* Effect.replicateEffect(Effect.yieldNow, 10)
    assert.sameMembers(left, [4000, 4001, 4002])
    lines.length = 0
    yield* room.evict
    yield* room.connect()
    assert.deepStrictEqual(lines, [])
    assert.strictEqual(left.length, 3)
  }).pipe(Effect.provide(layer))
})

it.effect("who comes while a start hangs waits for twenty seconds, and leaves no timer (LC-17)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const room = yield* MemoryRoom.make(
      Words,
      Layer.unwrap(Effect.as(Deferred.await(gate), Words.toLayer({ methods: {} } as {})))
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
      () => Effect.sync(() => vi.useRealTimers())
    )
    // One that is interrupted while it waits leaves nothing.
    const given = yield* fork(room.connect())
    assert.strictEqual(vi.getTimerCount(), 1)
    yield* Fiber.interrupt(given)
    assert.strictEqual(vi.getTimerCount(), 0)
    const waiting = yield* fork(room.connect())
    vi.advanceTimersByTime(19_999)
    // For a minute it is given the time that it takes.
    yield* TestClock.adjust(59_999)
    const late = yield* fork(room.connect())
    yield* Effect.replicateEffect(Effect.yieldNow, 10)
    assert.deepStrictEqual([waiting.pollUnsafe(), late.pollUnsafe()], [undefined, undefined])
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.forEach([waiting, late], Fiber.join)
    assert.strictEqual(vi.getTimerCount(), 0)
    assert.strictEqual(yield* room.run(Words.use((words) => words.count())), 2)
  }))

it.effect("what is run in a room that is starting waits for it, and finds its services (AP-2)", () =>
  Effect.gen(function*() {
    const Greeting = Context.Service<string>("effect-dormouse/test/services/Start/Greeting")
    const gate = yield* Deferred.make<void>()
    const Live = Words.toLayer({}).pipe(
      Layer.provideMerge(Layer.effect(Greeting, Effect.as(Deferred.await(gate), "hello")))
    )
    const room = yield* MemoryRoom.make(Words, Live)
    const running = yield* fork(room.run(Greeting))
    yield* Effect.replicateEffect(Effect.yieldNow, 10)
    assert.isUndefined(running.pollUnsafe())
    yield* Deferred.succeed(gate, undefined)
    assert.strictEqual(yield* Fiber.join(running), "hello")
    assert.strictEqual(yield* room.run(Greeting), "hello")
  }))

it.effect("the runtime answers what the room says, also once it has slept, and nothing where it says nothing (CH-5)", () =>
  Effect.gen(function*() {
    const heard: Array<string> = []
    const live = <N extends string>(room: Room.Room<N, string, string, undefined>) =>
      room.toLayer({ message: (_, text) => Effect.sync(() => heard.push(text)) })
    const Marco = Room.make("marco", {
      format: "text",
      receive: Schema.String,
      send: Schema.String,
      autoResponse: ["marco", "polo"]
    })
    const marco = yield* MemoryRoom.make(Marco, live(Marco))
    const client = yield* marco.connect()
    yield* client.sendFrame("marco")
    yield* marco.evict
    yield* client.sendFrame("marco")
    assert.deepStrictEqual(yield* client.receivedFrames, ["polo", "polo"])
    const Silent = Room.make("silent", { format: "text", receive: Schema.String, send: Schema.String })
    const silent = yield* MemoryRoom.make(Silent, live(Silent))
    yield* (yield* silent.connect()).sendFrame("ping")
    assert.deepStrictEqual(heard, ["ping"])
  }))

it.effect("an alarm that is removed, or set anew, does not ring; one in the past rings at once (LC-8, LC-18)", () => {
  const { layer, lines } = makeLog()
  return Effect.gen(function*() {
    const rang: Array<number> = []
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer({
        alarm: Effect.clockWith((clock) => Effect.sync(() => void rang.push(clock.currentTimeMillisUnsafe())))
      })
    )
    const alarm = <A>(use: (alarm: Alarm.Alarm["Service"]) => Effect.Effect<A>) => room.run(Alarm.Alarm.use(use))
    const get = alarm((alarm) => alarm.get)
    yield* alarm((alarm) => alarm.clear)
    assert.deepStrictEqual(yield* get, Option.none())
    yield* alarm((alarm) => alarm.set(1_000))
    yield* alarm((alarm) => alarm.clear)
    assert.deepStrictEqual(yield* get, Option.none())
    yield* TestClock.adjust("2 seconds")
    for (const at of [5_000, 4_000, 6_000]) {
      yield* alarm((alarm) => alarm.set(at))
      assert.deepStrictEqual(yield* get, Option.some(at))
    }
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(rang, [6_000])
    assert.deepStrictEqual(yield* get, Option.none())
    yield* alarm((alarm) => alarm.set(1))
    yield* TestClock.adjust(0)
    assert.deepStrictEqual(rang, [6_000, 12_000])
    assert.deepStrictEqual(lines, [])
  }).pipe(Effect.provide(layer))
})

it.effect("an alarm that is removed while it rings, and fails, is over (LC-18)", () => {
  const { layer, lines } = makeLog()
  return Effect.gen(function*() {
    let rang = 0
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer({
        alarm: Effect.gen(function*() {
          rang++
          const alarm = yield* Alarm.Alarm
          assert.deepStrictEqual(yield* alarm.get, Option.none())
          if (rang === 1) yield* alarm.set(60_000)
          return yield* Effect.fail("not now")
        })
      })
    )
    const alarm = yield* room.run(Alarm.Alarm)
    yield* alarm.set(1_000)
    yield* TestClock.adjust("1 second")
    // The one that the handler has set is the one that is set.
    assert.deepStrictEqual(yield* alarm.get, Option.some(60_000))
    yield* alarm.clear
    yield* TestClock.adjust("1 day")
    assert.strictEqual(rang, 1)
    assert.strictEqual(lines.length, 1)
  }).pipe(Effect.provide(layer))
})

it.effect("an alarm that is set and removed while it rings, and fails, is over, too (LC-18)", () => {
  const { layer } = makeLog()
  return Effect.gen(function*() {
    let rang = 0
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer({
        alarm: Effect.gen(function*() {
          rang++
          const alarm = yield* Alarm.Alarm
          yield* alarm.set(60_000)
          yield* alarm.clear
          return yield* Effect.fail("not now")
        })
      })
    )
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(1_000)))
    yield* TestClock.adjust("1 day")
    assert.strictEqual(rang, 1)
  }).pipe(Effect.provide(layer))
})

it.effect("an alarm that succeeds at its last repetition is not lost (LC-18)", () => {
  const { layer, lines } = makeLog()
  return Effect.gen(function*() {
    let rang = 0
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer({ alarm: Effect.suspend(() => ++rang < 7 ? Effect.fail("not now") : Effect.void) })
    )
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(1_000)))
    yield* TestClock.adjust("1 day")
    assert.strictEqual(rang, 7)
    assert.strictEqual(lines.length, 6)
    assert.strictEqual(new Set(lines).size, 1)
  }).pipe(Effect.provide(layer))
})

it.effect("a start that hangs is given up by who comes after a minute, and tried again (LC-17)", () => {
  const { layer } = makeLog()
  return Effect.gen(function*() {
    let starts = 0
    const room = yield* MemoryRoom.make(
      Words,
      Layer.unwrap(Effect.suspend(() => ++starts === 1 ? Effect.never : Effect.succeed(Words.toLayer({}))))
    )
    yield* TestClock.adjust("1 minute")
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    yield* TestClock.adjust("1 second")
    yield* room.connect()
    assert.strictEqual(starts, 2)
  }).pipe(Effect.provide(layer))
})

it.effect("who waits for a start that fails is counted as long as it waits (LT-1, LC-17)", () => {
  const { layer } = makeLog()
  return Effect.gen(function*() {
    const gate = yield* Deferred.make<void, string>()
    let starts = 0
    const room = yield* MemoryRoom.make(
      Words,
      Layer.unwrap(
        Effect.suspend(() => Effect.as(++starts === 1 ? Deferred.await(gate) : Effect.void, Words.toLayer({})))
      )
    )
    const waiting = yield* fork(Effect.flip(room.connect()))
    yield* Deferred.fail(gate, "away")
    assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
    yield* TestClock.adjust("1 second")
    yield* room.connect()
    assert.strictEqual(yield* room.run(Inside.useSync(({ arriving }) => arriving)), 0)
  }).pipe(Effect.provide(layer))
})
