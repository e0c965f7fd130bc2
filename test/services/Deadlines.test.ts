import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"
import { Diary, DiaryLive, ran } from "../contract/Diary.ts"
import * as Outage from "./Outage.ts"

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
    // As an older version of the room would have done.
    yield* room.run(Storage.exec("DROP TABLE dormouse_deadlines"))
    yield* room.run(Storage.exec("DELETE FROM dormouse_tables"))
    yield* room.run(Effect.flatMap(Inside, ({ port }) => port.set(60_000)))
    yield* room.evict
    yield* room.run(set("later", 3_600_000, "x"))
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

const macrotask = Effect.promise(() => new Promise((resume) => setImmediate(resume)))

const tick = (seconds: number) =>
  Effect.forEach(Array.from({ length: seconds }), () => Effect.andThen(TestClock.adjust("1 second"), macrotask))

const Bells = Room.make("bells", { receive: Schema.String, send: Schema.String, deadlines: { bell: Schema.String } })

const bell = Bells.useSync(({ deadlines }) => deadlines.bell)

const ring = (key: string, millis: number, text = "") => Effect.flatMap(bell, ({ set }) => set(key, millis, text))

const quiet = Effect.provide(Logger.layer([]))

const badly: Record<string, Effect.Effect<void>> = {
  "a failure whose text throws": Effect.die({
    toString: () => {
      throw new Error("no text")
    },
    toJSON: () => {
      throw new Error("no text")
    }
  }),
  "a failure whose message throws": Effect.die(
    Object.defineProperty(new Error("x"), "message", {
      get: () => {
        throw new Error("no message")
      }
    })
  ),
  "an object without a prototype": Effect.die(Object.create(null)),
  "a fiber that interrupts itself": Effect.withFiber((fiber) => {
    fiber.interruptUnsafe()
    return Effect.void
  })
}

for (const [title, failing] of Object.entries(badly)) {
  for (const [when, handler] of [["at once", failing], ["later", Effect.delay(failing, "1 second")]] as const) {
    it.effect(`${title}, ${when}, fails like any other, and stops no others (DL-5)`, () =>
      Effect.gen(function*() {
        const told: Array<string> = []
        const room = yield* MemoryRoom.make(
          Bells,
          Bells.toLayer({
            deadlines: { bell: (key) => key === "bad" ? handler : Effect.sync(() => void told.push(key)) }
          }).pipe(Layer.provide(Deadlines.layer))
        )
        yield* room.run(Effect.andThen(ring("bad", 1_000), ring("good", 1_001)))
        yield* tick(120)
        yield* room.run(ring("later", 1_000))
        yield* tick(2)
        assert.deepStrictEqual(told, ["good", "later"])
        const [bad] = yield* room.run(Effect.flatMap(bell, ({ failed }) => failed))
        assert.strictEqual(bad?.failures, 7)
        assert.isString(bad?.error)
      }))
  }
}

it.effect("what could not be written down holds up no others, and runs again (DL-1, DL-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    let isFull = true
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer({ deadlines: { bell: (key) => Effect.sync(() => void told.push(key)) } }).pipe(
        Layer.provide(Deadlines.layer),
        Layer.provide(Outage.layer((what) => isFull && what.endsWith("WHERE id = ?") && what.startsWith("DELETE")))
      )
    )
    yield* room.run(Effect.andThen(ring("a", 1_000), ring("b", 1_001)))
    yield* tick(2)
    isFull = false
    assert.deepStrictEqual(told, ["a", "b"])
    yield* tick(100)
    assert.deepStrictEqual(told, ["a", "b", "a", "b"])
  }).pipe(quiet))

it.effect("deadlines fire after an outage of the storage, however long it was (DL-1, LC-18)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    let isAway = false
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer({ deadlines: { bell: (key) => Effect.sync(() => void told.push(key)) } }).pipe(
        Layer.provide(Deadlines.layer),
        Layer.provide(Outage.layer(() => isAway))
      )
    )
    yield* room.run(ring("a", 60_000))
    isAway = true
    yield* tick(300)
    isAway = false
    yield* tick(61)
    assert.deepStrictEqual(told, ["a"])
  }).pipe(quiet))

it.effect("a deadline whose setting is interrupted is not kept without an alarm (DL-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer({ deadlines: { bell: () => Effect.void } }).pipe(Layer.provide(Deadlines.layer))
    )
    const [isSet, alarm] = yield* room.run(Effect.gen(function*() {
      const { get } = yield* bell
      const { port, storage } = yield* Inside
      const { exec } = storage
      const setting = yield* Effect.forkChild(ring("a", 60_000))
      Object.assign(storage, {
        exec: (...statement: Parameters<typeof exec>) => {
          if (statement[0].startsWith("INSERT")) setting.interruptUnsafe()
          return exec(...statement)
        }
      })
      yield* Fiber.await(setting)
      Object.assign(storage, { exec })
      yield* macrotask
      return [Option.isSome(yield* get("a")), yield* port.get]
    }))
    assert.isTrue(isSet)
    assert.deepStrictEqual(alarm, Option.some(60_000))
  }))

it.effect("what is due while a room ends waits for that, and runs if the end fails (DL-1, DL-7)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Ending = Room.make("ending", {
      receive: Schema.String,
      send: Schema.String,
      lifetime: { emptyFor: "1 minute" },
      deadlines: { bell: Schema.String }
    })
    const room = yield* MemoryRoom.make(
      Ending,
      Ending.toLayer({
        alarm: Effect.sync(() => void told.push("alarm")),
        retire: Effect.andThen(Effect.sleep("7 seconds"), Effect.fail("away")),
        deadlines: { bell: (key, _, { failures }) => Effect.sync(() => void told.push(`${key} ${failures}`)) }
      }).pipe(Layer.provide(Lifetime.layer))
    )
    yield* macrotask
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(60_000)))
    yield* room.run(Ending.use(({ deadlines }) => deadlines.bell.set("a", 60_000, "")))
    yield* tick(66)
    assert.deepStrictEqual(told, [])
    yield* tick(3)
    assert.sameMembers(told, ["alarm", "a 0"])
  }).pipe(quiet))

it.effect("an alarm that the deadlines have set is not taken for one of the room's own (DL-7)", () =>
  Effect.gen(function*() {
    let alarms = 0
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer(Effect.gen(function*() {
        const room = yield* Bells
        return {
          alarm: Effect.sync(() => void alarms++),
          message: ({ id }) => room.deadlines.bell.set("a", "1 hour", "", { connection: id }),
          deadlines: { bell: () => Effect.void }
        }
      })).pipe(Layer.provide(Deadlines.layer))
    )
    yield* (yield* room.connect()).send("x")
    yield* room.crash
    yield* room.crash
    yield* macrotask
    assert.deepStrictEqual(yield* room.run(Alarm.Alarm.use((alarm) => alarm.get)), Option.none())
    yield* TestClock.adjust("2 hours")
    assert.strictEqual(alarms, 0)
  }))

it.effect("a batch that is due reads what its deadlines carry one after the other (DL-1)", () =>
  Effect.gen(function*() {
    const rows: Array<number> = []
    const Watching = Layer.effectDiscard(Effect.map(Inside, (assembly) => {
      const { exec } = assembly.storage
      Object.assign(assembly, {
        storage: {
          ...assembly.storage,
          exec: (...statement: Parameters<typeof exec>) => {
            const found = exec(...statement)
            rows.push(found.filter((row) => "payload" in row).length)
            return found
          }
        }
      })
    }))
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer({ deadlines: { bell: () => Effect.void } }).pipe(
        Layer.provide(Deadlines.layer),
        Layer.provide(Watching)
      )
    )
    for (let n = 0; n < 10; n++) yield* room.run(ring(String(n), 1_000))
    yield* tick(1)
    assert.strictEqual(Math.max(...rows), 1)
    assert.deepStrictEqual(yield* room.run(Effect.flatMap(bell, ({ list }) => list())), [])
  }))

it.effect("what is no time is refused, and a limit is a whole number (DL-2, DL-3)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer({ deadlines: { bell: () => Effect.void } }).pipe(Layer.provide(Deadlines.layer))
    )
    const { list, set } = yield* room.run(bell)
    for (const when of [new Date(), {}, null, undefined, "garbage"]) {
      assert.strictEqual((yield* Effect.flip(set("a", when as never, ""))).reason._tag, "InvalidDeadline")
    }
    for (const key of ["a", "b", "c"]) yield* set(key, "1 hour", "")
    for (const [limit, length] of [[1.5, 1], [NaN, 0], [-1, 0], [Infinity, 3]] as const) {
      assert.strictEqual((yield* list({ limit })).length, length)
    }
  }))

it.effect("where the alarm could not be set, the next change sets it (DL-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    let isAway = true
    const Port = Layer.effectDiscard(Effect.map(Inside, (assembly) => {
      const { port } = assembly
      const set = (at: number) => Effect.suspend(() => isAway ? Effect.die(new Error("away")) : port.set(at))
      Object.assign(assembly, { port: { ...port, set } })
    }))
    const room = yield* MemoryRoom.make(
      Bells,
      Bells.toLayer({ deadlines: { bell: (key) => Effect.sync(() => void told.push(key)) } }).pipe(
        Layer.provide(Deadlines.layer),
        Layer.provide(Port)
      )
    )
    yield* room.run(ring("a", 60_000))
    isAway = false
    yield* room.run(ring("b", 120_000))
    yield* tick(61)
    assert.deepStrictEqual(told, ["a"])
  }).pipe(quiet))

it.effect("the room's own alarm stays where it is, and rings once, also if the first ring could not be kept (DL-7)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    let isAway = false
    const tell = (what: string) => Effect.map(Clock.currentTimeMillis, (now) => void told.push(`${what} at ${now}`))
    const Own = Room.make("own", { receive: Schema.String, send: Schema.String, deadlines: { d: Schema.String } })
    const room = yield* MemoryRoom.make(
      Own,
      Own.toLayer({ alarm: tell("alarm"), deadlines: { d: () => tell("d") } }).pipe(
        Layer.provide(Deadlines.layer),
        Layer.provide(Outage.layer(() => isAway))
      )
    )
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(3_600_000)))
    yield* room.run(Own.use(({ deadlines }) => deadlines.d.set("a", "10 seconds", "")))
    yield* tick(9)
    isAway = true
    yield* tick(2)
    isAway = false
    yield* tick(20)
    assert.deepStrictEqual(yield* room.run(Alarm.Alarm.use((alarm) => alarm.get)), Option.some(3_600_000))
    yield* TestClock.adjust("2 hours")
    assert.match(told.join(), /^d at \d+,alarm at 3600000$/)
  }).pipe(quiet))
