/**
 * The client on sockets, tokens and schedules that do what they should not.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Stream from "effect/Stream"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as CloseCode from "../../src/domain/CloseCode.ts"
import * as Room from "../../src/services/Room.ts"
import { collect } from "../contract/client.ts"
import * as Driven from "./DrivenSocket.ts"
import { pass, settle, start } from "./world.ts"

class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}

const Note = Schema.Struct({ text: Schema.String })

const Wall = Room.make("wall", { receive: Note, send: Note, error: Full })

const say = (text: string) => ({ text })

const errorOf = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.flip(Fiber.join(fiber))

it.effect("what is interrupted in its turn has not left, on this connection and on the next (CC-5)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    yield* Fiber.interrupt(yield* start(room.send(say("a"), { id: "1" })))
    yield* settle
    assert.deepStrictEqual(room.last().sent, [])
    const second = yield* start(room.send(say("b"), { id: "1" }))
    assert.isUndefined(second.pollUnsafe())
    room.last().readyState = 2
    yield* Fiber.interrupt(second)
    room.last().end()
    yield* pass(1_000)
    room.last().open()
    yield* start(room.send(say("c"), { id: "1" }))
    yield* settle
    assert.deepStrictEqual(room.sockets.map(({ sent }) => sent), [[], [`{"text":"c","$id":"1"}`]])
    assert.deepStrictEqual(room.trouble, [])
  }))

it.effect("the id of a message that has left is taken until the room has answered it (CC-7)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    const first = yield* start(room.send(say("a"), { id: "1" }))
    yield* settle
    yield* Fiber.interrupt(first)
    const twice = yield* Effect.flip(room.send(say("b"), { id: "1" }))
    assert.strictEqual(twice._tag === "RoomClientError" && twice.reason._tag, "InvalidMessage")
    room.last().frame(`{"_tag":"Handled","id":"1"}`)
    const again = yield* start(room.send(say("b"), { id: "1" }))
    yield* settle
    yield* Fiber.interrupt(again)
    room.last().end()
    yield* settle
    // Nobody waits for their outcomes any more. They are told all the same.
    assert.deepStrictEqual(room.trouble, [{ _tag: "Unknown", messages: [say("b")] }])
    yield* pass(1_000)
    room.last().open()
    const third = yield* start(room.send(say("c"), { id: "1" }))
    yield* settle
    yield* Fiber.interrupt(third)
    room.last().frame(`{"_tag":"Error","code":"Internal","message":"no","id":"1"}`)
    yield* settle
    assert.deepStrictEqual(room.trouble.slice(1), [{ _tag: "Rejected", code: "Internal", detail: "no" }])
  }))

it.effect("an answer is an answer, also to a room whose own messages may look like one (CC-7, PL-7)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(
      Room.make("any", { receive: Note, send: Schema.Record(Schema.String, Schema.String) })
    )
    room.last().open()
    const handled = yield* start(room.send(say("a"), { id: "1" }))
    const refused = yield* start(room.send(say("b"), { id: "2" }))
    yield* settle
    room.last().frame(`{"_tag":"Handled","id":"1"}\n{"_tag":"Error","code":"Internal","message":"no","id":"2"}`)
    room.last().frame(`{"_tag":"Handled","id":"3"}`)
    yield* Fiber.join(handled)
    const error = yield* errorOf(refused)
    assert.strictEqual(error.reason._tag, "Rejected")
    yield* settle
    assert.deepStrictEqual(room.heard, [{ _tag: "Handled", id: "3" }])
  }))

it.effect("a schema that throws costs one line, and nothing leaves (CC-1)", () =>
  Effect.gen(function*() {
    const fussy = Schema.makeFilter((text: string) => {
      if (text === "bad") throw new Error("I cannot look at this")
      return true
    })
    const Fussy = Schema.Struct({ text: Schema.String.check(fussy) })
    const room = yield* Driven.enter(Room.make("fussy", { receive: Fussy, send: Fussy }))
    room.last().open()
    const handled = yield* start(room.send(say("a"), { id: "1" }))
    yield* settle
    room.last().frame(`{"text":"1"}\n{"text":"bad"}\n{"text":"2"}\n{"_tag":"Handled","id":"1"}`)
    yield* Fiber.join(handled)
    yield* settle
    assert.deepStrictEqual(room.heard, [say("1"), say("2")])
    assert.deepStrictEqual(room.trouble, [{ _tag: "Unreadable", detail: "Error: I cannot look at this" }])
    const error = yield* Effect.flip(room.send(say("bad")))
    assert.strictEqual(error.reason._tag, "InvalidMessage")
  }))

it.effect("what the room would close the connection for does not leave (CC-1)", () =>
  Effect.gen(function*() {
    const shared = { receive: Note, send: Note }
    for (
      const [definition, fits, most] of [
        [Room.make("small", { ...shared, limits: { messageBytes: 20 } }), 9, 20],
        [Room.make("usual", shared), 65_525, 65_536],
        [Room.make("large", { ...shared, limits: { messageBytes: 100_000 } }), 99_989, 100_000]
      ] as const
    ) {
      const room = yield* Driven.enter(definition)
      room.last().open()
      yield* room.send(say("x".repeat(fits)))
      for (const text of ["x".repeat(fits + 1), "é".repeat(most / 2)]) {
        const { reason } = yield* Effect.flip(room.send(say(text)))
        assert.deepInclude(reason, { _tag: "InvalidMessage", detail: `It has more than ${most} bytes.` })
      }
      yield* settle
      assert.deepStrictEqual(room.last().sent.map(({ length }) => length), [fits + 11])
    }
  }))

it.effect("what leaves in one frame is no more than the room takes in one (CC-1, CC-8)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Room.make("small", { receive: Note, send: Note, limits: { messageBytes: 40 } }))
    room.last().open()
    for (const text of ["ab", "cde", "f", "g"]) yield* room.send(say(text))
    yield* settle
    assert.deepStrictEqual(room.last().sent, [`{"text":"ab"}\n{"text":"cde"}`, `{"text":"f"}\n{"text":"g"}`])
  }))

it.effect("whoever keeps up hears a frame that has more messages than may wait (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall, { listenerMessages: 4 })
    room.last().open()
    for (let frame = 0; frame < 3; frame++) {
      room.last().frame(Array.from({ length: 9 }, () => `{"text":"a"}`).join("\n"))
      yield* settle
    }
    assert.lengthOf(room.heard, 27)
    assert.isUndefined(room.listening.pollUnsafe())
  }))

it.effect("a listener that is too far behind with what went wrong fails, and the others go on (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall, { listenerMessages: 2 })
    const slow = yield* start(Stream.runForEach(room.troubles, () => Effect.sleep(1)))
    room.last().open()
    for (let frame = 0; frame < 4; frame++) {
      room.last().frame("no JSON")
      yield* settle
    }
    yield* pass(4)
    const { reason } = yield* errorOf(slow)
    assert.strictEqual(reason._tag, "Overrun")
    assert.lengthOf(room.trouble, 4)
  }))

it.effect("a socket that throws is given up, and what was said leaves with the next, in order (CC-5, CC-12)", () =>
  Effect.gen(function*() {
    for (const protocol of ["ndjson", ""]) {
      const room = yield* Driven.enter(Wall)
      const waiting = yield* Effect.forEach(["a", "b"], (text) => start(room.send(say(text))))
      room.last().isBroken = true
      room.last().open(protocol)
      assert.deepStrictEqual(room.last().closes, [[CloseCode.silent]])
      yield* start(room.send(say("c")))
      room.last().end()
      yield* pass(1_000)
      room.last().open(protocol)
      for (const fiber of waiting) yield* Fiber.join(fiber)
      room.last().isBroken = true
      yield* start(room.send(say("d")))
      yield* start(room.send(say("e")))
      yield* settle
      room.last().end()
      yield* pass(1_000)
      room.last().open(protocol)
      yield* settle
      const texts = (sent: ReadonlyArray<unknown>) =>
        [...sent.join("\n").matchAll(/"text":"(.)"/g)].map(([, text]) => text)
      assert.deepStrictEqual(room.sockets.map(({ sent }) => texts(sent)), [[], ["a", "b", "c"], ["d", "e"]])
      assert.deepStrictEqual(room.trouble.flatMap((trouble) => trouble._tag === "Unknown" ? trouble.messages : []), [
        say("a"),
        say("b"),
        say("c")
      ])
    }
  }))

it.effect("a token that interrupts itself, hangs, or cannot be sent is an attempt that failed, and is in no reason (CC-3, CC-4)", () =>
  Effect.gen(function*() {
    const tokens: ReadonlyArray<readonly [Effect.Effect<string>, takes: number]> = [
      [Effect.interrupt, 0],
      [Effect.never, 10_000],
      [Effect.succeed("geh eim"), 0],
      [Effect.succeed(""), 0]
    ]
    let attempt = 0
    const token = Effect.suspend(() => tokens[attempt++]?.[0] ?? Effect.succeed("good"))
    const room = yield* Driven.enter(Wall, { token })
    for (const [, takes] of tokens) {
      yield* pass(takes)
      const status = yield* room.status
      assert.deepInclude(status, { _tag: "Waiting", code: 1006 })
      assert.notInclude(JSON.stringify(status), "geh")
      yield* pass(1_000)
    }
    assert.deepStrictEqual(room.offered, [["bearer", "good", "ndjson", "plain"]])
    room.last().open()
    yield* settle
    assert.deepStrictEqual(yield* room.status, { _tag: "Connected" })
  }))

it.effect("a schedule that dies or interrupts itself ends the client, which tells why (CC-2)", () =>
  Effect.gen(function*() {
    const failures = [
      [Effect.die(new Error("no schedule")), "Error: no schedule"],
      [Effect.interrupt, "Error: All fibers interrupted without error"]
    ] as const
    for (const [fails, reason] of failures) {
      const room = yield* Driven.enter(Wall, { reconnect: Schedule.modifyDelay(Schedule.forever, () => fails) })
      room.last().end()
      yield* settle
      assert.deepInclude(yield* room.status, { _tag: "Closed", code: 1006, reason })
      assert.strictEqual((yield* errorOf(room.listening)).reason._tag, "Closed")
    }
  }))

it.effect("a drain that is told again and again is obeyed once, and then with pauses (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    const drained = Effect.gen(function*() {
      room.last().open()
      room.last().end(CloseCode.drain, CloseCode.drainReason(0))
      yield* settle
    })
    yield* drained
    assert.lengthOf(room.sockets, 2)
    yield* drained
    assert.lengthOf(room.sockets, 2)
    yield* pass(1_000)
    assert.lengthOf(room.sockets, 3)
    // A connection that was stable may be told again.
    room.last().open()
    yield* pass(5_000)
    room.last().end(CloseCode.drain, CloseCode.drainReason(0))
    yield* settle
    assert.lengthOf(room.sockets, 4)
  }))

const textsOf = (sent: ReadonlyArray<unknown>) =>
  [...sent.join("\n").matchAll(/"text":"(.+?)"/g)].map(([, text]) => text)

it.effect("who says it again at once where it is unknown says it once (CC-7)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    let tries = 0
    const insist: Effect.Effect<void, unknown> = Effect.suspend(() => {
      tries++
      return Effect.catch(room.send(say("a"), { id: "1" }), () => insist)
    })
    yield* start(insist)
    yield* settle
    room.last().end()
    yield* settle
    assert.strictEqual(tries, 2)
    yield* pass(1_000)
    room.last().open()
    yield* settle
    assert.deepStrictEqual(room.sockets.map(({ sent }) => textsOf(sent)), [["a"], ["a"]])
  }))

it.effect("whoever speaks as soon as it may comes behind those who waited (CC-5)", () =>
  Effect.gen(function*() {
    for (const protocol of ["plain", "ndjson"]) {
      const room = yield* Driven.enter(Wall)
      const waiting = Array.from({ length: 70 }, (_, n) => `${n}`)
      yield* start(Effect.andThen(room.send(say("first")), room.send(say("next"))))
      for (const text of waiting) yield* start(room.send(say(text)))
      room.last().open(protocol)
      yield* settle
      assert.deepStrictEqual(textsOf(room.last().sent), ["first", ...waiting, "next"])
    }
  }))

it.effect("a socket that fails in the middle of a turn changes no order (CC-5, CC-8)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    room.last().isBroken = true
    const texts = Array.from({ length: 70 }, (_, n) => `${n}`)
    for (const text of texts) yield* start(room.send(say(text)))
    room.last().end()
    yield* pass(1_000)
    room.last().open()
    yield* settle
    assert.deepStrictEqual(textsOf(room.last().sent), texts)
  }))

it.effect("troubles that nobody hears are bounded, also where no frame comes (CC-1)", () =>
  Effect.gen(function*() {
    const network = Driven.make()
    const client = yield* RoomClient.make(Wall, { url: "ws://x/", reconnect: Schedule.spaced(1), listenerMessages: 3 })
      .pipe(Effect.provideService(Transport.Transport, network.transport))
    yield* settle
    for (let n = 0; n < 9; n++) {
      network.last().open()
      yield* client.send(say("a"))
      yield* settle
      network.last().end()
      yield* pass(1)
    }
    const heard = yield* collect(client.troubles)
    yield* settle
    assert.lengthOf(heard.all, 3)
  }))

it.effect("a ping that a socket throws at gives the connection up (CC-4)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    yield* settle
    room.last().isBroken = true
    yield* pass(25_000)
    assert.deepInclude(yield* room.status, { _tag: "Waiting", code: 4000 })
    assert.deepStrictEqual(room.sockets[0]!.closes.map(([code]) => code), [4000])
  }))

it.effect("a schema of bytes that throws is a message that does not fit (CC-1)", () =>
  Effect.gen(function*() {
    const Throwing = Schema.Struct({ text: Schema.String }).check(Schema.makeFilter(() => {
      throw new Error("I cannot look at this")
    }))
    const Bytes = Schema.Uint8Array.pipe(Schema.decodeTo(Throwing, {
      decode: SchemaGetter.transform(() => ({ text: "" })),
      encode: SchemaGetter.transform(() => new Uint8Array(1))
    }))
    const room = yield* Driven.enter(
      Room.make("bytes", {
        receive: Schema.Struct({ n: Schema.Int }),
        send: Note,
        bytes: { receive: Bytes, send: Bytes }
      })
    )
    room.last().open()
    const error = yield* Effect.flip(room.send({ text: "a" }))
    assert.strictEqual(error.reason._tag, "InvalidMessage")
  }))
