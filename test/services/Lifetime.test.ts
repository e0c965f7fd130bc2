import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"

const Brief = Room.make("brief", {
  receive: Schema.String,
  send: Schema.String,
  journal: true,
  lifetime: { emptyFor: "100 millis" }
})

const make = (told: Array<string>, close: Effect.Effect<void> = Effect.void) =>
  MemoryRoom.make(
    Brief,
    Brief.toLayer({
      close: () => Effect.andThen(close, Effect.sync(() => void told.push("close"))),
      retire: Effect.sync(() => void told.push("retire"))
    }).pipe(Layer.provide([Journal.layer, Lifetime.layer]))
  )

it.effect("a room does not end before everybody has had its close, also after a crash (LT-1, JO-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const room = yield* make(told)
    yield* room.connect()
    yield* room.connect()
    yield* room.crash
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(told, ["close", "close", "retire"])
  }))

it.effect("a room waits for a close that takes its time before it ends (LT-1)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const room = yield* make(told, Effect.sleep("3 seconds"))
    const ada = yield* room.connect()
    yield* Effect.forkChild(ada.close())
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(told, ["close", "retire"])
  }))
