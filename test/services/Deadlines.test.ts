import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"
import { Diary, DiaryLive, ran } from "../contract/Diary.ts"

const note = Diary.useSync(({ deadlines }) => deadlines.note)
const set = (key: string, millis: number, text: string) =>
  Effect.flatMap(note, (note) => note.set(key, millis, { text }))
const failed = Effect.flatMap(note, (note) => note.failed)

it.effect("a deadline that fails is tried again after 1, 2, 4 … 32 seconds, and then set aside (DL-5)", () =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    yield* Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Diary, DiaryLive)
      yield* room.run(set("a", 1_000, "fail"))
      yield* room.run(set("b", 40_000, "fine"))
      for (let second = 0; second < 100; second++) {
        yield* TestClock.adjust("1 second")
        if (second % 5 === 0) yield* room.evict
      }
      const all = yield* room.run(ran)
      assert.deepStrictEqual(all.filter(({ what }) => what.startsWith("a")).map(({ at }) => at), [
        1_000,
        2_000,
        4_000,
        8_000,
        16_000,
        32_000,
        64_000
      ])
      assert.deepStrictEqual(all.find(({ what }) => what.startsWith("b")), { what: "b: fine", at: 40_000 })
      const [one, ...others] = yield* room.run(failed)
      assert.deepStrictEqual(others, [])
      assert.deepInclude(one, { key: "a", at: 1_000, payload: { text: "fail" }, failures: 7 })
      assert.include(one!.error, "as it should")
      assert.deepStrictEqual(yield* room.run(Effect.flatMap(note, (note) => note.list())), [])
      assert.deepStrictEqual(yield* room.run(Effect.flatMap(note, (note) => note.get("a"))), Option.none())
      // It begins anew if it is set again.
      yield* room.run(set("a", 1_000, "fail 1"))
      assert.deepStrictEqual(yield* room.run(failed), [])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* room.run(ran)).slice(-2).map(({ what }) => what), ["a: fail 1", "a: fail 1 (1)"])
    }).pipe(Effect.provide(Logger.layer([logger])))
    assert.strictEqual(lines.filter((line) => line === "A deadline failed").length, 7)
    assert.strictEqual(lines.filter((line) => line === "A deadline is set aside: it failed each time").length, 1)
  }))

it.effect("what is set aside can be cancelled (DL-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Diary, DiaryLive)
    yield* room.run(set("a", 0, "die"))
    yield* TestClock.adjust("2 minutes")
    assert.strictEqual((yield* room.run(failed)).length, 1)
    assert.isTrue(yield* room.run(Effect.flatMap(note, (note) => note.cancel("a"))))
    assert.deepStrictEqual(yield* room.run(failed), [])
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("a handler that hangs holds the others up for five seconds, and has failed after a minute (DL-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Diary, DiaryLive)
    yield* room.run(set("a", 1_000, "hang"))
    yield* room.run(set("b", 1_001, "fine"))
    yield* TestClock.adjust("2 seconds")
    yield* TestClock.adjust("5 seconds")
    const fine = (yield* room.run(ran)).find(({ what }) => what === "b: fine")
    assert.isAtMost(fine!.at, 7_000)
    // It goes on, and another one that is due runs meanwhile.
    yield* room.run(set("c", 1_000, "fine"))
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual((yield* room.run(ran)).map(({ what }) => what), ["a: hang", "b: fine", "c: fine"])
    assert.strictEqual(Option.getOrThrow(yield* room.run(Effect.flatMap(note, (note) => note.get("a")))).failures, 0)
    yield* TestClock.adjust("45 seconds")
    assert.strictEqual(Option.getOrThrow(yield* room.run(Effect.flatMap(note, (note) => note.get("a")))).failures, 1)
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual((yield* room.run(ran)).map(({ what }) => what).slice(3), ["a: hang (1)"])
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("one whose handler a crash has stopped is run again (DL-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Diary, DiaryLive)
    yield* room.run(set("a", 1_000, "hang"))
    yield* TestClock.adjust("10 seconds")
    yield* room.crash
    yield* TestClock.adjust("3 minutes")
    assert.isAtLeast((yield* room.run(ran)).length, 2)
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("what a newer version of the room has set waits, and is set aside (DL-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Diary, DiaryLive)
    yield* room.run(set("a", 1_000, "x"))
    yield* room.run(set("b", 1_000, "x"))
    yield* room.run(Storage.exec("UPDATE dormouse_deadlines SET name = 'unknown' WHERE key = 'a'"))
    yield* room.run(Storage.exec("UPDATE dormouse_deadlines SET payload = '{}' WHERE key = 'b'"))
    yield* TestClock.adjust("3 minutes")
    assert.deepStrictEqual(yield* room.run(ran), [])
    const [b] = yield* room.run(failed)
    assert.deepInclude(b, { key: "b", payload: {}, failures: 7 })
    assert.strictEqual(
      (yield* Effect.flip(room.run(set("c", 1_000, "x".repeat(2_000_001))))).reason._tag,
      "TooBig"
    )
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("an alarm that was set before the room had deadlines rings (DL-7)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Diary, DiaryLive)
    yield* room.run(set("later", 3_600_000, "x"))
    // As an older version of the room would have done.
    yield* room.run(Effect.flatMap(Inside, ({ port }) => port.set(60_000)))
    yield* room.evict
    assert.deepStrictEqual(
      yield* room.run(Effect.andThen(set("a", 30_000, "x"), Alarm.Alarm.use((alarm) => alarm.get))),
      Option.some(60_000)
    )
    yield* TestClock.adjust("2 minutes")
    assert.deepStrictEqual(yield* room.run(ran), [{ what: "a: x", at: 30_000 }, { what: "alarm", at: 60_000 }])
  }))

it.effect("deadlines fire after the alarm of a room that did not start was given up (DL-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Diary, DiaryLive)
    yield* room.run(set("a", 60_000, "x"))
    yield* room.run(Effect.flatMap(Inside, ({ port }) => port.clear))
    yield* room.evict
    yield* room.run(Effect.promise(() => new Promise((resume) => setImmediate(resume))))
    yield* TestClock.adjust("2 minutes")
    assert.deepStrictEqual(yield* room.run(ran), [{ what: "a: x", at: 60_000 }])
  }))

it.effect("thousands that are due at once run in order, and messages come in between (DL-1)", () =>
  Effect.gen(function*() {
    const order: Array<string> = []
    const Many = Room.make("many", {
      receive: Schema.String,
      send: Schema.String,
      deadlines: { one: Schema.Int }
    })
    const room = yield* MemoryRoom.make(
      Many,
      Layer.provide(
        Many.toLayer({
          message: () => Effect.sync(() => void order.push("message")),
          deadlines: { one: (key: string) => Effect.sync(() => void order.push(key)) }
        }),
        Deadlines.layer
      )
    )
    const client = yield* room.connect()
    yield* room.run(Effect.gen(function*() {
      const { deadlines } = yield* Many
      const now = yield* Clock.currentTimeMillis
      for (let n = 0; n < 2_000; n++) yield* deadlines.one.set(String(n), DateTime.makeUnsafe(now + 1_000), n)
    }))
    const macrotask = Effect.promise(() => new Promise((resume) => setImmediate(resume)))
    yield* TestClock.adjust("1 second")
    while (order.length < 256) yield* macrotask
    yield* client.send("hello")
    while (order.length < 2_001) yield* macrotask
    assert.deepStrictEqual(
      order.filter((what) => what !== "message"),
      Array.from({ length: 2_000 }, (_, n) => String(n))
    )
    assert.include(order.slice(1, -1), "message")
  }))

it.effect("a handler that cannot be interrupted has failed after a minute, and rings no alarm in a row (DL-5)", () =>
  Effect.gen(function*() {
    let runs = 0
    const Stubborn = Room.make("stubborn", {
      receive: Schema.String,
      send: Schema.String,
      deadlines: { one: Schema.Int }
    })
    const room = yield* MemoryRoom.make(
      Stubborn,
      Layer.provide(
        Stubborn.toLayer({
          deadlines: {
            one: () => {
              runs++
              return Effect.uninterruptible(Effect.sleep("3 minutes"))
            }
          }
        }),
        Deadlines.layer
      )
    )
    yield* room.run(Stubborn.use(({ deadlines }) => deadlines.one.set("a", 1_000, 1)))
    yield* TestClock.adjust("70 seconds")
    const one = yield* room.run(Stubborn.use(({ deadlines }) => deadlines.one.get("a")))
    assert.strictEqual(Option.getOrThrow(one).failures, 1)
    yield* TestClock.adjust("50 seconds")
    assert.strictEqual(runs, 2)
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("a handler that gives no effect has failed, and the others run (DL-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Wrong = Room.make("wrong", {
      receive: Schema.String,
      send: Schema.String,
      deadlines: { wrong: Schema.Int, right: Schema.Int }
    })
    const handlers = {
      deadlines: {
        wrong: () => undefined as unknown as Effect.Effect<void>,
        right: () => Effect.sync(() => void told.push("right"))
      }
    }
    const room = yield* MemoryRoom.make(Wrong, Layer.provide(Wrong.toLayer(handlers), Deadlines.layer))
    yield* room.run(
      Wrong.use(({ deadlines }) =>
        Effect.andThen(deadlines.wrong.set("a", 1_000, 1), deadlines.right.set("a", 1_001, 1))
      )
    )
    yield* TestClock.adjust("3 minutes")
    assert.deepStrictEqual(told, ["right"])
    const [one] = yield* room.run(Wrong.use(({ deadlines }) => deadlines.wrong.failed))
    assert.include(one?.error, "gives no effect")
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("deadlines fire after an outage, however long it was (LC-18, DL-1)", () =>
  Effect.gen(function*() {
    let isAway = false
    const told: Array<string> = []
    const Tea = Room.make("tea", { receive: Schema.String, send: Schema.String, deadlines: { cup: Schema.Int } })
    const live = Layer.unwrap(Effect.suspend(() =>
      isAway
        ? Effect.fail("away")
        : Effect.succeed(Tea.toLayer({ deadlines: { cup: () => Effect.sync(() => void told.push("cup")) } }))
    )).pipe(Layer.provide(Deadlines.layer))
    const room = yield* MemoryRoom.make(Tea, live)
    yield* room.run(Tea.use(({ deadlines }) => deadlines.cup.set("a", "1 minute", 1)))
    isAway = true
    yield* room.evict
    for (let minute = 0; minute < 20; minute++) yield* TestClock.adjust("1 minute")
    isAway = false
    for (let minute = 0; minute < 3; minute++) yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(told, ["cup"])
  }).pipe(Effect.provide(Logger.layer([]))))

it.effect("a name that begins with a colon is the library's own (DL-3)", () =>
  Effect.gen(function*() {
    const Colon = Room.make("colon", {
      receive: Schema.String,
      send: Schema.String,
      deadlines: { ":alarm": Schema.Int }
    })
    const handlers = { deadlines: { ":alarm": () => Effect.void } }
    const room = yield* MemoryRoom.make(Colon, Layer.provide(Colon.toLayer(handlers), Deadlines.layer))
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
  }).pipe(Effect.provide(Logger.layer([]))))
