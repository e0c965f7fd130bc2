import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as SqliteStorage from "../../src/memory/SqliteStorage.ts"
import * as Entries from "../../src/services/Entries.ts"

const makeTable = Effect.map(
  Effect.acquireRelease(Effect.sync(() => SqliteStorage.make()), ({ close }) => Effect.sync(close)),
  (storage) => Entries.table({ ...storage, clear: Effect.sync(storage.clear) })
)

const makeShards = (count: number) =>
  Effect.map(
    Effect.context<Scope.Scope>(),
    (context) =>
      Entries.make(Entries.spread(count, () => {
        const table = Effect.runSyncWith(context)(makeTable)
        return {
          put: (room, since) => Effect.sync(() => table.put(room, since)),
          remove: (room, since) => Effect.sync(() => table.remove(room, since)),
          page: (options) => Effect.sync(() => table.page(options))
        }
      }))
  )

const stores: Record<string, Effect.Effect<Entries.Entries["Service"], never, Scope.Scope>> = {
  "in memory": Effect.sync(Entries.makeMemory),
  "in one table": makeShards(1),
  "in three tables": makeShards(3),
  "in sixteen tables": makeShards(16)
}

const somebody = () => Effect.succeed({ connections: 1 })

for (const [title, makeStore] of Object.entries(stores)) {
  describe(`entries ${title}`, () => {
    const names = (rooms: ReadonlyArray<Entries.Entry>) => rooms.map(({ name }) => name)

    it.effect("the later of two times counts, in whatever order they arrive (DR-3)", () =>
      Effect.gen(function*() {
        const { list, put, remove } = yield* makeStore
        const since = Effect.map(list("d", {}, somebody), (rooms) => rooms.map(({ since }) => since))
        yield* put("d", "a", 2)
        yield* put("d", "a", 1)
        assert.deepStrictEqual(yield* since, [2])
        yield* remove("d", "a", 1)
        assert.deepStrictEqual(yield* since, [2])
        yield* put("d", "a", 1_893_456_000_000)
        yield* put("d", "a", 1_893_456_000_000)
        assert.deepStrictEqual(yield* since, [1_893_456_000_000])
        yield* remove("d", "a", 1_893_456_000_000)
        yield* remove("d", "a", 1_893_456_000_000)
        assert.deepStrictEqual(yield* since, [])
      }))

    it.effect("whatever the prefix and the size of its pages, a listing gives each name once, in order (DR-5)", () =>
      Effect.gen(function*() {
        const { list, put } = yield* makeStore
        const all = Array.from({ length: 200 }, (_, n) => `${["a", "A", "a~", "a.b", "_"][n % 5]}${n * 7919 % 1_000}`)
        for (const [since, name] of all.entries()) {
          yield* put("d", name, since)
          yield* put("other", `${name}.other`, since)
        }
        for (const prefix of ["", "a", "a~", "a.b", "A1", "_99", "é", "b"]) {
          for (const limit of [1, 7, 64, 1_000]) {
            const found: Array<string> = []
            for (;;) {
              const page = yield* list("d", { prefix, limit, after: found.at(-1) }, somebody)
              found.push(...names(page))
              if (page.length < limit) break
            }
            const expected = all.filter((name) => name.startsWith(prefix)).toSorted((a, b) => a < b ? -1 : 1)
            assert.deepStrictEqual(found, expected, `${prefix} ${limit}`)
          }
        }
      }))

    it.effect("a page has 100 rooms unless told, and never more than 1,000 (DR-5)", () =>
      Effect.gen(function*() {
        const { list, put } = yield* makeStore
        for (let n = 0; n < 1_001; n++) yield* put("d", `${n}`, n)
        assert.strictEqual((yield* list("d", {}, somebody)).length, 100)
        assert.strictEqual((yield* list("d", { limit: 5_000 }, somebody)).length, 1_000)
      }))

    it.effect("where most have crashed, a page is full all the same, and they are struck out (DR-4, DR-5)", () =>
      Effect.gen(function*() {
        const { list, put } = yield* makeStore
        for (let n = 0; n < 300; n++) yield* put("d", `${n}`.padStart(3, "0"), n)
        const asked: Array<string> = []
        const ask = (name: string) =>
          Effect.sync(() => {
            asked.push(name)
            return { connections: Number(name) % 50 === 49 ? 2 : 0 }
          })
        const page = yield* list("d", { limit: 3 }, ask)
        assert.deepStrictEqual(names(page), ["049", "099", "149"])
        assert.deepStrictEqual(names(yield* list("d", { limit: 3 }, somebody)), ["049", "099", "149"])
        assert.strictEqual(new Set(asked).size, asked.length)
      }))

    it.effect("a page has no more rooms than were asked for, though more were looked at (DR-5)", () =>
      Effect.gen(function*() {
        const { list, put } = yield* makeStore
        for (let n = 0; n < 100; n++) yield* put("d", `${n}`.padStart(3, "0"), n)
        const ask = (name: string) => Effect.succeed({ connections: name < "003" ? 0 : 1 })
        assert.deepStrictEqual(names(yield* list("d", { limit: 3 }, ask)), ["003", "004", "005"])
      }))
  })
}

it.effect("where one shard has most of the names, none is missing, and none comes out of order (DR-5)", () =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Scope.Scope>()
    let opened = 0
    const all: Array<string> = []
    const { list } = Entries.make(Entries.spread(4, () => {
      const index = opened++
      const table = Effect.runSyncWith(context)(makeTable)
      for (let n = 0; n < (index === 2 ? 300 : 5); n++) {
        const name = index === 2 ? `${n}`.padStart(3, "0") : `${n * 40 + index}x`.padStart(4, "0")
        table.put(name, n)
        all.push(name)
      }
      return {
        put: () => Effect.die(new Error("Nothing is written")),
        remove: () => Effect.die(new Error("Nothing is written")),
        page: (options) => Effect.sync(() => table.page(options))
      }
    }))
    for (const limit of [1, 10, 100, 1_000]) {
      const found: Array<string> = []
      for (;;) {
        const page = yield* list("d", { limit, after: found.at(-1) }, somebody)
        found.push(...page.map(({ name }) => name))
        if (page.length < limit) break
      }
      assert.deepStrictEqual(found, all.toSorted((a, b) => a < b ? -1 : 1), `${limit}`)
    }
  }))

it.effect("a room that does not answer within two seconds, or fails to, is listed without a count (DR-7)", () =>
  Effect.gen(function*() {
    const { list, put } = Entries.makeMemory()
    for (const name of ["a", "b", "c"]) yield* put("d", name, 5)
    const ask = (name: string): Effect.Effect<Entries.Occupancy, string> =>
      name === "a" ? Effect.never : name === "b" ? Effect.fail("overloaded") : Effect.succeed({ connections: 3 })
    const listing = yield* Effect.forkChild(list("d", {}, ask), { startImmediately: true })
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(yield* Fiber.join(listing), [
      { name: "a", since: 5, connections: undefined },
      { name: "b", since: 5, connections: undefined },
      { name: "c", since: 5, connections: 3 }
    ])
  }))

it.effect("a room is not struck out that somebody is about to enter, or has entered meanwhile (DR-3)", () =>
  Effect.gen(function*() {
    const { list, put } = Entries.makeMemory()
    yield* put("d", "enters", 1)
    yield* put("d", "entered", 1)
    const ask = (name: string) =>
      name === "enters"
        ? Effect.succeed({ connections: 0, since: 1 })
        : Effect.as(put("d", "entered", 2), { connections: 0 })
    assert.deepStrictEqual(yield* list("d", {}, ask), [])
    assert.deepStrictEqual(yield* list("d", {}, somebody), [
      { name: "entered", since: 2, connections: 1 },
      { name: "enters", since: 1, connections: 1 }
    ])
  }))

it.effect("since when a room is occupied the room itself knows best (DR-1)", () =>
  Effect.gen(function*() {
    const { list, put } = Entries.makeMemory()
    yield* put("d", "a", 1)
    const ask = () => Effect.succeed({ connections: 2, since: 7 })
    assert.deepStrictEqual(yield* list("d", {}, ask), [{ name: "a", since: 7, connections: 2 }])
  }))

it.effect("a limit is a whole number: what is none lists nobody (DR-5)", () =>
  Effect.gen(function*() {
    const { list, put } = Entries.makeMemory()
    for (const name of ["a", "b", "c"]) yield* put("d", name, 1)
    for (const [limit, length] of [[1.5, 1], [0, 0], [-1, 0], [NaN, 0]] as const) {
      assert.strictEqual((yield* list("d", { limit }, somebody)).length, length)
    }
  }))

it("entries are spread over one shard or more, and over nothing else (DR-5)", () => {
  for (const count of [0, NaN, 1.5, -4, Infinity]) {
    assert.throws(() => Entries.spread(count, () => assert.fail("There is none.")), RangeError)
  }
})
