import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { vi } from "vitest"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"
import * as Looks from "./Looks.ts"
import * as Outage from "./Outage.ts"

const Brief = Room.make("brief", {
  receive: Schema.String,
  send: Schema.String,
  journal: true,
  lifetime: { emptyFor: "100 millis" }
})

const make = (told: Array<string>, close: Effect.Effect<void> = Effect.void) =>
  MemoryRoom.make(
    Brief,
    Brief.toLayer({
      close: () => Effect.andThen(close, Effect.sync(() => void told.push("close"))),
      retire: Effect.sync(() => void told.push("retire"))
    }).pipe(Layer.provide([Journal.layer, Lifetime.layer]))
  )

it.effect("a room does not end before everybody has had its close, also after a crash (LT-1, JO-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const room = yield* make(told)
    yield* room.connect()
    yield* room.connect()
    yield* room.crash
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(told, ["close", "close", "retire"])
  }))

it.effect("a room waits for a close that takes its time before it ends (LT-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const room = yield* make(told, Effect.sleep("3 seconds"))
    const ada = yield* room.connect()
    yield* Effect.forkChild(ada.close())
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(told, ["close", "retire"])
  }))

const messages = { receive: Schema.String, send: Schema.String }

const quiet = Effect.provide(Logger.layer([]))

const macrotask = Effect.promise(() => new Promise((resume) => setImmediate(resume)))

const tick = (seconds: number) =>
  Effect.forEach(Array.from({ length: seconds }), () => Effect.andThen(TestClock.adjust("1 second"), macrotask))

const withFakeTimers = Effect.acquireRelease(
  Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })),
  () => Effect.sync(() => vi.useRealTimers())
)

const tagOf = (reply: string): string => {
  const { _tag, reason } = JSON.parse(reply)
  return reason?._tag ?? _tag
}

it.effect("once it has retired, a room goes on to its end, also if that takes more than a minute (LT-4)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    let lives = 0
    const Slow = Room.make("slow", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const room = yield* MemoryRoom.make(
      Slow,
      Slow.toLayer(Effect.gen(function*() {
        const life = ++lives
        yield* Effect.addFinalizer(() => life === 1 ? Effect.sleep("9 seconds") : Effect.void)
        yield* Storage.exec("CREATE TABLE IF NOT EXISTS t (a)")
        return {
          message: () => Effect.andThen(Storage.exec("INSERT INTO t VALUES (1)"), Effect.sync(() => told.push("said"))),
          retire: Effect.andThen(
            life === 1 ? Effect.sleep("55 seconds") : Effect.void,
            Effect.sync(() => told.push("retire"))
          )
        }
      })).pipe(Layer.provideMerge(Lifetime.layer))
    )
    yield* macrotask
    yield* tick(60 + 61)
    assert.deepStrictEqual(told, ["retire"])
    const entering = yield* Effect.forkChild(room.connect())
    yield* tick(10)
    yield* (yield* Fiber.join(entering)).send("x")
    assert.deepStrictEqual(told, ["retire", "said"])
    assert.strictEqual(lives, 2)
  }))

it.effect("a retire that hangs is given up by who comes after a minute, and the room goes on (LT-3)", () =>
  Effect.gen(function*() {
    const Stuck = Room.make("stuck", messages)
    const room = yield* MemoryRoom.make(
      Stuck,
      Stuck.toLayer({ retire: Effect.never }).pipe(Layer.provideMerge(Lifetime.layer))
    )
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* tick(61)
    yield* room.connect()
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "CallFailed")
    assert.strictEqual(yield* room.run(Stuck.use((stuck) => stuck.count())), 1)
  }).pipe(quiet))

it.effect("a storage that cannot be deleted is told to who destroys the room, and deleted later (LT-1, LT-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    let isAway = true
    let lives = 0
    const Leaky = Room.make("leaky", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const room = yield* MemoryRoom.make(
      Leaky,
      Leaky.toLayer(Effect.sync(() => {
        const life = ++lives
        return { retire: Effect.sync(() => void told.push(`retire ${life}`)) }
      })).pipe(Layer.provideMerge(Lifetime.layer), Layer.provide(Outage.layer((what) => isAway && what === "clear")))
    )
    yield* room.run(Storage.exec("CREATE TABLE secret (a)"))
    const tables = room.run(Storage.exec("SELECT 1 FROM sqlite_master WHERE name = 'secret'"))
    assert.strictEqual(tagOf(yield* room.call("destroy", "{}")), "CallFailed")
    yield* room.connect().pipe(Effect.flatMap((client) => client.close()))
    assert.deepStrictEqual(told, ["retire 1"])
    assert.strictEqual((yield* tables).length, 1)
    yield* tick(61)
    assert.deepStrictEqual(told, ["retire 1", "retire 2"])
    assert.strictEqual((yield* tables).length, 1)
    isAway = false
    yield* tick(121)
    assert.deepStrictEqual(told.slice(0, 3), ["retire 1", "retire 2", "retire 3"])
    assert.strictEqual((yield* tables).length, 0)
  }).pipe(quiet))

it.effect("a close that hung in one life of the room does not keep the next one from its end (LT-1)", () =>
  Effect.gen(function*() {
    yield* withFakeTimers
    const told: Array<string> = []
    let lives = 0
    const Again = Room.make("again", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const room = yield* MemoryRoom.make(
      Again,
      Again.toLayer(Effect.sync(() => {
        const life = ++lives
        return {
          close: () => life === 1 ? Effect.never : Effect.void,
          retire: Effect.sync(() => void told.push(`retire ${life}`))
        }
      })).pipe(Layer.provideMerge(Lifetime.layer))
    )
    yield* room.connect()
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* macrotask
    yield* Effect.promise(() => vi.advanceTimersByTimeAsync(61_000))
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "Success")
    yield* (yield* room.connect()).close()
    yield* tick(62)
    assert.deepStrictEqual(told, ["retire 1", "retire 2"])
  }).pipe(quiet))

it.effect("a close that came while an end hung runs if the end fails (LT-3, LC-1)", () =>
  Effect.gen(function*() {
    yield* withFakeTimers
    const told: Array<string> = []
    const handled = yield* Deferred.make<void>()
    const retired = yield* Deferred.make<void, string>()
    const Held = Room.make("held", { ...messages })
    const room = yield* MemoryRoom.make(
      Held,
      Held.toLayer({
        message: () => Deferred.await(handled),
        close: () => Effect.sync(() => void told.push("close")),
        retire: Deferred.await(retired)
      }).pipe(Layer.provideMerge(Lifetime.layer))
    )
    const ada = yield* room.connect()
    yield* Effect.forkChild(ada.send("x"))
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* macrotask
    yield* Effect.promise(() => vi.advanceTimersByTimeAsync(61_000))
    yield* Deferred.succeed(handled, undefined)
    yield* macrotask
    yield* Effect.promise(() => vi.advanceTimersByTimeAsync(21_000))
    yield* Deferred.fail(retired, "away")
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "CallFailed")
    yield* macrotask
    assert.deepStrictEqual(told, ["close"])
  }).pipe(quiet))

it.effect("a room whose start hangs is not ready to be destroyed, and nobody is sent away (DN-2)", () =>
  Effect.gen(function*() {
    yield* withFakeTimers
    let hangs = false
    const Late = Room.make("late", messages)
    const room = yield* MemoryRoom.make(
      Late,
      Layer.unwrap(Effect.suspend(() => hangs ? Effect.never : Effect.succeed(Late.toLayer({})))).pipe(
        Layer.provide(Lifetime.layer)
      )
    )
    const ada = yield* room.connect()
    hangs = true
    yield* room.evict
    for (const [method, payload] of [["destroy", "{}"], ["drain", `{"over":0}`]] as const) {
      const call = yield* Effect.forkChild(room.call(method, payload))
      yield* macrotask
      yield* Effect.promise(() => vi.advanceTimersByTimeAsync(21_000))
      assert.strictEqual(tagOf(yield* Fiber.join(call)), "NotReady")
    }
    yield* TestClock.adjust("1 second")
    assert.isUndefined(yield* ada.closed)
  }).pipe(quiet))

it.effect("a method that throws before its effect, or gives none, does not keep the room from its end (LT-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Throws = Room.make("throws", {
      ...messages,
      lifetime: { emptyFor: "1 minute" },
      methods: [Rpc.make("throws", {}), Rpc.make("nothing", {})]
    })
    const room = yield* MemoryRoom.make(
      Throws,
      Throws.toLayer({
        retire: Effect.sync(() => void told.push("retire")),
        methods: {
          throws: (): Effect.Effect<void> => {
            throw new Error("as it should")
          },
          nothing: (): Effect.Effect<void> => undefined as unknown as Effect.Effect<void>
        }
      }).pipe(Layer.provide(Lifetime.layer))
    )
    for (const method of ["throws", "nothing"]) {
      assert.strictEqual(tagOf(yield* room.call(method, "null")), "CallFailed")
    }
    yield* tick(62)
    assert.deepStrictEqual(told, ["retire"])
  }).pipe(quiet))

it.effect("a room does not end under a deadline that is under way, or waits to be tried again (LT-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Jobs = Room.make("jobs", {
      ...messages,
      lifetime: { emptyFor: "1 minute" },
      deadlines: { slow: Schema.String, bill: Schema.String }
    })
    const room = yield* MemoryRoom.make(
      Jobs,
      Jobs.toLayer({
        retire: Effect.sync(() => void told.push("retire")),
        deadlines: {
          slow: () => Effect.andThen(Effect.sleep("20 seconds"), Effect.sync(() => void told.push("slow"))),
          bill: (_, __, { failures }) =>
            failures < 6 ? Effect.fail("away for a second") : Effect.sync(() => void told.push("bill"))
        }
      }).pipe(Layer.provideMerge(Lifetime.layer))
    )
    yield* macrotask
    yield* room.run(
      Jobs.use(({ deadlines }) =>
        Effect.andThen(deadlines.slow.set("a", "50 seconds", ""), deadlines.bill.set("a", "59 seconds", ""))
      )
    )
    yield* tick(130)
    assert.deepStrictEqual(told, ["slow", "bill", "retire"])
  }).pipe(quiet))

it.effect("destroy waits for a deadline that is under way, and not for one that is to be tried again (LT-5)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Jobs = Room.make("jobs", { ...messages, deadlines: { slow: Schema.String, bill: Schema.String } })
    const room = yield* MemoryRoom.make(
      Jobs,
      Jobs.toLayer({
        retire: Effect.sync(() => void told.push("retire")),
        deadlines: {
          slow: () => Effect.andThen(Effect.sleep("5 seconds"), Effect.sync(() => void told.push("slow"))),
          bill: () => Effect.fail("away")
        }
      }).pipe(Layer.provideMerge(Lifetime.layer))
    )
    yield* room.run(
      Jobs.use(({ deadlines }) =>
        Effect.andThen(deadlines.bill.set("a", "1 seconds", ""), deadlines.slow.set("a", "1 seconds", ""))
      )
    )
    yield* tick(1)
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* tick(5)
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "Success")
    assert.deepStrictEqual(told, ["slow", "retire"])
  }).pipe(quiet))

it.effect("what ends with a room and hangs, whether or not it can be interrupted, is left alone after a while (LT-6)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Hanging = Room.make("hanging", messages)
    const Keepers = Layer.effectDiscard(Effect.map(Inside, (assembly) => {
      assembly.keepers = [
        ...assembly.keepers,
        { ending: Effect.uninterruptible(Effect.never) },
        { ending: Effect.die("as it should") },
        { ending: Effect.sync(() => void told.push("ending")) }
      ]
    }))
    const room = yield* MemoryRoom.make(
      Hanging,
      Hanging.toLayer({}).pipe(Layer.provide([Keepers, Lifetime.layer]))
    )
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* tick(11)
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "Success")
    assert.deepStrictEqual(told, ["ending"])
  }).pipe(quiet))

it.effect("after a start that succeeded the pauses begin anew (LC-17)", () =>
  Effect.gen(function*() {
    let fails = 3
    const Fragile = Room.make("fragile", messages)
    const room = yield* MemoryRoom.make(
      Fragile,
      Layer.unwrap(Effect.suspend(() => fails-- > 0 ? Effect.fail("away") : Effect.succeed(Fragile.toLayer({})))).pipe(
        Layer.provide(Lifetime.layer)
      )
    )
    for (let start = 0; start < 3; start++) {
      yield* Effect.flip(room.connect())
      yield* TestClock.adjust("1 minute")
    }
    yield* room.connect()
    fails = 1
    assert.strictEqual(tagOf(yield* room.call("destroy", "{}")), "Success")
    const { headers } = yield* Effect.flip(room.connect())
    assert.strictEqual(headers["retry-after"], "1")
  }).pipe(quiet))

it.effect("who leaves costs no look at all the others (LT-2)", () =>
  Effect.gen(function*() {
    const all = Looks.make()
    const told: Array<string> = []
    const Crowd = Room.make("crowd", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const live = Crowd.toLayer({ retire: Effect.sync(() => void told.push("retire")) }).pipe(
      Layer.provide(Lifetime.layer),
      Layer.provideMerge(all.layer)
    )
    const room = yield* MemoryRoom.make(Crowd, live)
    const early = yield* Effect.replicateEffect(room.connect(), 20)
    yield* room.evict
    const late = yield* Effect.replicateEffect(room.connect(), 20)
    yield* macrotask
    all.looks = 0
    for (const client of [...late, ...early]) yield* client.close(1000)
    assert.isAtMost(all.looks, 8)
    yield* tick(61)
    assert.deepStrictEqual(told, ["retire"])
  }))

it.effect("a room without a journal, too, waits for a close that takes its time before it ends (LT-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Plain = Room.make("plain", { ...messages, lifetime: { emptyFor: "1 second" } })
    const room = yield* MemoryRoom.make(
      Plain,
      Plain.toLayer({
        close: () => Effect.andThen(Effect.sleep("3 seconds"), Effect.sync(() => void told.push("close"))),
        retire: Effect.sync(() => void told.push("retire"))
      }).pipe(Layer.provide(Lifetime.layer))
    )
    const ada = yield* room.connect()
    yield* Effect.forkChild(ada.close())
    yield* macrotask
    yield* tick(10)
    assert.deepStrictEqual(told, ["close", "retire"])
  }))

it.effect("what one life's layer has brought answers no call of the next one (LT-4)", () =>
  Effect.gen(function*() {
    let lives = 0
    const Once = Room.make("once", messages)
    const room = yield* MemoryRoom.make(
      Once,
      Layer.unwrap(Effect.sync((): Layer.Layer<never, never, MemoryRoom.Services<typeof Once>> =>
        ++lives === 1 ? Layer.provide(Once.toLayer({}), Lifetime.layer) : Once.toLayer({})
      ))
    )
    assert.strictEqual(tagOf(yield* room.call("destroy", "{}")), "Success")
    assert.strictEqual(tagOf(yield* room.call("destroy", "{}")), "UnknownMethod")
    assert.strictEqual(lives, 2)
  }))

it.effect("a call that one life has not answered is counted right in the next one (LT-1, LT-5)", () =>
  Effect.gen(function*() {
    yield* withFakeTimers
    const gate = yield* Deferred.make<void>()
    const Asked = Room.make("asked", { ...messages, methods: [Rpc.make("slow", {})] })
    const room = yield* MemoryRoom.make(
      Asked,
      Asked.toLayer({ methods: { slow: () => Deferred.await(gate) } }).pipe(Layer.provide(Lifetime.layer))
    )
    const asking = yield* Effect.forkChild(room.call("slow", "null"))
    yield* macrotask
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* macrotask
    yield* Effect.promise(() => vi.advanceTimersByTimeAsync(61_000))
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "Success")
    yield* room.connect()
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(asking)
    assert.strictEqual(yield* room.run(Inside.useSync(({ asking }) => asking)), 0)
  }))

it.effect("deadlines of newer code, or a storage that is away, send nobody away from a room with a lifetime (DL-8)", () =>
  Effect.gen(function*() {
    let isAway = false
    const told: Array<string> = []
    const Open = Room.make("open", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const room = yield* MemoryRoom.make(
      Open,
      Open.toLayer({ retire: Effect.sync(() => void told.push("retire")) }).pipe(
        Layer.provideMerge(Lifetime.layer),
        Layer.provide(Outage.layer((what) => isAway && what.startsWith("DELETE FROM dormouse_deadlines")))
      )
    )
    yield* macrotask
    yield* tick(30)
    // The end that is set cannot be taken back, but it begins anew.
    isAway = true
    const ada = yield* room.connect()
    isAway = false
    yield* tick(20)
    yield* ada.close()
    yield* tick(50)
    assert.deepStrictEqual(told, [])
    yield* tick(12)
    assert.deepStrictEqual(told, ["retire"])
    yield* room.run(Storage.exec("UPDATE dormouse_tables SET version = 99 WHERE part = 'deadlines'"))
    yield* room.evict
    yield* room.connect()
    assert.strictEqual(yield* room.run(Open.use((open) => open.count())), 1)
  }).pipe(quiet))

it.effect("a room that is ended in a transaction ends after it, with what is kept (LT-6)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Ends = Room.make("ends", messages)
    const live = Ends.toLayer(Effect.gen(function*() {
      const lifetime = yield* Lifetime.Lifetime
      yield* Storage.exec("CREATE TABLE IF NOT EXISTS kept (a)")
      return {
        message: () =>
          Storage.transaction(Effect.andThen(Storage.exec("INSERT INTO kept VALUES (1)"), lifetime.destroy)).pipe(
            Effect.exit,
            Effect.map(({ _tag }) => void told.push(_tag))
          ),
        retire: Effect.map(Storage.exec("SELECT a FROM kept"), ({ length }) => void told.push(`retire ${length}`))
      }
    })).pipe(Layer.provideMerge(Lifetime.layer))
    const room = yield* MemoryRoom.make(Ends, live)
    const keeps = Storage.exec("INSERT INTO kept VALUES (1)")
    yield* room.run(Lifetime.Lifetime.use(({ destroy }) => Storage.transaction(Effect.andThen(keeps, destroy))))
    yield* macrotask
    assert.deepStrictEqual(told, ["retire 1"])
    yield* (yield* room.connect()).send("x")
    yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 50)))
    assert.deepStrictEqual(told, ["retire 1", "Success", "retire 1"])
  }))

it.effect("a retire that hangs is given up by who destroys the room after a minute, too (LT-3, LT-5)", () =>
  Effect.gen(function*() {
    let lives = 0
    const Stuck = Room.make("stuck", messages)
    const room = yield* MemoryRoom.make(
      Stuck,
      Stuck.toLayer({ retire: Effect.suspend(() => lives++ === 0 ? Effect.never : Effect.void) }).pipe(
        Layer.provide(Lifetime.layer)
      )
    )
    const destroying = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* tick(59)
    const early = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* macrotask
    assert.isUndefined(destroying.pollUnsafe())
    yield* tick(2)
    const late = yield* Effect.forkChild(room.call("destroy", "{}"))
    yield* macrotask
    assert.strictEqual(tagOf(yield* Fiber.join(destroying)), "CallFailed")
    assert.strictEqual(tagOf(yield* Fiber.join(early)), "CallFailed")
    yield* Fiber.join(late)
    assert.strictEqual(tagOf(yield* room.call("destroy", "{}")), "Success")
  }).pipe(quiet))

it.effect("a close that interrupts its own fiber does not keep the room from its end, also after a crash (LT-1, JO-1)", () =>
  Effect.gen(function*() {
    for (const crashes of [false, true]) {
      const told: Array<string> = []
      const room = yield* make(
        told,
        Effect.withFiber((fiber) => {
          told.push("interrupts")
          fiber.interruptUnsafe()
          return Effect.yieldNow
        })
      )
      const ada = yield* room.connect()
      yield* crashes ? room.crash : Fiber.await(yield* Effect.forkDetach(ada.close()))
      yield* tick(70)
      assert.deepStrictEqual(told, ["interrupts", "retire"])
    }
  }).pipe(quiet))

it.effect("a room that stays busy is looked at ever less often, and at least once a minute (LT-1)", () =>
  Effect.gen(function*() {
    let looks = 0
    const told: Array<string> = []
    const gate = yield* Deferred.make<void>()
    const Busy = Room.make("busy", { ...messages, lifetime: { emptyFor: "1 minute" }, methods: [Rpc.make("wait", {})] })
    const room = yield* MemoryRoom.make(
      Busy,
      Busy.toLayer({
        methods: { wait: () => Deferred.await(gate) },
        retire: Effect.sync(() => void told.push("retire"))
      }).pipe(
        Layer.provide(Lifetime.layer),
        Layer.provide(Outage.layer((what) => {
          if (what.startsWith("SELECT id FROM dormouse_deadlines WHERE due")) looks++
          return false
        }))
      )
    )
    yield* macrotask
    const asking = yield* Effect.forkChild(room.call("wait", "null"))
    yield* tick(3_600)
    assert.isBelow(looks, 80)
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(asking)
    yield* tick(61)
    assert.deepStrictEqual(told, ["retire"])
  }).pipe(quiet))

it.effect("an end that could not be taken back begins anew, also after a sleep (LT-2)", () =>
  Effect.gen(function*() {
    let isAway = false
    const told: Array<string> = []
    const Stale = Room.make("stale", { ...messages, lifetime: { emptyFor: "1 hour" } })
    const room = yield* MemoryRoom.make(
      Stale,
      Stale.toLayer({ retire: Effect.sync(() => void told.push("retire")) }).pipe(
        Layer.provide(Lifetime.layer),
        Layer.provide(Outage.layer((what) => isAway && what.startsWith("DELETE")))
      )
    )
    yield* macrotask
    yield* TestClock.adjust("10 minutes")
    isAway = true
    const ada = yield* room.connect()
    isAway = false
    yield* room.evict
    yield* macrotask
    yield* TestClock.adjust("48 minutes")
    yield* ada.close()
    yield* macrotask
    yield* TestClock.adjust("59 minutes")
    assert.deepStrictEqual(told, [])
    yield* tick(61)
    assert.deepStrictEqual(told, ["retire"])
  }).pipe(quiet))

it.effect("who could not be struck out of the journal keeps the room for a second more (LT-1, JO-1)", () =>
  Effect.gen(function*() {
    let isAway = false
    const told: Array<string> = []
    const room = yield* MemoryRoom.make(
      Brief,
      Brief.toLayer({
        close: () => Effect.sync(() => void told.push("close")),
        retire: Effect.sync(() => void told.push("retire"))
      }).pipe(
        Layer.provide([Journal.layer, Lifetime.layer]),
        Layer.provide(Outage.layer((what) => isAway && what.startsWith("DELETE FROM dormouse_journal")))
      )
    )
    const ada = yield* room.connect()
    yield* macrotask
    isAway = true
    yield* ada.close()
    isAway = false
    yield* tick(8)
    assert.deepStrictEqual(told, ["close", "retire"])
  }).pipe(quiet))

it.effect("an end that could not be set is set once the storage is back (LT-1)", () =>
  Effect.gen(function*() {
    let isAway = false
    const told: Array<string> = []
    const Lost = Room.make("lost", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const room = yield* MemoryRoom.make(
      Lost,
      Lost.toLayer({ retire: Effect.sync(() => void told.push("retire")) }).pipe(
        Layer.provide(Lifetime.layer),
        Layer.provide(Outage.layer(() => isAway))
      )
    )
    const ada = yield* room.connect()
    yield* macrotask
    isAway = true
    yield* ada.close()
    yield* tick(10)
    isAway = false
    yield* tick(80)
    assert.deepStrictEqual(told, ["retire"])
  }).pipe(quiet))
