import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Alarm from "../../src/services/Alarm.ts"
import { Ask, Probe, ProbeLive, Told } from "../contract/Probe.ts"
import * as World from "./world.ts"

const { Speak } = Ask.cases

// A probe whose layer fails as often as it is told.
const makeFlaky = () => {
  const seen = { fails: 0, starts: 0, lines: [] as Array<string> }
  const live = Layer.unwrap(Effect.suspend(() => {
    seen.starts++
    return seen.fails-- > 0 ? Effect.fail("the database is away") : Effect.succeed(ProbeLive)
  }))
  const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => void seen.lines.push(line))])
  return { seen, live, logger }
}

it.effect("in Node, too, a start that failed is tried again, no sooner than it says (LC-17)", () => {
  const { live, logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    seen.fails = 2
    const server = yield* World.serve(live)
    const refused = Effect.map(Effect.flip(World.connect(server, "room")), ({ status }) => [status, seen.starts])
    assert.deepStrictEqual(yield* refused, [503, 1])
    assert.deepStrictEqual(yield* refused, [503, 1])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* refused, [503, 2])
    yield* TestClock.adjust(1_999)
    assert.deepStrictEqual(yield* refused, [503, 2])
    yield* TestClock.adjust(1)
    const client = yield* World.connect(server, "room")
    yield* client.take(1)
    yield* client.send(Speak.make({ text: "at last" }))
    assert.strictEqual((yield* client.take(1))[0]?._tag, "Heard")
    assert.strictEqual(seen.starts, 3)
    assert.strictEqual(seen.lines.filter((line) => line.includes("the database is away")).length, 2)
  }).pipe(Effect.provide(logger))
})

it.effect("in Node, too, an alarm that fails is repeated, and its room stays until then (LC-18)", () => {
  const { logger, seen } = makeFlaky()
  return Effect.gen(function*() {
    let rang = 0
    const live = Layer.unwrap(Effect.sync(() => {
      seen.starts++
      return Probe.toLayer(Effect.gen(function*() {
        const room = yield* Probe
        return {
          connect: () => Effect.succeed({ state: { note: "" } }),
          alarm: Effect.suspend(() => ++rang < 6 ? Effect.die("not now") : room.broadcast(Told.cases.Rang.make({})))
        }
      }))
    }))
    const server = yield* World.serve(live)
    const alarm = <A>(use: (alarm: Alarm.Alarm["Service"]) => Effect.Effect<A>) =>
      server.rooms.run("room", Alarm.Alarm.use(use))
    yield* alarm(({ set }) => set(1_000))
    // Nobody is there, for longer than a room is kept without an alarm.
    yield* TestClock.adjust("32 seconds")
    assert.strictEqual(rang, 5)
    assert.isTrue(Option.isSome(yield* alarm(({ get }) => get)))
    const client = yield* World.connect(server, "room")
    yield* TestClock.adjust("31 seconds")
    assert.deepStrictEqual(yield* client.take(1), [{ _tag: "Rang" }])
    assert.deepStrictEqual([rang, seen.starts], [6, 1])
    assert.strictEqual(seen.lines.filter((line) => line.includes("not now")).length, 5)
  }).pipe(Effect.provide(logger))
})

it.effect("a server that ends while a room still starts refuses who waits for it (LS-5, AP-2)", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const begun = yield* Deferred.make<void>()
    const live = Layer.unwrap(Effect.as(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never), ProbeLive))
    const server = yield* Scope.provide(World.serve(live), scope)
    const waiting = yield* Effect.forkChild(Effect.flip(World.connect(server, "room")), { startImmediately: true })
    yield* Deferred.await(begun)
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
  }))

it.effect("what a layer holds that was built late is there for the last close handler (LS-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const { live: flaky, logger, seen } = makeFlaky()
    seen.fails = 1
    const live = Layer.unwrap(Effect.as(
      Effect.acquireRelease(Effect.void, () => Effect.sync(() => void told.push("released"))),
      Probe.toLayer({
        connect: () => Effect.succeed({ state: { note: "" } }),
        close: (_, { code }) => Effect.sync(() => void told.push(`close ${code}`))
      })
    )).pipe(Layer.provide(flaky))
    yield* Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(World.serve(live), scope)
      yield* Effect.flip(World.connect(server, "room"))
      yield* TestClock.adjust("1 second")
      yield* World.connect(server, "room")
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(logger))
    assert.deepStrictEqual(told, ["close 1001", "released"])
  }))
