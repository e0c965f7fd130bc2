/**
 * Messages that are confirmed, as they stand on the wire.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Guard from "../../src/doors/Guard.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"

class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}

// It takes any key, so that `$id` would be seen.
const Wall = Room.make("wall", {
  receive: Schema.Record(Schema.String, Schema.String),
  send: Schema.Record(Schema.String, Schema.String),
  error: Full
})

const WallLive = Wall.toLayer({
  message: Effect.fnUntraced(function*({ id }, note) {
    if (note.text === "full") return yield* new Full({ limit: 1 })
    if (note.text === "fault") return yield* Effect.die(new Error("a fault"))
    const room = yield* Wall
    yield* room.send(id, note)
  })
})

const enter = Effect.fnUntraced(
  function*(live: Layer.Layer<never, never, MemoryRoom.Services<typeof Wall>> = WallLive) {
    const room = yield* MemoryRoom.make(Wall, live)
    const client = yield* room.connect("/", { headers: { "sec-websocket-protocol": "ndjson" } })
    const say = (...lines: ReadonlyArray<unknown>) =>
      Effect.andThen(
        client.sendFrame(lines.map((line) => JSON.stringify(line)).join("\n")),
        Effect.map(client.receivedFrames, (frames) =>
          frames.flatMap((frame) => String(frame).split("\n")).map((line) => JSON.parse(line)))
      )
    return { ...room, say }
  }
)

it.effect("a message with an id is confirmed behind what its handler sent, and the id is no part of it (PL-7)", () =>
  Effect.gen(function*() {
    const { evict, say } = yield* enter()
    const handled = [{ text: "a" }, { _tag: "Handled", id: "1" }]
    assert.deepStrictEqual(yield* say({ $id: "1", text: "a" }), handled)
    yield* evict
    assert.deepStrictEqual(yield* say({ text: "a", $id: "1" }), handled)
    assert.deepStrictEqual(yield* say({ text: "a" }), [{ text: "a" }])
    // What is no id is part of the message like anything else.
    for (const $id of ["", "x".repeat(65)]) assert.deepStrictEqual(yield* say({ $id }), [{ $id }])
    assert.deepStrictEqual(yield* say({ text: "\"$id\"" }), [{ text: "\"$id\"" }])
  }))

it.effect("a message with an id that is refused has the id in its error, each line of a frame for itself (PL-7)", () =>
  Effect.gen(function*() {
    const { say } = yield* enter()
    const answers = yield* say(
      { $id: "1", text: "full" },
      { $id: "2", text: "fault" },
      { $id: "3", text: 3 },
      { $id: "4", text: 4 },
      { $id: "5", text: "a" }
    )
    const brief = answers.map(({ _tag, code, error, id, text }) => ({ _tag, code, error, id, text }))
    const error = (id: string, code: string, error?: unknown) => ({ _tag: "Error", code, error, id, text: undefined })
    assert.deepStrictEqual(brief, [
      error("1", "Refused", { _tag: "Full", limit: 1 }),
      error("2", "Internal"),
      error("3", "InvalidMessage"),
      error("4", "InvalidMessage"),
      { _tag: undefined, code: undefined, error: undefined, id: undefined, text: "a" },
      { _tag: "Handled", code: undefined, error: undefined, id: "5", text: undefined }
    ])
  }))

it.effect("who says too much is told for each message that was to be confirmed (PL-7, LM-3)", () =>
  Effect.gen(function*() {
    const { say } = yield* enter(WallLive.pipe(Layer.provide(Guard.layer({ messageBurst: 1, messagesPerSecond: 1 }))))
    const answers = yield* say({ $id: "1", text: "a" }, { $id: "2", text: "a" }, { text: "a" })
    assert.deepStrictEqual(answers.map(({ code, id }) => [code, id]), [
      ["RateLimited", "1"],
      ["RateLimited", "2"],
      ["RateLimited", undefined]
    ])
  }))
