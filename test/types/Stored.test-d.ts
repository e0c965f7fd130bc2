/**
 * What must not compile about a room that stores something, does things later, and ends.
 */
import { expectTypeOf, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as StorageError from "../../src/domain/StorageError.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

const messages = { receive: Schema.String, send: Schema.String }

const Timed = Room.make("timed", {
  ...messages,
  deadlines: { note: Schema.Struct({ text: Schema.String }), count: Schema.FiniteFromString }
})

const Plain = Room.make("plain", messages)

it("a deadline takes what its schema says, under its own name", () => {
  Effect.gen(function*() {
    const { deadlines } = yield* Timed
    yield* deadlines.note.set("key", "1 hour", { text: "tea" })
    yield* deadlines.count.set("key", 1_000, 7)
    // @ts-expect-error: a note has a text
    yield* deadlines.note.set("key", "1 hour", { txt: "tea" })
    // @ts-expect-error: a count is a number
    yield* deadlines.count.set("key", "1 hour", "7")
    // @ts-expect-error: that is no time
    yield* deadlines.count.set("key", "one hour", 7)
    // @ts-expect-error: the room has no such deadline
    yield* deadlines.other.set("key", "1 hour", 7)
    expectTypeOf(yield* deadlines.note.get("key")).toEqualTypeOf<
      Option.Option<Deadlines.Deadline<{ readonly text: string }>>
    >()
  })
  Effect.gen(function*() {
    const { deadlines } = yield* Plain
    // @ts-expect-error: the room has no deadlines
    yield* deadlines.note
  })
})

it("each deadline has a handler, which takes what it carries", () => {
  const note = () => Effect.void
  const count = (key: string, n: number) => Effect.log(key, n)
  Timed.toLayer({ deadlines: { note, count } })
  // @ts-expect-error: no handler of `count`
  Timed.toLayer({ deadlines: { note } })
  // @ts-expect-error: no handlers
  Timed.toLayer({})
  // @ts-expect-error: a count is a number
  Timed.toLayer({ deadlines: { note, count: (_: string, n: boolean) => Effect.log(n) } })
  // What a handler needs, the layer needs.
  expectTypeOf(
    Timed.toLayer({ deadlines: { note: () => Storage.exec("SELECT 1"), count } })
  ).toExtend<Layer.Layer<never, never, any>>()
})

it("a row is what its columns are, as a type or as an interface", () => {
  interface Note {
    readonly id: number
    readonly text: string | null
  }
  expectTypeOf(Storage.exec<Note>("SELECT id, text FROM notes")).toEqualTypeOf<
    Effect.Effect<ReadonlyArray<Note>, StorageError.StorageError, Storage.Storage>
  >()
  expectTypeOf(Storage.exec("SELECT 1 AS n")).toExtend<Effect.Effect<ReadonlyArray<Storage.Row>, unknown, any>>()
  // @ts-expect-error: no column holds a date
  Storage.exec<{ readonly at: Date }>("SELECT at FROM notes")
})

it("what a definition asks for, its layer must be given", () => {
  const note = () => Effect.void
  const TimedLive = Timed.toLayer({ deadlines: { note, count: note } })
  RoomObject.make(Timed, Layer.provide(TimedLive, Deadlines.layer))
  // @ts-expect-error: no deadlines
  RoomObject.make(Timed, TimedLive)

  const Kept = Room.make("kept", { ...messages, journal: true })
  RoomObject.make(Kept, Layer.provide(Kept.toLayer({}), Journal.layer))
  // @ts-expect-error: no journal
  RoomObject.make(Kept, Kept.toLayer({}))
  const NotKept = Room.make("kept", { ...messages, journal: false })
  RoomObject.make(NotKept, NotKept.toLayer({}))

  const Mortal = Room.make("mortal", { ...messages, lifetime: { emptyFor: "1 hour" } })
  RoomObject.make(Mortal, Layer.provide(Mortal.toLayer({ retire: Effect.void }), Lifetime.layer))
  // @ts-expect-error: no lifetime
  RoomObject.make(Mortal, Mortal.toLayer({ retire: Effect.void }))
  // @ts-expect-error: that is no time
  Room.make("mortal", { ...messages, lifetime: { emptyFor: "one hour" } })
  // @ts-expect-error: `lifetime` says for how long the room is empty
  Room.make("mortal", { ...messages, lifetime: {} })

  RoomObject.make(Plain, Plain.toLayer({}))
})

it("a room is drained if it has deadlines", () => {
  const drains = Plain.toLayer({
    message: Effect.fnUntraced(function*() {
      const room = yield* Plain
      return yield* room.drain({ over: "1 minute" })
    })
  })
  RoomObject.make(Plain, Layer.provide(drains, Deadlines.layer))
  // @ts-expect-error: no deadlines
  RoomObject.make(Plain, drains)
})
