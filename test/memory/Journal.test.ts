import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
