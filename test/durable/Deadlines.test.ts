import { assert, it } from "@effect/vitest"
import { env } from "cloudflare:workers"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Alarm from "../../src/services/Alarm.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Storage from "../../src/services/Storage.ts"
import { contract } from "../contract/deadlines.ts"
import { Diary, ran } from "../contract/Diary.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

let rooms = 0

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { DIARY } = env as unknown as Env

const makeWorld = Effect.sync(() => {
  const name = `deadlines-${rooms++}`
  return World.stored<typeof Diary>(() => DIARY.getByName(name))
})

contract("in workerd", makeWorld, { concurrent: true })

it.effect("an alarm that wakes a room fires once (DL-1)", () =>
  Effect.gen(function*() {
    const { elapse, evict, run } = yield* makeWorld
    yield* run(Diary.use(({ deadlines }) => deadlines.count.set("a", "100 millis", 1)))
    yield* evict
    yield* elapse(300)
    assert.deepStrictEqual((yield* run(ran)).map(({ what }) => what), ["count a 1"])
    assert.deepStrictEqual(yield* run(Storage.exec("SELECT * FROM dormouse_deadlines")), [])
  }))

it.effect("the alarm of a deadline further away than the runtime takes is none of the room's own (DL-7)", () =>
  Effect.gen(function*() {
    const { elapse, evict, run } = yield* makeWorld
    const far = DateTime.makeUnsafe("9999-12-31T00:00:00Z")
    yield* run(Diary.use(({ deadlines }) => deadlines.note.set("far", far, { text: "x" })))
    yield* elapse(50)
    yield* evict
    yield* run(Effect.void)
    yield* elapse(50)
    assert.deepStrictEqual(yield* run(Alarm.Alarm.use((alarm) => alarm.get)), Option.none())
    assert.strictEqual((yield* run(Diary.use(({ deadlines }) => deadlines.note.list()))).length, 1)
  }))

it.effect("an alarm that was set before the room had deadlines rings, also if it is what wakes the room (DL-7)", () =>
  Effect.gen(function*() {
    const { elapse, evict, run } = yield* makeWorld
    const later = Diary.use(({ deadlines }) => deadlines.count.set("a", "1 hour", 1))
    for (const [pause, rest] of [[100, 500], [300, 0]] as const) {
      // As an older version of the room would have done.
      yield* run(Storage.Storage.use(({ clear }) => clear))
      yield* run(Effect.flatMap(Inside, ({ port }) => port.set(Date.now() + 400)))
      yield* evict
      yield* elapse(pause)
      if (rest === 0) yield* run(later)
      yield* elapse(rest + 400)
      assert.deepStrictEqual((yield* run(ran)).map(({ what }) => what), ["alarm"], `${pause}`)
    }
  }))
