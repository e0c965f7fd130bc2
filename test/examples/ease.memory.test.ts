import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Archive, Chat, ChatLive } from "../../examples/ease/src/Archive.ts"
import { Hall, HallLive, LimiterLive, Refused } from "../../examples/ease/src/Hall.ts"
import { Reminders, RemindersLive } from "../../examples/ease/src/Reminders.ts"
import { ArchiveLive } from "../../examples/ease/src/Storage.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"

it.effect("a handler uses a service that a test replaces, awake and asleep (EX-5)", () =>
  Effect.gen(function*() {
    const saved: Array<string> = []
    const Fake = Layer.succeed(Archive)({
      save: (room, text) => Effect.sync(() => void saved.push(`${room}: ${text}`)),
      last: () => Effect.succeed(["hello"])
    })
    const room = yield* MemoryRoom.make(Chat, Layer.provide(ChatLive, Fake), { name: "hut" })
    const ada = yield* room.connect()
    yield* ada.send("hi")
    yield* room.evict
    yield* ada.send("still here")
    assert.deepStrictEqual(saved, ["hut: hi", "hut: still here"])
    assert.deepStrictEqual(yield* ada.received, ["hello", "hi", "still here"])
  }))

it.effect("who comes later hears what the room's database has, also after a crash (EX-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Chat, Layer.provide(ChatLive, ArchiveLive))
    const ada = yield* room.connect()
    yield* ada.send("hi")
    yield* room.evict
    yield* ada.send("still here")
    yield* room.crash
    const bob = yield* room.connect()
    assert.deepStrictEqual(yield* bob.received, ["hi", "still here"])
  }))

it.effect("who talks too fast is refused with a typed error, and nobody else is (EX-6)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Hall, Layer.provide(HallLive, LimiterLive))
    const enter = (user: string) => room.connect("/", { claims: { user } })
    const [ada, again, bob] = [yield* enter("ada"), yield* enter("ada"), yield* enter("bob")]
    yield* TestClock.adjust("1 second")
    for (const text of ["1", "2"]) yield* ada.send(text)
    yield* again.send("3")
    assert.strictEqual((yield* bob.received).length, 3)
    yield* ada.received
    // The fourth word of a user, whichever connection says it.
    yield* ada.send("4")
    yield* bob.send("hi")
    const [refusal, ...others] = yield* ada.receivedFrames
    const { error } = yield* Schema.decodeUnknownEffect(Refused)(refusal)
    assert.strictEqual(error._tag, "TooFast")
    assert.closeTo(error.retryAfterMillis, 5_000, 1)
    assert.deepStrictEqual(others, [`{"user":"bob","text":"hi"}`])
    assert.deepStrictEqual(yield* bob.received, [{ user: "bob", text: "hi" }])
    yield* TestClock.adjust(error.retryAfterMillis)
    yield* ada.send("4")
    assert.deepStrictEqual(yield* ada.received, [{ user: "ada", text: "4" }])
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 401)
  }))

it.effect("several messages on one alarm are told in the order of their moments, also after a sleep (EX-7)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Reminders, RemindersLive)
    const ada = yield* room.connect()
    yield* ada.send({ text: "last", seconds: 60 })
    yield* ada.send({ text: "first", seconds: 20 })
    yield* ada.send({ text: "second", seconds: 20 })
    yield* room.evict
    yield* TestClock.adjust("19 seconds")
    assert.deepStrictEqual(yield* ada.received, [])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* ada.received, [{ text: "first" }, { text: "second" }])
    yield* room.evict
    yield* TestClock.adjust("40 seconds")
    assert.deepStrictEqual(yield* ada.received, [{ text: "last" }])
  }))
