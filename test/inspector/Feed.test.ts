import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Feed from "../../src/inspector/Feed.ts"
import type * as Inspection from "../../src/inspector/Inspection.ts"
import type * as Tally from "../../src/inspector/Tally.ts"
import type * as Outbox from "../../src/services/Outbox.ts"

const macrotasks = Effect.replicateEffect(Effect.promise(() => new Promise((resume) => setImmediate(resume))), 3)

const inspection: Inspection.Inspection = {
  _tag: "Inspection",
  room: "it",
  at: 0,
  awake: { since: 0 },
  wakes: { since: 0, by: [] },
  busy: { arriving: 0, asking: 0, leaving: 0 },
  count: 0,
  connections: [],
  deadlines: []
}

const alarm = (at: number): Inspection.Event => ({ _tag: "Alarm", at })

const reached: Outbox.Delivery = { delivered: 1, failed: 0 }
const nobody: Outbox.Delivery = { delivered: 0, failed: 0 }

/** A feed, of which `answer` is what a sending comes to. */
const make = Effect.gen(function*() {
  const services = yield* Effect.context<never>()
  const sent: Array<Inspection.Inspection | Inspection.Events> = []
  const kept: Array<number | undefined> = []
  const world: { answer: Effect.Effect<Outbox.Delivery, unknown> } = { answer: Effect.succeed(reached) }
  const tally: Tally.Tally = {
    since: 0,
    looking: undefined,
    look: (failures) => Effect.sync(() => void kept.push(failures)),
    count: () => {},
    wakes: Effect.succeed([])
  }
  const feed = Feed.make(Effect.runForkWith(services), tally, (message) =>
    Effect.suspend(() => {
      sent.push(message)
      return world.answer
    }))
  return { feed, kept, sent, world }
})

const summary = (messages: ReadonlyArray<Inspection.Inspection | Inspection.Events>) =>
  messages.map((message) =>
    message._tag === "Inspection" ? "Inspection" : [message.events.map(({ at }) => at), message.missed]
  )

it.effect("what passes in one turn leaves together, and nothing while nobody looks (IN-5)", () =>
  Effect.gen(function*() {
    const { feed, kept, sent } = yield* make
    feed.add(alarm(0))
    yield* macrotasks
    assert.deepStrictEqual(sent, [])
    feed.add(alarm(1))
    yield* feed.look(inspection)
    feed.add(alarm(2))
    feed.add(alarm(3))
    yield* macrotasks
    assert.deepStrictEqual(summary(sent), ["Inspection", [[2, 3], 0]])
    assert.deepStrictEqual(kept, [0])
  }))

it.effect("one sending is under way at a time, and at most 256 events wait for it (IN-5)", () =>
  Effect.gen(function*() {
    const { feed, sent, world } = yield* make
    const answer = yield* Deferred.make<Outbox.Delivery>()
    world.answer = Deferred.await(answer)
    yield* feed.look(inspection)
    yield* macrotasks
    for (let at = 0; at < 300; at++) feed.add(alarm(at))
    yield* macrotasks
    assert.strictEqual(sent.length, 1)
    world.answer = Effect.succeed(reached)
    yield* Deferred.succeed(answer, reached)
    yield* macrotasks
    feed.add(alarm(300))
    yield* macrotasks
    assert.deepStrictEqual(
      summary(sent.slice(1)),
      [[Array.from({ length: 256 }, (_, at) => at), 44], [[300], 0]]
    )
  }))

it.effect("an inspection that still waits when another one comes is out of date (IN-4)", () =>
  Effect.gen(function*() {
    const { feed, sent, world } = yield* make
    const answer = yield* Deferred.make<Outbox.Delivery>()
    world.answer = Deferred.await(answer)
    yield* feed.look(inspection)
    yield* macrotasks
    yield* feed.look(inspection)
    feed.add(alarm(1))
    yield* feed.look({ ...inspection, at: 2 })
    world.answer = Effect.succeed(reached)
    yield* Deferred.succeed(answer, reached)
    yield* macrotasks
    assert.deepStrictEqual(summary(sent), ["Inspection", [[1], 0], "Inspection"])
    assert.deepInclude(sent.at(-1), { at: 2 })
  }))

it.effect("it ends when nobody is reached, but not for who has begun to look meanwhile (IN-5)", () =>
  Effect.gen(function*() {
    const { feed, kept, sent, world } = yield* make
    yield* feed.look(inspection)
    yield* macrotasks
    const answer = yield* Deferred.make<Outbox.Delivery>()
    world.answer = Deferred.await(answer)
    feed.add(alarm(1))
    yield* macrotasks
    yield* feed.look(inspection)
    world.answer = Effect.succeed(reached)
    yield* Deferred.succeed(answer, nobody)
    yield* macrotasks
    assert.isTrue(feed.isOn())
    world.answer = Effect.succeed(nobody)
    feed.add(alarm(2))
    yield* macrotasks
    assert.isFalse(feed.isOn())
    feed.add(alarm(3))
    yield* macrotasks
    assert.deepStrictEqual(summary(sent), ["Inspection", [[1], 0], "Inspection", [[2], 0]])
    assert.deepStrictEqual(kept, [0, undefined])
  }))

it.effect("what could not be sent is counted, and after sixteen failures in a row nobody is thought to look (IN-5)", () =>
  Effect.gen(function*() {
    const { feed, kept, sent, world } = yield* make
    yield* feed.look(inspection)
    yield* macrotasks
    world.answer = Effect.fail("away")
    for (let at = 0; at < 3; at++) {
      feed.add(alarm(at))
      yield* macrotasks
    }
    world.answer = Effect.succeed(reached)
    feed.add(alarm(3))
    yield* macrotasks
    assert.deepStrictEqual(summary(sent.slice(-1)), [[[3], 3]])
    assert.deepStrictEqual(kept, [0, 1, 2, 3, 0])
    // One that hangs has failed after a while.
    world.answer = Effect.never
    for (let at = 0; at < 16; at++) {
      assert.isTrue(feed.isOn())
      feed.add(alarm(at))
      yield* macrotasks
      yield* TestClock.adjust("5 seconds")
      yield* macrotasks
    }
    assert.isFalse(feed.isOn())
  }))
