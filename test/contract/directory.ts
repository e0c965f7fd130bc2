/**
 * The contract of a directory: the same tests in every world, each once with rooms that stay awake and, where rooms
 * sleep, once with rooms that sleep before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Entries from "../../src/services/Entries.ts"
import type * as Rooms from "../../src/services/Rooms.ts"
import type { Court, Fate, Hall } from "./Hall.ts"

export interface Client {
  /** Leaves, and has left by the end. */
  readonly leave: Effect.Effect<void>
}

export interface DirectoryWorld {
  readonly halls: Rooms.Service<typeof Hall>
  readonly courts: Rooms.Service<typeof Court>
  /** Enters a room; `undefined` if the client was refused. */
  readonly enter: (
    rooms: "halls" | "courts",
    room: string,
    user?: string
  ) => Effect.Effect<Client | undefined, unknown, Scope.Scope>
  /** What the names of the rooms of a test begin with. */
  readonly prefix: string
  readonly now: Effect.Effect<number>
  /** Lets so many milliseconds pass. */
  readonly elapse: (millis: number) => Effect.Effect<void>
  /** Sends a hall to sleep. */
  readonly evict: (hall: string) => Effect.Effect<void>
  /** A hall goes with all its connections, and its storage stays. */
  readonly crash: (hall: string) => Effect.Effect<void>
  /** All objects of the directory go, and their storage stays. */
  readonly crashDirectory: Effect.Effect<void>
  readonly fate: Fate
}

export const contract = (
  title: string,
  makeWorld: Effect.Effect<DirectoryWorld, never, Scope.Scope>,
  { crashes = true, crowd = 1_000, sleeps: canSleep = true }: {
    /** Whether a room crashes by itself, and not with its process. */
    readonly crashes?: boolean
    readonly crowd?: number
    readonly sleeps?: boolean
  } = {}
): void => {
  for (const sleeps of canSleep ? [false, true] : [false]) {
    const test = (title: string, body: (world: DirectoryWorld) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(title, () => Effect.flatMap(makeWorld, body), 30_000)

    describe(`a directory ${title}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      const open = (world: DirectoryWorld) => {
        const { elapse, enter, evict, prefix } = world
        const known = new Set<string>()
        const name = (room: string) => `${prefix}-${room}`
        const sleep = Effect.suspend(() =>
          sleeps ? Effect.forEach(known, (room) => evict(name(room)), { discard: true }) : Effect.void
        )
        const list = (options: Entries.ListOptions = {}) =>
          Effect.map(
            Effect.andThen(sleep, world.halls.list({ prefix: `${prefix}-`, ...options })),
            (rooms) => rooms.map(({ connections, name }) => [name.slice(prefix.length + 1), connections] as const)
          )
        // What has changed may take a few seconds.
        const becomes = (
          expected: ReadonlyArray<readonly [string, number | undefined]>,
          options?: Entries.ListOptions
        ) =>
          Effect.gen(function*() {
            let found = yield* list(options)
            for (let step = 0; step < 60 && JSON.stringify(found) !== JSON.stringify(expected); step++) {
              yield* elapse(50)
              found = yield* list(options)
            }
            assert.deepStrictEqual(found, [...expected])
          })
        const join = (room: string) =>
          Effect.gen(function*() {
            yield* sleep
            known.add(room)
            const client = yield* enter("halls", name(room))
            assert.isDefined(client)
            return {
              leave: Effect.andThen(sleep, client!.leave)
            }
          })
        const writes = () => world.fate.writes.filter(([, room]) => room.startsWith(`${prefix}-`)).map(([what]) => what)
        return { becomes, join, list, name, writes }
      }

      test("a room is listed while somebody is there, with how many, and since when (DR-1)", (world) =>
        Effect.gen(function*() {
          const { becomes, join, name } = open(world)
          yield* becomes([])
          const before = yield* world.now
          const ada = yield* join("a")
          yield* becomes([["a", 1]])
          const after = yield* world.now
          const [first] = yield* world.halls.list({ prefix: name("a") })
          assert.isAtLeast(first!.since, before)
          assert.isAtMost(first!.since, after)
          yield* world.elapse(30)
          const bob = yield* join("a")
          yield* join("b")
          yield* becomes([["a", 2], ["b", 1]])
          yield* ada.leave
          yield* becomes([["a", 1], ["b", 1]])
          assert.deepStrictEqual(yield* world.halls.list({ prefix: name("a") }), [{ ...first!, connections: 1 }])
          yield* bob.leave
          yield* becomes([["b", 1]])
          yield* join("a")
          yield* becomes([["a", 1], ["b", 1]])
          assert.isAbove((yield* world.halls.list({ prefix: name("a") }))[0]!.since, first!.since)
        }))

      test("only the first connection and the last one are written (DR-2)", (world) =>
        Effect.gen(function*() {
          const { becomes, join, writes } = open(world)
          const first = yield* join("a")
          yield* becomes([["a", 1]])
          yield* world.elapse(50)
          assert.deepStrictEqual(writes(), ["put"])
          const others = yield* Effect.replicateEffect(join("a"), 5)
          yield* first.leave
          for (const { leave } of others.slice(1)) yield* leave
          yield* world.elapse(100)
          yield* becomes([["a", 1]])
          assert.deepStrictEqual(writes(), ["put"])
          yield* others[0]!.leave
          yield* world.elapse(100)
          assert.deepStrictEqual(writes(), ["put", "remove"])
          yield* becomes([])
        }))

      test("who is refused is not written (DR-2)", (world) =>
        Effect.gen(function*() {
          const { becomes, join, name, writes } = open(world)
          assert.isUndefined(yield* world.enter("halls", name("a"), "nobody"))
          yield* world.elapse(100)
          yield* becomes([])
          assert.deepStrictEqual(writes(), [])
          yield* join("a")
          assert.isUndefined(yield* world.enter("halls", name("a"), "nobody"))
          yield* becomes([["a", 1]])
          yield* world.elapse(50)
          assert.deepStrictEqual(writes(), ["put"])
        }))

      test("a room that is entered and left in quick succession ends up right (DR-3)", (world) =>
        Effect.gen(function*() {
          const { becomes, join } = open(world)
          for (let step = 0; step < 4; step++) {
            const client = yield* join("a")
            yield* client.leave
          }
          yield* world.elapse(100)
          yield* becomes([])
          for (let step = 0; step < 4; step++) {
            const client = yield* join("a")
            yield* client.leave
          }
          yield* join("a")
          yield* world.elapse(100)
          yield* becomes([["a", 1]])
        }))

      test("while the directory is away nobody is held up, and what was to be written is written later (DR-3)", (world) =>
        Effect.gen(function*() {
          const { becomes, join, list } = open(world)
          const ada = yield* join("a")
          yield* becomes([["a", 1]])
          world.fate.isAway = true
          yield* ada.leave
          yield* join("b")
          yield* world.elapse(100)
          const error = yield* Effect.flip(list())
          assert.strictEqual(error.reason._tag, "DirectoryUnavailable")
          world.fate.isAway = false
          yield* becomes([["b", 1]])
          assert.deepStrictEqual(yield* list(), [["b", 1]])
        }))

      test("a listing comes in pages, in the order of names, below a prefix (DR-5)", (world) =>
        Effect.gen(function*() {
          const { becomes, join, list, name } = open(world)
          for (const room of ["b", "a.2", "a.1", "B", "a~", "c", "a", "a.10"]) yield* join(room)
          const all = ["B", "a", "a.1", "a.10", "a.2", "a~", "b", "c"].map((room) => [room, 1] as const)
          yield* becomes(all)
          assert.deepStrictEqual(yield* list({ limit: 3 }), all.slice(0, 3))
          assert.deepStrictEqual(yield* list({ limit: 3, after: name("a.1") }), all.slice(3, 6))
          assert.deepStrictEqual(yield* list({ limit: 3, after: name("a~") }), all.slice(6))
          assert.deepStrictEqual(yield* list({ after: name("a.11") }), all.slice(4))
          assert.deepStrictEqual(yield* list({ prefix: name("a") }), all.slice(1, 6))
          assert.deepStrictEqual(yield* list({ prefix: name("a."), limit: 2 }), all.slice(2, 4))
          assert.deepStrictEqual(yield* list({ prefix: name("a."), after: name("a.10") }), all.slice(4, 5))
          assert.deepStrictEqual(yield* list({ prefix: name("é") }), [])
          assert.deepStrictEqual(yield* list({ limit: 0 }), [])
        }))

      test("rooms of two definitions do not mix, whatever their names (DR-6)", (world) =>
        Effect.gen(function*() {
          const { becomes, join, name } = open(world)
          yield* join("a")
          yield* world.enter("courts", name("a"))
          const bob = yield* world.enter("courts", name("a"))
          yield* world.enter("courts", name("b"))
          yield* becomes([["a", 1]])
          const courts = Effect.map(
            world.courts.list({ prefix: name("") }),
            (rooms) => rooms.map(({ connections, name }) => `${name}: ${connections}`)
          )
          assert.deepStrictEqual(yield* courts, [`${name("a")}: 2`, `${name("b")}: 1`])
          yield* bob!.leave
          assert.deepStrictEqual(yield* courts, [`${name("a")}: 1`, `${name("b")}: 1`])
        }))

      if (crashes) {
        test("a room that crashed is not listed, and is listed anew once somebody is there (DR-4)", (world) =>
          Effect.gen(function*() {
            const { becomes, join, list, name } = open(world)
            yield* join("a")
            yield* becomes([["a", 1]])
            const [before] = yield* world.halls.list({ prefix: name("a") })
            yield* world.crash(name("a"))
            assert.deepStrictEqual(yield* list(), [])
            yield* world.elapse(100)
            yield* join("a")
            yield* becomes([["a", 1]])
            yield* world.elapse(100)
            yield* becomes([["a", 1]])
            assert.isAbove((yield* world.halls.list({ prefix: name("a") }))[0]!.since, before!.since)
          }))

        test("a crash right after a change leaves nothing wrong behind (DR-4)", (world) =>
          Effect.gen(function*() {
            const { becomes, join, name } = open(world)
            yield* join("a")
            yield* world.crash(name("a"))
            yield* becomes([])
            const bob = yield* join("a")
            yield* becomes([["a", 1]])
            yield* bob.leave
            yield* world.crash(name("a"))
            yield* join("a")
            yield* world.elapse(100)
            yield* becomes([["a", 1]])
          }))

        test("the directory outlives its own crash (DR-4)", (world) =>
          Effect.gen(function*() {
            const { becomes, join } = open(world)
            yield* join("a")
            const bob = yield* join("b")
            yield* becomes([["a", 1], ["b", 1]])
            yield* world.crashDirectory
            yield* becomes([["a", 1], ["b", 1]])
            yield* world.crashDirectory
            yield* bob.leave
            yield* join("c")
            yield* becomes([["a", 1], ["c", 1]])
          }))

        test("a page is full if there are as many rooms, though some have crashed (DR-5, DR-4)", (world) =>
          Effect.gen(function*() {
            const { becomes, join, list, name } = open(world)
            for (const room of ["a", "b", "c", "d"]) yield* join(room)
            yield* becomes([["a", 1], ["b", 1], ["c", 1], ["d", 1]])
            yield* world.crash(name("a"))
            yield* world.crash(name("c"))
            assert.deepStrictEqual(yield* list({ limit: 2 }), [["b", 1], ["d", 1]])
          }))
      }

      if (!sleeps) {
        it.effect(
          `${crowd} rooms are listed, each once (DR-5)`,
          () =>
            Effect.flatMap(makeWorld, (world) =>
              Effect.gen(function*() {
                const { becomes, name } = open(world)
                const rooms = Array.from({ length: crowd }, (_, n) => `${n}`.padStart(4, "0"))
                yield* Effect.forEach(rooms, (room) => world.enter("halls", name(room)), { concurrency: 50 })
                yield* becomes(rooms.map((room) => [room, 1]), { limit: 1_000 })
                const pages = []
                let after: string | undefined
                for (;;) {
                  const page = yield* world.halls.list({ prefix: name(""), limit: 130, after })
                  pages.push(...page.map(({ name }) => name))
                  if (page.length < 130) break
                  after = page.at(-1)!.name
                }
                assert.deepStrictEqual(pages, rooms.map(name))
                assert.strictEqual((yield* world.halls.list({ prefix: name("") })).length, Math.min(100, crowd))
              })),
          120_000
        )
      }
    })
  }
}
