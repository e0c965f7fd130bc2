import { assert, it } from "@effect/vitest"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
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
