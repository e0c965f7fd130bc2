/**
 * What a client says: when it leaves, what it takes while it waits, and what is told of it where it may be lost.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { RoomClientError } from "../../src/client/RoomClientError.ts"
import * as Room from "../../src/services/Room.ts"
import { collect } from "../contract/client.ts"
import * as Driven from "./DrivenSocket.ts"
import { pass, settle, start } from "./world.ts"

const Note = Schema.Struct({ text: Schema.String })

const Wall = Room.make("wall", { receive: Note, send: Note })

const say = (text: string) => ({ text })

/** The line of a message has so many bytes beside its text. */
const beside = JSON.stringify(say("")).length

const reasonOf = <A, E>(sending: Effect.Effect<A, E | RoomClientError>) =>
  // SAFETY: `Wall` declares no refusals.
  Effect.map(Effect.flip(sending), (error) => (error as RoomClientError).reason)

it.effect("what is joined has at most 65,536 bytes, its separators among them, and what was taken back none (CC-8)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    const socket = room.last()
    socket.open()
    const long = "x".repeat(30_000)
    const rest = "x".repeat(65_536 - 1 - 30_000 - 2 * beside)
    for (
      const [texts, frames] of [
        [[long, rest], 1],
        [[long, `${rest}x`], 2],
        [["é".repeat(20_000), "é".repeat(20_000)], 2]
      ] as const
    ) {
      yield* Fiber.interrupt(yield* start(room.send(say("taken back"), { id: "1" })))
      for (const text of texts) yield* room.send(say(text))
      yield* settle
      assert.lengthOf(socket.sent.splice(0).filter((frame) => frame !== "ping"), frames)
    }
  }))

it.effect("what was taken back or has left is not in the queue, what comes back from a connection is (CC-5)", () =>
  Effect.gen(function*() {
    const bytes = 3 * (beside + 1)
    const room = yield* Driven.enter(Wall, { queue: { bytes } })
    const isFull = Effect.map(reasonOf(room.send(say("z"))), ({ _tag }) => _tag === "QueueFull")
    const [first] = yield* Effect.forEach(["a", "b", "c"], (text) => start(room.send(say(text))))
    assert.isTrue(yield* isFull)
    yield* Fiber.interrupt(first!)
    yield* start(room.send(say("d")))
    assert.isTrue(yield* isFull)
    room.last().open()
    yield* Effect.forEach(["e", "f", "g"], (text) => room.send(say(text)))
    room.last().readyState = 2
    // They have not left when their turn is over.
    yield* settle
    assert.isTrue(yield* isFull)
    room.last().end()
    yield* pass(1_000)
    room.last().open()
    room.last().readyState = 2
    for (const text of ["h", "i", "j"]) assert.isUndefined((yield* start(room.send(say(text)))).pollUnsafe())
    assert.isTrue(yield* isFull)
    const lines = (texts: string) => Array.from(texts, (text) => JSON.stringify(say(text))).join("\n")
    assert.deepStrictEqual(room.sockets.map(({ sent }) => sent), [[lines("bcd")], [lines("efg")]])
  }))

it.effect("what a connection has not taken when its turn is over leaves before what was said later (CC-5)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    yield* room.send(say("a"))
    const confirmed = yield* start(room.send(say("b"), { id: "1" }))
    room.last().readyState = 2
    const later = yield* start(room.send(say("c")))
    yield* settle
    room.last().end()
    yield* pass(1_000)
    // It has not left, so nothing is unknown of it.
    assert.isUndefined(confirmed.pollUnsafe())
    room.last().open()
    yield* Fiber.join(later)
    assert.deepStrictEqual(room.last().sent, [`{"text":"a"}\n{"text":"b","$id":"1"}\n{"text":"c"}`])
    room.last().frame(`{"_tag":"Handled","id":"1"}`)
    yield* Fiber.join(confirmed)
    assert.deepStrictEqual(room.trouble, [])
  }))

it.effect("a message with an id that was said in the turn in which the connection ends is not unknown (CC-7)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    const confirmed = yield* start(room.send(say("a"), { id: "1" }))
    room.last().end()
    yield* pass(1_000)
    room.last().open()
    room.last().frame(`{"_tag":"Handled","id":"1"}`)
    yield* Fiber.join(confirmed)
    assert.deepStrictEqual(room.sockets.map(({ sent }) => sent), [[], [`{"text":"a","$id":"1"}`]])
  }))

it.effect("a pong proves what had left before its own ping, and no more (CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    const messages = Array.from({ length: 513 }, (_, n) => say(`${n}`))
    yield* Effect.forEach(messages, room.send)
    yield* settle
    assert.lengthOf(room.last().sent.filter((frame) => frame === "ping"), 2)
    room.last().frame("pong")
    room.last().frame("pong")
    room.last().end()
    yield* settle
    assert.deepStrictEqual(room.trouble, [{ _tag: "Unknown", messages: messages.slice(512) }])
  }))

it.effect("a ping that was not answered proves nothing on the next connection (CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    yield* room.send(say("a"))
    yield* pass(25_000)
    room.last().end()
    yield* pass(1_000)
    room.last().open()
    yield* pass(25_000)
    yield* room.send(say("b"))
    yield* settle
    assert.deepStrictEqual(room.sockets.map(({ sent }) => sent), [[`{"text":"a"}`, "ping"], ["ping", `{"text":"b"}`]])
    room.last().frame("pong")
    room.last().end()
    yield* settle
    assert.deepStrictEqual(room.trouble, ["a", "b"].map((text) => ({ _tag: "Unknown", messages: [say(text)] })))
  }))

it.effect("without an auto-response any frame is an answer, and the last 256 are in doubt (CC-6)", () =>
  Effect.gen(function*() {
    const Text = Room.make("text", { format: "text", receive: Schema.String, send: Schema.String })
    const room = yield* Driven.enter(Text)
    const messages = Array.from({ length: 300 }, (_, n) => `${n}`)
    room.last().open("")
    yield* Effect.forEach(messages, (message) => room.send(message))
    assert.deepStrictEqual(room.last().sent, messages)
    room.last().end()
    yield* pass(1_000)
    room.last().open("")
    yield* room.send("a")
    room.last().frame("hello")
    yield* room.send("b")
    room.last().end()
    yield* settle
    assert.deepStrictEqual(room.trouble, [
      { _tag: "Unknown", messages: messages.slice(-256) },
      { _tag: "Unknown", messages: ["b"] }
    ])
  }))

it.effect("where there is no coming back, who waits fails, and what had been said is told as unknown (CC-2, CC-6, CC-7)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    yield* room.send(say("a"))
    room.last().readyState = 2
    yield* settle
    const waiting = [
      yield* start(reasonOf(room.send(say("b")))),
      yield* start(reasonOf(room.send(say("c"), { id: "1" })))
    ]
    room.last().end(4500, "over")
    yield* settle
    for (const fiber of waiting) {
      assert.deepInclude(fiber.pollUnsafe(), { _tag: "Success" })
      assert.deepInclude(yield* Fiber.join(fiber), { _tag: "Closed", code: 4500, reason: "over" })
    }
    assert.deepStrictEqual(room.last().sent, [])
    assert.deepStrictEqual(room.trouble, [{ _tag: "Unknown", messages: [say("a")] }])
  }))

it.effect("what was said before its scope closes leaves, and what of it is in doubt is told (CC-6, CC-7, CC-9)", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const room = yield* Effect.provideService(Driven.enter(Wall), Scope.Scope, scope)
    const troubles = yield* collect(room.troubles)
    const confirmed = yield* start(reasonOf(room.send(say("a"), { id: "1" })))
    // As a socket that closes: nothing leaves any more.
    const socket = Object.assign(room.last(), {
      close: (...how: ReadonlyArray<unknown>) => socket.sent.push(`closed with ${how[0]}`)
    })
    socket.open()
    yield* room.send(say("b"))
    yield* Scope.close(scope, Exit.void)
    assert.deepStrictEqual(socket.sent, [`{"text":"a","$id":"1"}`, `{"text":"b"}`, "closed with 1000"])
    assert.deepInclude(yield* Fiber.join(confirmed), { _tag: "Unknown", code: 1000 })
    yield* Fiber.join(troubles.fiber)
    assert.deepStrictEqual(troubles.all, [{ _tag: "Unknown", messages: [say("b")] }])
  }))

it.effect("a slow network is asked after each 128 KiB, so that what it carries is no silence (CC-4, CC-6)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    const socket = room.last()
    socket.open("plain")
    yield* pass(20_000)
    const pings = () => socket.sent.filter((frame) => frame === "ping").length
    for (let n = 0; n < 16; n++) yield* room.send(say("x".repeat(131_072 / 4 - beside)))
    assert.strictEqual(pings(), 4)
    // It carries 16 KiB a second, and has 512 to carry.
    for (let n = 0; n < 4; n++) {
      yield* pass(8_000)
      socket.frame("pong")
    }
    assert.deepStrictEqual(socket.closes, [])
    socket.end()
    yield* settle
    assert.deepStrictEqual(room.trouble, [])
  }))
