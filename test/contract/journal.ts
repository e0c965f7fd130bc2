/**
 * The contract of `Journal`: the same tests in every world whose objects crash.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Storage from "../../src/services/Storage.ts"
import { Ledger, lines } from "./Ledger.ts"
import type { StoredWorld } from "./StoredWorld.ts"

interface JournalWorld extends StoredWorld<typeof Ledger> {
  /** Lets the time come at which the alarm is set. Gives that time from now, in milliseconds. */
  readonly ring: Effect.Effect<number>
}

const journal = Effect.map(Storage.exec("SELECT connection FROM dormouse_journal"), (rows) => rows.length)
const day = 86_400_000

// The room starts, and has looked.
const settled = ({ elapse, run }: JournalWorld) => Effect.andThen(run(Effect.void), elapse(1_100))

export const contract = (
  title: string,
  makeWorld: Effect.Effect<JournalWorld, never, Scope.Scope>,
  { concurrent = false }: { readonly concurrent?: boolean } = {}
): void => {
  // Where time is real, the tests wait side by side.
  const suite = concurrent ? describe.concurrent : describe
  const test = (title: string, body: (world: JournalWorld) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () => Effect.flatMap(makeWorld, body))

  suite(`Journal, ${title}`, () => {
    test("a second after its start a room closes those whom a crash has taken, in order of entering (JO-1)", (world) =>
      Effect.gen(function*() {
        const ada = yield* world.connect("?name=ada&user=u1&label=a&label=b")
        yield* world.connect("?name=bob")
        const gone = yield* world.connect("?name=gone")
        yield* world.connect("?name=renamed")
        yield* world.evict
        yield* ada.send("ada later")
        yield* gone.close
        assert.strictEqual(yield* world.run(journal), 3)
        yield* world.crash
        yield* settled(world)
        assert.deepStrictEqual(yield* world.run(lines), [
          `gone -  1000 true ${day}`,
          `ada later u1 a,b 1006 false ${day}`,
          `bob -  1006 false ${day}`,
          `renamed in open -  1006 false ${day}`
        ])
        assert.strictEqual(yield* world.run(journal), 0)
        yield* world.crash
        yield* settled(world)
        assert.strictEqual((yield* world.run(lines)).length, 4)
      }))

    test("an alarm does so at the latest a minute later, if nothing else happens (JO-2)", (world) =>
      Effect.gen(function*() {
        yield* world.connect("?name=ada")
        yield* world.crash
        const first = yield* world.ring
        const second = first > 1_000 ? yield* world.ring : 0
        assert.isAtMost(first + second, 60_000)
        assert.deepStrictEqual(yield* world.run(lines), [`ada -  1006 false ${day}`])
      }))

    test("a sleep closes nobody, and the alarm goes on as long as somebody is there (JO-2)", (world) =>
      Effect.gen(function*() {
        const ada = yield* world.connect("?name=ada")
        yield* world.evict
        for (let minute = 0; minute < 3; minute++) assert.isAtMost(yield* world.ring, 60_000)
        assert.deepStrictEqual(yield* world.run(lines), [])
        yield* ada.send("still here")
        yield* world.evict
        yield* ada.close
        assert.deepStrictEqual(yield* world.run(lines), [`still here -  1000 true ${day}`])
        assert.strictEqual(yield* world.run(journal), 0)
        yield* world.ring
        assert.strictEqual(yield* world.ring, Infinity)
      }))

    test("who leaves while the room sleeps has one close, and no second one (JO-1)", (world) =>
      Effect.gen(function*() {
        const clients = yield* Effect.forEach(["a", "b", "c", "d"], (name) => world.connect(`?name=${name}`))
        yield* world.evict
        yield* Effect.forEach(clients.slice(0, 3), ({ close }) => close, { concurrency: "unbounded" })
        assert.strictEqual((yield* world.run(lines)).length, 3)
        yield* world.crash
        yield* settled(world)
        const all = yield* world.run(lines)
        assert.deepStrictEqual(all.map((line) => line.slice(0, 1)).toSorted(), ["a", "b", "c", "d"])
      }))

    test("a close that fails has run; one that a crash has stopped runs again (JO-3)", (world) =>
      Effect.gen(function*() {
        const [fails, hangs] = [yield* world.connect("?name=fails"), yield* world.connect("?name=hangs")]
        yield* fails.close
        yield* Effect.forkScoped(hangs.close)
        yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 60)))
        yield* world.crash
        yield* settled(world)
        const all = yield* world.run(lines)
        assert.deepStrictEqual(all, [
          `fails -  1000 true ${day}`,
          `hangs -  1000 true ${day}`,
          `hangs -  1006 false ${day}`
        ])
      }))

    test("who is closed in a transaction has one close, which is kept, also if the transaction is not (LC-1, JO-1)", (world) =>
      Effect.gen(function*() {
        for (const fails of [true, false]) {
          yield* world.connect(`?name=${fails}`)
          yield* world.run(Effect.gen(function*() {
            const room = yield* Ledger
            const [ada] = yield* room.connections()
            yield* Effect.ignore(Storage.transaction(
              Effect.andThen(room.close(ada!.id, { code: 4100 }), fails ? Effect.fail("no") : Effect.void)
            ))
            assert.strictEqual(yield* room.count(), 0)
          }))
        }
        const expected = [`true -  4100 true ${day}`, `false -  4100 true ${day}`]
        assert.deepStrictEqual(yield* world.run(lines), expected)
        assert.strictEqual(yield* world.run(journal), 0)
        yield* world.crash
        yield* settled(world)
        assert.deepStrictEqual(yield* world.run(lines), expected)
      }))

    test("a state that a transaction has set stays, also if the transaction fails (ST-1, JO-1)", (world) =>
      Effect.gen(function*() {
        yield* world.connect("?name=ada")
        yield* world.run(Effect.gen(function*() {
          const room = yield* Ledger
          const [ada] = yield* room.connections()
          yield* Effect.ignore(Storage.transaction(
            Effect.andThen(room.setState(ada!.id, { ...ada!.state, name: "eve" }), Effect.fail("no"))
          ))
        }))
        yield* world.crash
        yield* settled(world)
        assert.deepStrictEqual(yield* world.run(lines), [`eve -  1006 false ${day}`])
      }))

    test("who was refused stands in no journal (JO-1)", (world) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(world.connect("?name=broken"))).status, 500)
        assert.strictEqual(yield* world.run(journal), 0)
        yield* world.crash
        yield* settled(world)
        assert.deepStrictEqual(yield* world.run(lines), [])
      }))

    test("deadlines of newer code let everybody in, and the journal is kept (DL-8)", (world) =>
      Effect.gen(function*() {
        yield* world.run(Storage.exec("UPDATE dormouse_tables SET version = 99 WHERE part = 'deadlines'"))
        yield* world.evict
        const ada = yield* world.connect("?name=ada")
        assert.strictEqual(yield* world.run(journal), 1)
        yield* ada.close
        assert.deepStrictEqual(yield* world.run(lines), [`ada -  1000 true ${day}`])
      }))

    test("a journal of newer code is left alone, and the room goes on (DL-8)", (world) =>
      Effect.gen(function*() {
        yield* world.connect("?name=ada")
        yield* world.run(Storage.exec("UPDATE dormouse_tables SET version = 99 WHERE part = 'journal'"))
        yield* world.crash
        yield* world.connect("?name=bob")
        assert.strictEqual(yield* world.run(Ledger.use((room) => room.count())), 1)
        assert.strictEqual(yield* world.run(journal), 1)
        assert.deepStrictEqual(yield* world.run(lines), [])
      }))
  })
}
