import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRuntime from "../../src/memory/MemoryRuntime.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Room from "../../src/services/Room.ts"
import { Probe, ProbeLive, Told } from "../contract/Probe.ts"
import { contract } from "../contract/suite.ts"
import type { World } from "../contract/World.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Told))

const world: Effect.Effect<World, never, import("effect/Scope").Scope> = Effect.gen(function*() {
  const room = yield* MemoryRoom.make(Probe, ProbeLive)
  const runtime = yield* room.run(Effect.context<MemoryRuntime.MemoryRuntime>())
  return {
    connect: (query) =>
      Effect.map(room.connect(`/${query ?? ""}`), (client) => {
        const inbox: Array<unknown> = []
        const arrived = Effect.map(client.receivedFrames, (frames) => {
          inbox.push(...frames)
          return inbox
        })
        const takeFrames = (count: number) =>
          Effect.map(arrived, (frames) => {
            if (frames.length < count) throw new Error(`${frames.length} frames have arrived, not ${count}`)
            return frames.splice(0, count)
          })
        return {
          send: (message) => Effect.orDie(client.send(message)),
          sendFrame: client.sendFrame,
          close: client.close,
          take: (count) => Effect.map(takeFrames(count), (frames) => frames.map((frame) => decode(frame))),
          takeFrame: Effect.map(takeFrames(1), ([frame]) => frame),
          rest: Effect.map(arrived, (frames) => frames.splice(0)),
          closed: Effect.map(client.closed, (close) => {
            if (close === undefined) throw new Error("The connection lives")
            return { code: close.code, reason: close.reason }
          })
        }
      }),
    run: room.run,
    socket: Effect.sync(() => Context.get(runtime, MemoryRuntime.MemoryRuntime).connect()[1]),
    evict: room.evict
  }
})

contract({ name: "in memory", world })

const Mortal = Room.make("mortal", { receive: Schema.String, send: Schema.String })

// Each handler takes its time, and says in which life of the object it began and ended.
const mortal = (told: Array<string>) => {
  let lives = 0
  return Mortal.toLayer(Effect.gen(function*() {
    const life = ++lives
    const room = yield* Mortal
    const alarm = yield* Alarm.Alarm
    const slowly = (what: string) =>
      Effect.sync(() => void told.push(`${what} in ${life}`)).pipe(Effect.andThen(Effect.sleep("10 seconds")))
    return {
      connect: ({ url }) => Effect.as(url.endsWith("slow") ? slowly("connect") : Effect.void, {}),
      message: Effect.fnUntraced(function*(_, text) {
        yield* slowly(text)
        const now = yield* Clock.currentTimeMillis
        yield* text === "alarm" ? alarm.set(now + 1_000) : room.broadcast(text)
      }),
      alarm: Effect.andThen(slowly("ring"), Effect.sync(() => void told.push(`rang in ${life}`)))
    }
  }))
}

const minute = Effect.forEach(Array.from({ length: 60 }), () => TestClock.adjust("1 second"))

const quiet = Effect.provide(Logger.layer([]))

it.effect("what still runs of an object that has crashed reaches nobody, lets nobody in and sets no alarm (RT-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const room = yield* MemoryRoom.make(Mortal, mortal(told))
    const ada = yield* room.connect()
    yield* Effect.forkChild(Effect.all([ada.sendFrame("alarm"), ada.sendFrame("tea")], { concurrency: "unbounded" }))
    const bob = yield* Effect.forkChild(Effect.exit(room.connect("/slow")))
    yield* TestClock.adjust("1 second")
    yield* room.crash
    const eve = yield* room.connect()
    yield* minute
    assert.isTrue(Exit.isFailure(yield* Fiber.join(bob)))
    assert.deepStrictEqual(yield* eve.received, [])
    assert.strictEqual(yield* room.run(Mortal.use((room) => room.count())), 1)
    assert.strictEqual((yield* room.run(Alarm.Alarm.use((alarm) => alarm.get)))._tag, "None")
    assert.deepStrictEqual(told.filter((line) => line.startsWith("ring")), [])
  }).pipe(quiet))

it.effect("an alarm that a crash has stopped rings again, once (RT-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const room = yield* MemoryRoom.make(Mortal, mortal(told))
    const now = yield* Clock.currentTimeMillis
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(now + 1_000)))
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(told, ["ring in 1"])
    yield* room.crash
    yield* TestClock.adjust("3 seconds")
    assert.deepStrictEqual(told, ["ring in 1", "ring in 2"])
    yield* minute
    yield* room.crash
    yield* minute
    assert.deepStrictEqual(told.filter((line) => line.startsWith("ring")), ["ring in 1", "ring in 2"])
    assert.include(told, "rang in 2")
  }).pipe(quiet))
