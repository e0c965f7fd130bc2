import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"
import { contract } from "../contract/journal.ts"
import { Ledger, LedgerLive, lines } from "../contract/Ledger.ts"
import * as Outage from "../services/Outage.ts"
import * as World from "./world.ts"

contract(
  "in memory",
  Effect.map(World.make(Ledger, LedgerLive), (world) => ({
    ...world,
    ring: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const at = yield* world.run(Effect.flatMap(Inside, ({ port }) => port.get))
      if (Option.isNone(at)) return Infinity
      yield* TestClock.adjust(at.value - now)
      return at.value - now
    })
  }))
)

it.effect("a close that does not end runs once, and holds up the others for five seconds (JO-3)", () =>
  Effect.gen(function*() {
    const { connect, crash, elapse, run } = yield* World.make(Ledger, LedgerLive)
    for (const name of ["ada", "hangs", "bob", "eve"]) yield* connect(`?name=${name}`)
    yield* crash
    yield* elapse(1_000)
    const names = Effect.map(run(lines), (all) => all.map((line) => line.split(" ")[0]))
    assert.deepStrictEqual(yield* names, ["ada", "hangs"])
    yield* elapse(5_000)
    assert.deepStrictEqual(yield* names, ["ada", "hangs", "bob", "eve"])
    yield* elapse(600_000)
    assert.deepStrictEqual(yield* names, ["ada", "hangs", "bob", "eve"])
    // It stands there until it ends, or the next start.
    assert.strictEqual(yield* run(Effect.map(Inside, ({ leaving }) => leaving.size)), 1)
  }))

it.effect("a close that takes its time is not run again by a look at the journal (JO-1)", () =>
  Effect.gen(function*() {
    const closes: Array<number> = []
    const Slow = Room.make("slow", { receive: Schema.String, send: Schema.String, journal: true })
    const room = yield* MemoryRoom.make(
      Slow,
      Slow.toLayer({
        close: (_, { code }) => {
          closes.push(code)
          return Effect.sleep("3 minutes")
        }
      }).pipe(Layer.provide(Journal.layer))
    )
    const ada = yield* room.connect()
    yield* Effect.forkChild(ada.close(1000))
    for (let minute = 0; minute < 5; minute++) yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(closes, [1000])
    assert.deepStrictEqual(yield* room.run(Storage.exec("SELECT * FROM dormouse_journal")), [])
  }))

it.effect("who was there before the room had a journal stands in it (JO-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Ledger, LedgerLive)
    yield* room.connect("/?name=ada")
    yield* room.run(Storage.exec("DROP TABLE dormouse_journal; DELETE FROM dormouse_tables WHERE part = 'journal'"))
    yield* room.evict
    yield* room.crash
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* room.run(lines), ["ada -  1006 false 86400000"])
  }))

const Desk = Room.make("desk", { receive: Schema.String, send: Schema.String, journal: true })

const quiet = Effect.provide(Logger.layer([]))

// A desk that writes down whom it closes, how, and after how many seconds, on a storage that is away now and then.
const desk = Effect.fnUntraced(function*(
  { closing = Effect.void, isAway = () => false }: {
    readonly closing?: Effect.Effect<void>
    readonly isAway?: (statement: string) => boolean
  }
) {
  const begin = yield* Clock.currentTimeMillis
  const closes: Array<readonly [code: number, after: number]> = []
  const room = yield* MemoryRoom.make(
    Desk,
    Desk.toLayer({
      close: Effect.fnUntraced(function*(_, { code }) {
        closes.push([code, ((yield* Clock.currentTimeMillis) - begin) / 1_000])
        yield* closing
      })
    }).pipe(Layer.provide(Journal.layer), Layer.provide(Outage.layer(isAway)))
  )
  return { closes, room }
})

const seconds = (count: number) => Effect.forEach(Array.from({ length: count }), () => TestClock.adjust("1 second"))

it.effect("those who close in their own time hold the others up for five seconds together (JO-3)", () =>
  Effect.gen(function*() {
    const { closes, room } = yield* desk({ closing: Effect.sleep("6 seconds") })
    for (let n = 0; n < 100; n++) yield* room.connect()
    yield* room.crash
    yield* seconds(30)
    assert.strictEqual(closes.length, 100)
    assert.isAtMost(closes.at(-1)![1], 20)
  }))

it.effect("a start that follows another one at once does not put off the closes (JO-1)", () =>
  Effect.gen(function*() {
    const { closes, room } = yield* desk({})
    yield* room.connect()
    yield* room.crash
    for (let start = 0; start < 4; start++) {
      yield* TestClock.adjust("400 millis")
      yield* room.evict
    }
    assert.deepStrictEqual(closes, [[1006, 1]])
  }))

it.effect("who had its close, but could not be struck out, has no second one (JO-1)", () =>
  Effect.gen(function*() {
    let isAway = false
    const { closes, room } = yield* desk({
      isAway: (statement) => isAway && statement.startsWith("DELETE FROM dormouse_j")
    })
    const ada = yield* room.connect()
    yield* room.connect()
    isAway = true
    yield* ada.close(1000)
    isAway = false
    yield* seconds(180)
    assert.deepStrictEqual(closes, [[1000, 0]])
    assert.strictEqual((yield* room.run(Storage.exec("SELECT * FROM dormouse_journal"))).length, 1)
  }).pipe(quiet))

for (const next of ["connection", "start"]) {
  it.effect(`a look that could not be set sends nobody away, and is set with the next ${next} (JO-2)`, () =>
    Effect.gen(function*() {
      let isAway = true
      const { closes, room } = yield* desk({
        isAway: (statement) => isAway && statement.startsWith("INSERT OR REPLACE INTO dormouse_deadlines")
      })
      yield* room.connect()
      isAway = false
      if (next === "start") yield* room.evict
      else yield* room.connect()
      const alarm = room.run(Effect.flatMap(Inside, ({ port }) => port.get))
      assert.strictEqual((yield* alarm)._tag, "Some")
      yield* room.crash
      yield* seconds(60)
      assert.strictEqual(closes.length, next === "start" ? 1 : 2)
    }).pipe(quiet))
}

it.effect("who could not be written down when the journal began stands in it after the next start (JO-1)", () =>
  Effect.gen(function*() {
    let isAway = false
    const { closes, room } = yield* desk({
      isAway: (statement) => isAway && statement.includes("INTO dormouse_journal")
    })
    yield* room.connect()
    yield* room.run(Storage.exec("DROP TABLE dormouse_journal; DELETE FROM dormouse_tables WHERE part = 'journal'"))
    isAway = true
    yield* room.evict
    isAway = false
    yield* room.evict
    yield* room.crash
    yield* seconds(2)
    assert.strictEqual(closes.length, 1)
  }).pipe(quiet))

it.effect("whom a crash has taken has left for the other parts of the room as well (JO-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const { room } = yield* desk({ closing: Effect.sync(() => void told.push("close")) })
    yield* room.connect()
    yield* room.crash
    yield* room.run(Effect.map(Inside, (assembly) => {
      assembly.keepers = [...assembly.keepers, {
        left: () => Effect.sync(() => void told.push("left")),
        closed: () => Effect.sync(() => void told.push("closed"))
      }]
    }))
    yield* seconds(2)
    assert.deepStrictEqual(told, ["left", "close", "closed"])
  }))
