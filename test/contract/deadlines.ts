/**
 * The contract of `Deadlines`: the same tests in every world, each once with a room that stays awake and, where rooms
 * sleep, once with one that sleeps before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Storage from "../../src/services/Storage.ts"
import { Diary, ran } from "./Diary.ts"
import { asleep, type StoredWorld } from "./StoredWorld.ts"

type DeadlinesWorld = StoredWorld<typeof Diary>

const note = Diary.useSync(({ deadlines }) => deadlines.note)
const set = (key: string, when: import("../../src/services/Deadlines.ts").When, text: string) =>
  Effect.flatMap(note, (note) => note.set(key, when, { text }))
const what = Effect.map(ran, (rows) => rows.map(({ what }) => what))
const nobody = ConnectionId.ConnectionId.make("00000000-0000-4000-8000-000000000000")

export const contract = (
  title: string,
  makeWorld: Effect.Effect<DeadlinesWorld, never, Scope.Scope>,
  { concurrent = false, sleeps: canSleep = true }: { readonly concurrent?: boolean; readonly sleeps?: boolean } = {}
): void => {
  // Where time is real, the tests wait side by side.
  const suite = concurrent ? describe.concurrent : describe
  for (const sleeps of canSleep ? [false, true] : [false]) {
    const test = (title: string, body: (world: DeadlinesWorld) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(title, () => Effect.flatMap(makeWorld, (world) => body(sleeps ? asleep(world) : world)))

    suite(`Deadlines, ${title}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      test("a deadline fires at or after its time, in order of time, and once (DL-1)", ({ elapse, run }) =>
        Effect.gen(function*() {
          const now = yield* run(Clock.currentTimeMillis)
          yield* run(set("late", DateTime.makeUnsafe(now + 1_100), "c"))
          yield* run(set("early", DateTime.makeUnsafe(now + 1_000), "a"))
          yield* run(set("middle", DateTime.makeUnsafe(now + 1_050), "b"))
          yield* run(set("past", DateTime.makeUnsafe(0), "z"))
          yield* elapse(1_500)
          const rows = yield* run(ran)
          assert.deepStrictEqual(rows.map(({ what }) => what), ["past: z", "early: a", "middle: b", "late: c"])
          rows.slice(1).forEach(({ at }, n) => assert.isAtLeast(at, now + 1_000 + 50 * n))
          yield* elapse(200)
          assert.strictEqual((yield* run(ran)).length, 4)
        }))

      test("a deadline that is set again moves, and carries what it was given last (DL-2)", ({ elapse, run }) =>
        Effect.gen(function*() {
          yield* run(set("a", 500, "first"))
          yield* run(set("a", "1 hour", "second"))
          yield* elapse(700)
          assert.deepStrictEqual(yield* run(what), [])
          yield* run(set("a", 10, "third"))
          yield* elapse(200)
          assert.deepStrictEqual(yield* run(what), ["a: third"])
        }))

      test("deadlines are read, listed in pages and in order of time, and cancelled (DL-2)", ({ elapse, run }) =>
        Effect.gen(function*() {
          const now = yield* run(Clock.currentTimeMillis)
          const until = new Date(86_400_000)
          for (const [key, hours] of [["c", 3], ["a", 1], ["b", 2], ["b2", 2]] as const) {
            yield* run(
              Effect.flatMap(
                note,
                (note) => note.set(key, DateTime.makeUnsafe(now + hours * 3_600_000), { text: key, until })
              )
            )
          }
          yield* run(Diary.use(({ deadlines }) => deadlines.count.set("a", "1 hour", 7)))
          const a = { key: "a", at: now + 3_600_000, payload: { text: "a", until }, connection: undefined, failures: 0 }
          assert.deepStrictEqual(yield* run(Effect.flatMap(note, (note) => note.get("a"))), Option.some(a))
          assert.deepStrictEqual(yield* run(Effect.flatMap(note, (note) => note.get("x"))), Option.none())
          const keys = (options?: { readonly limit?: number; readonly after?: string }) =>
            run(Effect.flatMap(note, (note) => Effect.map(note.list(options), (all) => all.map(({ key }) => key))))
          assert.deepStrictEqual(yield* keys(), ["a", "b", "b2", "c"])
          assert.deepStrictEqual(yield* keys({ limit: 2 }), ["a", "b"])
          assert.deepStrictEqual(yield* keys({ after: "b" }), ["b2", "c"])
          assert.deepStrictEqual(yield* keys({ after: "c" }), [])
          assert.strictEqual((yield* Effect.flip(keys({ after: "x" }))).reason._tag, "UnknownDeadline")
          assert.isTrue(yield* run(Effect.flatMap(note, (note) => note.cancel("b"))))
          assert.isFalse(yield* run(Effect.flatMap(note, (note) => note.cancel("b"))))
          assert.deepStrictEqual(yield* keys(), ["a", "b2", "c"])
          assert.strictEqual((yield* run(Diary.use(({ deadlines }) => deadlines.count.list()))).length, 1)
          yield* run(set("soon", 500, "not"))
          yield* run(Effect.flatMap(note, (note) => note.cancel("soon")))
          yield* elapse(700)
          assert.deepStrictEqual(yield* run(what), [])
        }))

      test("what does not fit, never comes or belongs to nobody is a typed error, and nothing is set (DL-3)", ({ run }) =>
        Effect.gen(function*() {
          const reasonOf = <A>(effect: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, any>) =>
            run(Effect.map(Effect.flip(effect), ({ reason }) => reason._tag))
          assert.strictEqual(
            yield* reasonOf(Effect.flatMap(note, (note) =>
              // @ts-expect-error: a note has a text
              note.set("a", 1, { text: 1 }))),
            "InvalidDeadline"
          )
          assert.strictEqual(yield* reasonOf(set("a", NaN, "x")), "InvalidDeadline")
          assert.strictEqual(yield* reasonOf(set("a", "x".repeat(2_000_001) as "1 hour", "x")), "InvalidDeadline")
          assert.strictEqual(yield* reasonOf(set("a", 1, "x".repeat(2_000_001))), "TooBig")
          assert.strictEqual(yield* reasonOf(set("k".repeat(1_025), 1, "x")), "InvalidDeadline")
          assert.strictEqual(yield* reasonOf(set("\ud800", 1, "x")), "InvalidDeadline")
          assert.strictEqual(yield* reasonOf(set("a", 1, "x".repeat(1_995_000))), "TooBig")
          assert.strictEqual(
            yield* reasonOf(
              Effect.flatMap(note, (note) => note.set("a", 1, { text: "x" }, { connection: nobody }))
            ),
            "UnknownConnection"
          )
          assert.deepStrictEqual(yield* run(Effect.flatMap(note, (note) => note.list())), [])
          yield* run(set("past", "-1 hour", "x"))
        }))

      test("a deadline of a connection goes with it (DL-4)", ({ connect, elapse, run }) =>
        Effect.gen(function*() {
          const [stays, leaves] = [yield* connect(), yield* connect()]
          yield* stays.send("stays")
          yield* leaves.send("leaves")
          const [stay, leave] = yield* run(Diary.use((room) => room.connections()))
          yield* leaves.close
          assert.deepStrictEqual(
            (yield* run(Effect.flatMap(note, (note) => note.list()))).map(({ connection }) => connection),
            [stay!.id]
          )
          yield* elapse(1_200)
          assert.deepStrictEqual(yield* run(what), [`${stay!.id}: stays`])
          assert.notStrictEqual(leave!.id, stay!.id)
        }))

      test("a deadline of a connection that a crash has taken does not fire (DL-4)", ({ connect, crash, elapse, run }) =>
        Effect.gen(function*() {
          yield* (yield* connect()).send("gone")
          yield* run(set("a", 1_010, "stays"))
          yield* crash
          assert.deepStrictEqual((yield* run(Effect.flatMap(note, (note) => note.list()))).map(({ key }) => key), ["a"])
          yield* elapse(1_200)
          assert.deepStrictEqual(yield* run(what), ["a: stays"])
          assert.deepStrictEqual(yield* run(Effect.flatMap(note, (note) => note.list())), [])
        }))

      test("deadlines outlive a crash (DL-1)", ({ crash, elapse, run }) =>
        Effect.gen(function*() {
          yield* run(set("a", 100, "a"))
          yield* run(set("b", "1 hour", "b"))
          yield* crash
          yield* elapse(300)
          assert.deepStrictEqual(yield* run(what), ["a: a"])
          assert.strictEqual((yield* run(Effect.flatMap(note, (note) => note.list()))).length, 1)
        }))

      test("one that fails, or throws, holds no other up, and is tried again after a second (DL-5)", ({ elapse, run }) =>
        Effect.gen(function*() {
          yield* run(set("a", 10, "fail 1"))
          yield* run(set("b", 20, "die"))
          yield* run(set("c", 30, "fine"))
          yield* elapse(300)
          assert.deepStrictEqual(yield* run(what), ["a: fail 1", "b: die", "c: fine"])
          const { at, failures } = Option.getOrThrow(yield* run(Effect.flatMap(note, (note) => note.get("a"))))
          assert.strictEqual(failures, 1)
          yield* elapse(1_200)
          assert.deepStrictEqual((yield* run(what)).slice(3), ["a: fail 1 (1)", "b: die (1)"])
          const [, , , again] = yield* run(ran)
          assert.isAtLeast(again!.at, at + 1_000)
          yield* run(Effect.flatMap(note, (note) => note.cancel("b")))
        }))

      test("a handler may set its own deadline again, and take back another one (DL-6)", ({ elapse, run }) =>
        Effect.gen(function*() {
          const now = yield* run(Clock.currentTimeMillis)
          yield* run(set("a", 10, "again"))
          yield* run(set("b", 10, "now"))
          yield* run(set("c", DateTime.makeUnsafe(now + 800), "cancel"))
          yield* run(set("other", DateTime.makeUnsafe(now + 801), "never"))
          yield* elapse(1_000)
          assert.sameMembers([...yield* run(what)], [
            "a: again",
            "b: now",
            "c: cancel",
            "b: at once",
            "a: once more"
          ])
          assert.deepStrictEqual(yield* run(Effect.flatMap(note, (note) => note.list())), [])
        }))

      test("the room's own alarm goes beside the deadlines (DL-7)", ({ elapse, run }) =>
        Effect.gen(function*() {
          const now = yield* run(Clock.currentTimeMillis)
          yield* run(Alarm.Alarm.use((alarm) => alarm.set(now + 800)))
          yield* run(set("a", DateTime.makeUnsafe(now + 700), "a"))
          yield* run(set("b", DateTime.makeUnsafe(now + 900), "alarm"))
          assert.deepStrictEqual(yield* run(Alarm.Alarm.use((alarm) => alarm.get)), Option.some(now + 800))
          yield* elapse(1_200)
          assert.deepStrictEqual(yield* run(what), ["a: a", "alarm", "b: alarm", "alarm"])
          assert.deepStrictEqual(yield* run(Alarm.Alarm.use((alarm) => alarm.get)), Option.none())
          yield* run(set("c", 50, "c"))
          yield* run(Alarm.Alarm.use((alarm) => Effect.andThen(alarm.set(now + 1_500), alarm.clear)))
          yield* elapse(500)
          assert.deepStrictEqual((yield* run(what)).slice(4), ["c: c"])
        }))

      test("a deadline that is set in a transaction is kept or taken back with it (DL-2)", ({ elapse, run }) =>
        Effect.gen(function*() {
          yield* run(Storage.transaction(set("a", 50, "kept")))
          yield* run(Effect.ignore(Storage.transaction(Effect.andThen(set("b", 50, "taken back"), Effect.fail("no")))))
          yield* elapse(200)
          assert.deepStrictEqual(yield* run(what), ["a: kept"])
          // The alarm follows what the transaction has left.
          const now = yield* run(Clock.currentTimeMillis)
          const later = DateTime.makeUnsafe(now + 700)
          yield* run(Effect.ignore(Storage.transaction(Effect.andThen(set("c", later, "no"), Effect.fail("no")))))
          yield* run(set("c", later, "kept"))
          yield* run(Effect.ignore(Storage.transaction(
            Effect.flatMap(note, (note) => Effect.andThen(note.cancel("c"), Effect.fail("no")))
          )))
          yield* elapse(900)
          assert.deepStrictEqual(yield* run(what), ["a: kept", "c: kept"])
          yield* run(Storage.transaction(Storage.transaction(set("d", 50, "inner"))))
          yield* elapse(300)
          assert.deepStrictEqual((yield* run(what)).slice(2), ["d: inner"])
        }))

      test("what a transaction leaves behind sets no deadline, and is told so (SG-4)", ({ run }) =>
        run(Effect.gen(function*() {
          const tags: Array<string> = []
          const late = Effect.promise(() => new Promise((resume) => setTimeout(resume, 5))).pipe(
            Effect.andThen(Effect.flip(set("late", 50, "x"))),
            Effect.map(({ reason }) => void tags.push(reason._tag))
          )
          yield* Storage.transaction(Effect.forkDetach(late))
          yield* Effect.exit(Storage.transaction(Effect.uninterruptible(late)))
          yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 50)))
          assert.deepStrictEqual(tags, ["StatementFailed", "StatementFailed"])
          assert.deepStrictEqual(yield* (yield* note).list(), [])
        })))

      test("one for a time that an alarm cannot have holds no other up (DL-1)", ({ elapse, run }) =>
        Effect.gen(function*() {
          yield* run(set("far", DateTime.makeUnsafe("9999-12-31T00:00:00Z"), "x"))
          yield* run(set("soon", 50, "x"))
          yield* elapse(300)
          assert.deepStrictEqual(yield* run(what), ["soon: x"])
          assert.strictEqual((yield* run(Effect.flatMap(note, (note) => note.list()))).length, 1)
          yield* run(set("next", 50, "x"))
          yield* elapse(300)
          assert.deepStrictEqual(yield* run(what), ["soon: x", "next: x"])
        }))

      test("in the alarm handler no alarm is set, unless it sets one (DL-7)", ({ elapse, run }) =>
        Effect.gen(function*() {
          yield* run(set("a", 50, "alarm if none"))
          yield* elapse(700)
          assert.deepStrictEqual((yield* run(what)).slice(0, 4), ["a: alarm if none", "alarm", "alarm", "alarm"])
        }))

      test("tables of newer code are left alone, and the room goes on (DL-8)", ({ connect, crash, elapse, run }) =>
        Effect.gen(function*() {
          yield* run(set("a", "1 hour", "a"))
          yield* run(Storage.exec("UPDATE dormouse_tables SET version = 99 WHERE part = 'deadlines'"))
          yield* crash
          const error = yield* run(Effect.flip(set("b", 10, "b")))
          assert.strictEqual(error.reason._tag, "NewerTables")
          yield* elapse(100)
          yield* connect()
          assert.strictEqual(yield* run(Diary.use((room) => room.count())), 1)
          assert.strictEqual(
            (yield* run(Storage.exec("SELECT * FROM dormouse_deadlines WHERE failures = 0"))).length,
            1
          )
        }))
    })
  }
}
