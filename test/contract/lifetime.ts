/**
 * The contract of `Lifetime`, and of the end of a room: the same tests in every world, each once with a room that stays
 * awake and, where rooms sleep, once with one that sleeps before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Storage from "../../src/services/Storage.ts"
import { generation, Inn, retiring, told } from "./Inn.ts"
import { asleep, type StoredWorld } from "./StoredWorld.ts"

const toldOf = (name: string) => told.filter(([room]) => room === name).map(([, what]) => what)

const macrotasks = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))

export const contract = (
  title: string,
  makeWorld: Effect.Effect<StoredWorld<typeof Inn>, never, Scope.Scope>,
  { concurrent = false, sleeps: canSleep = true }: { readonly concurrent?: boolean; readonly sleeps?: boolean } = {}
): void => {
  // Where time is real, the tests wait side by side.
  const suite = concurrent ? describe.concurrent : describe
  for (const sleeps of canSleep ? [false, true] : [false]) {
    const test = (
      title: string,
      body: (
        world: StoredWorld<typeof Inn>,
        name: string,
        awake: StoredWorld<typeof Inn>
      ) => Effect.Effect<void, unknown, Scope.Scope>
    ) =>
      it.effect(
        title,
        () =>
          Effect.flatMap(makeWorld, (world) =>
            Effect.flatMap(world.run(Inn.useSync((room) => room.name)), (name) => {
              for (let n = told.length - 1; n >= 0; n--) if (told[n]![0] === name) told.splice(n, 1)
              retiring.delete(name)
              return body(sleeps ? asleep(world) : world, name, world)
            }))
      )

    suite(`Lifetime, ${title}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      test(
        "a room that has been empty for so long retires, and its storage is gone (LT-1)",
        (world, name) =>
          Effect.gen(function*() {
            const ada = yield* world.connect()
            const first = yield* world.run(generation)
            yield* world.run(Inn.use(({ deadlines }) => deadlines.wake.set("later", "1 hour", "x")))
            yield* world.elapse(2_000)
            assert.deepStrictEqual(toldOf(name), [])
            yield* ada.close
            yield* world.elapse(400)
            assert.deepStrictEqual(toldOf(name), ["closed 1000"])
            yield* world.elapse(1_500)
            assert.deepStrictEqual(toldOf(name), ["closed 1000", "retires with 0"])
            const bob = yield* world.connect()
            const second = yield* world.run(generation)
            assert.notStrictEqual(second, first)
            assert.deepStrictEqual(yield* world.run(Inn.use(({ deadlines }) => deadlines.wake.list())), [])
            yield* bob.close
            yield* world.elapse(2_000)
            assert.deepStrictEqual(toldOf(name).slice(2), ["closed 1000", "retires with 0"])
          })
      )

      test(
        "whoever comes in time keeps the room, and the time begins anew (LT-2)",
        (world, name) =>
          Effect.gen(function*() {
            const first = yield* world.run(generation)
            for (let n = 0; n < 3; n++) {
              const ada = yield* world.connect()
              yield* world.elapse(400)
              yield* ada.close
              yield* world.elapse(400)
            }
            const stays = yield* world.connect()
            yield* world.elapse(2_000)
            assert.strictEqual(yield* world.run(generation), first)
            assert.deepStrictEqual(toldOf(name), ["closed 1000", "closed 1000", "closed 1000"])
            yield* stays.close
          })
      )

      test("a room that was only called ends, too (LT-1)", (world, name) =>
        Effect.gen(function*() {
          yield* world.run(Storage.exec("CREATE TABLE t (a)"))
          yield* world.elapse(1_500)
          assert.deepStrictEqual(toldOf(name), ["retires with 0"])
          assert.deepStrictEqual(yield* world.run(Storage.exec("SELECT * FROM sqlite_master WHERE name = 't'")), [])
        }))

      test("a room whose crash has taken everybody ends, too (LT-1)", (world, name) =>
        Effect.gen(function*() {
          yield* world.connect()
          yield* world.crash
          yield* world.run(Effect.void)
          yield* world.elapse(1_500)
          assert.deepStrictEqual(toldOf(name).at(-1), "retires with 0")
        }))

      test(
        "if the handler fails, the room stays, and it is tried again (LT-3)",
        (world, name) =>
          Effect.gen(function*() {
            const first = yield* world.run(generation)
            retiring.set(name, Effect.fail("as it should"))
            yield* (yield* world.connect()).close
            yield* world.elapse(1_500)
            assert.deepStrictEqual(toldOf(name), ["closed 1000", "retires with 0"])
            const ada = yield* world.connect()
            assert.strictEqual(yield* world.run(generation), first)
            retiring.delete(name)
            yield* ada.close
            yield* world.elapse(1_500)
            assert.deepStrictEqual(toldOf(name).slice(2), ["closed 1000", "retires with 0"])
            assert.notStrictEqual(yield* world.run(generation), first)
          })
      )

      test(
        "whoever comes while the room retires enters one that starts anew (LT-4)",
        (world, name, awake) =>
          Effect.gen(function*() {
            const first = yield* world.run(generation)
            let isDone = false
            // In workerd an object waits for nothing that another one, or a test, resumes.
            const waits: Effect.Effect<void> = Effect.suspend(() =>
              isDone ? Effect.void : Effect.andThen(macrotasks(10), waits)
            )
            retiring.set(name, waits)
            yield* (yield* world.connect()).close
            yield* Effect.forkScoped(world.elapse(1_500))
            yield* macrotasks(1_700)
            assert.deepStrictEqual(toldOf(name), ["closed 1000", "retires with 0"])
            let isIn = false
            const entering = yield* Effect.forkScoped(
              Effect.tap(awake.connect(), () =>
                Effect.sync(() => {
                  isIn = true
                }))
            )
            yield* macrotasks(100)
            assert.isFalse(isIn)
            isDone = true
            yield* Fiber.join(entering)
            retiring.delete(name)
            const second = yield* world.run(Effect.all([generation, Inn.use((room) => room.count())]))
            assert.notStrictEqual(second[0], first)
            assert.strictEqual(second[1], 1)
            assert.deepStrictEqual(toldOf(name), ["closed 1000", "retires with 0"])
          })
      )

      test(
        "destroy closes everybody, retires, and the storage is gone (LT-5)",
        (world, name) =>
          Effect.gen(function*() {
            const first = yield* world.run(generation)
            const clients = [yield* world.connect(), yield* world.connect()]
            assert.deepStrictEqual(JSON.parse(yield* world.call("destroy", "{}")), { _tag: "Success" })
            for (const { closed } of clients) {
              assert.deepInclude(yield* closed, { code: 4500, reason: "The room has ended." })
            }
            assert.deepStrictEqual(toldOf(name), ["closed 4500", "closed 4500", "retires with 0"])
            yield* world.connect()
            assert.notStrictEqual(yield* world.run(generation), first)
          })
      )

      test(
        "destroy fails if the handler does so, and the room goes on (LT-5)",
        (world, name) =>
          Effect.gen(function*() {
            const first = yield* world.run(generation)
            retiring.set(name, Effect.fail("as it should"))
            yield* world.connect()
            const reply = JSON.parse(yield* world.call("destroy", "{}"))
            assert.deepInclude(reply, { _tag: "Refused" })
            assert.deepStrictEqual(toldOf(name), ["closed 4500", "retires with 0"])
            yield* world.connect()
            assert.strictEqual(yield* world.run(generation), first)
            retiring.delete(name)
          })
      )
    })
  }
}
