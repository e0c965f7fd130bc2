import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { readFileSync } from "node:fs"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { Restless, Tea, TeaLive } from "../contract/Tea.ts"

const page = readFileSync(new URL("../../docs/sleeping.md", import.meta.url), "utf8")

it.effect("the tea of docs/sleeping.md sleeps while it steeps, and everybody hears when it is ready (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Tea, TeaLive)
    const ada = yield* room.connect()
    yield* ada.send({ minutes: 4 })
    yield* room.assertSleeps
    yield* room.evict
    yield* TestClock.adjust("4 minutes")
    assert.deepStrictEqual(yield* ada.received, [{ text: "The tea is ready." }])
  }))

it.effect("the restless one is found, with the words that the page shows (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Tea, Restless)
    const ada = yield* room.connect()
    yield* ada.send({ minutes: 4 })
    yield* TestClock.adjust("1 minute")
    const { message } = yield* Effect.flip(room.assertSleeps)
    assert.include(page, `\`\`\`text\n${message}\n\`\`\``)
    yield* TestClock.adjust("3 minutes")
    assert.deepStrictEqual(yield* ada.received, [{ text: "The tea is ready." }])
    yield* room.assertSleeps
  }))

it("the page computes what an object costs that never sleeps (EX-2)", () => {
  const gigabyteSeconds = 30 * 86_400 * 128 / 1_000
  assert.include(page, `${gigabyteSeconds.toLocaleString("en")} GB-s`)
  assert.include(page, `$${(gigabyteSeconds / 1_000_000 * 12.5).toFixed(2)}`)
  assert.include(page, `$${((100 * gigabyteSeconds - 400_000) / 1_000_000 * 12.5).toFixed(2)}`)
})
