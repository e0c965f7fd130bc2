import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"

const Reminders = Room.make("reminders", {
  receive: Schema.String,
  send: Schema.String,
  deadlines: { reminder: Schema.Struct({ text: Schema.String }) }
})

const RemindersLive = Reminders.toLayer(Effect.gen(function*() {
  const room = yield* Reminders
  return {
    message: ({ id }, text) => room.deadlines.reminder.set(id, "1 hour", { text }),
    deadlines: { reminder: (_, { text }) => room.broadcast(text) }
  }
})).pipe(Layer.provide(Deadlines.layer))

it.effect("the example of Deadlines reminds everybody after an hour (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Reminders, RemindersLive)
    const ada = yield* room.connect()
    yield* ada.send("tea")
    yield* TestClock.adjust("59 minutes")
    assert.deepStrictEqual(yield* ada.received, [])
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* ada.received, ["tea"])
  }))

const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  return Effect.as(Effect.provide(effect, Logger.layer([logger])), lines)
}

const Desk = Room.make("desk", { receive: Schema.String, send: Schema.String, journal: true })

const DeskLive = Desk.toLayer({
  close: ({ id }) => Effect.log(`${id} has left`)
}).pipe(Layer.provide(Journal.layer))

it.effect("the example of Journal tells who has left, after a crash (EX-2)", () =>
  Effect.gen(function*() {
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Desk, DeskLive)
      yield* room.connect()
      yield* room.crash
      yield* TestClock.adjust("1 second")
    }))
    assert.strictEqual(lines.length, 1)
    assert.match(lines[0]!, /has left$/)
  }))

const Wiki = Room.make("wiki", { receive: Schema.String, send: Schema.String, lifetime: { emptyFor: "30 days" } })

const WikiLive = Wiki.toLayer({
  retire: Effect.log("nobody has been here for a month")
}).pipe(Layer.provide(Lifetime.layer))

it.effect("the example of Lifetime retires after a month (EX-2)", () =>
  Effect.gen(function*() {
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Wiki, WikiLive)
      yield* (yield* room.connect()).close()
      yield* TestClock.adjust("29 days")
      yield* (yield* room.connect()).close()
      yield* TestClock.adjust("29 days")
      yield* Effect.log("not yet")
      yield* TestClock.adjust("1 day")
    }))
    assert.deepStrictEqual(lines, ["not yet", "nobody has been here for a month"])
  }))
