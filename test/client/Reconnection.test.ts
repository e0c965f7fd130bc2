/**
 * How a connection comes back, and how it is given up.
 */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as Connect from "../../src/client/Connect.ts"
import * as Reconnection from "../../src/client/Reconnection.ts"
import type * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as CloseCode from "../../src/domain/CloseCode.ts"
import * as Room from "../../src/services/Room.ts"
import * as Driven from "./DrivenSocket.ts"
import { pass, settle } from "./world.ts"

const Note = Schema.Struct({ text: Schema.String })

const Wall = Room.make("wall", { receive: Note, send: Note })

/** Whatever is random is this. */
const random = (it: number) =>
  Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => it })

/** How long it waits from now on. */
const pauseOf = Effect.fnUntraced(function*({ status }: Pick<RoomClient.Service<typeof Wall>, "status">) {
  yield* settle
  const it = yield* status
  return it._tag === "Waiting" ? it.until - (yield* Clock.currentTimeMillis) : it._tag
})

it.effect("a drain spreads who comes back over its window, and a second one adds a pause (CC-2)", () =>
  Effect.gen(function*() {
    const pauses: Array<unknown> = []
    for (const it of [0.25, 0.75]) {
      const room = yield* random(it)(Driven.enter(Wall))
      for (let drain = 0; drain < 2; drain++) {
        room.last().open()
        room.last().end(CloseCode.drain, CloseCode.drainReason(60_000))
        const pause = yield* pauseOf(room)
        pauses.push(pause)
        yield* pass(Number(pause))
      }
      assert.lengthOf(room.sockets, 3)
    }
    assert.deepStrictEqual(pauses, [15_000, 16_000, 45_000, 46_000])
  }))

it.effect("pauses grow while tokens cannot be had, and while handshakes are not answered (CC-2, CC-3)", () =>
  Effect.gen(function*() {
    for (
      const [token, takes] of [
        [Effect.fail("no token"), 0],
        [Effect.never, 10_000],
        [undefined, 10_000]
      ] as const
    ) {
      const pauses: Array<unknown> = []
      const room = yield* random(0.5)(Driven.enter(Wall, { token, reconnect: undefined }))
      for (let attempt = 0; attempt < 4; attempt++) {
        yield* pass(takes)
        const pause = yield* pauseOf(room)
        pauses.push(pause)
        yield* pass(Number(pause))
      }
      assert.deepStrictEqual(pauses, [250, 500, 1_000, 2_000])
    }
  }))

it.effect("a connection is stable after as long as the app says (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* random(0.5)(Driven.enter(Wall, { reconnect: undefined, stableAfter: "20 seconds" }))
    const pauses: Array<unknown> = []
    for (const lasts of [19_999, 19_999, 20_000]) {
      room.last().open()
      yield* pass(lasts)
      room.last().end()
      const pause = yield* pauseOf(room)
      pauses.push(pause)
      yield* pass(Number(pause))
    }
    assert.deepStrictEqual(pauses, [250, 500, 250])
  }))

it.effect("a token that expires after a stable connection brings the client back at once, each time (CC-2)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    for (let connection = 1; connection < 4; connection++) {
      assert.lengthOf(room.sockets, connection)
      room.last().open()
      yield* pass(5_000)
      room.last().end(CloseCode.expired)
      yield* settle
    }
    assert.lengthOf(room.sockets, 4)
  }))

it.effect("a connection that is woken pings at once, however young it is (CC-10)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    yield* pass(9_000)
    room.last().open()
    yield* settle
    assert.deepStrictEqual(room.last().sent, [])
    yield* room.wake
    yield* settle
    assert.deepStrictEqual(room.last().sent, ["ping"])
    yield* pass(10_000)
    assert.lengthOf(room.last().closes, 1)
  }))

it.effect("what woke a connection that lived shortens no pause (CC-10)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    room.last().open()
    yield* room.wake
    yield* settle
    room.last().end()
    assert.strictEqual(yield* pauseOf(room), 1_000)
    assert.lengthOf(room.sockets, 1)
  }))

it.effect("a network that is back while an attempt is under way shortens the pause after it, once (CC-10)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    yield* room.wake
    room.last().end()
    yield* settle
    assert.lengthOf(room.sockets, 2)
    room.last().end()
    assert.strictEqual(yield* pauseOf(room), 1_000)
    assert.lengthOf(room.sockets, 2)
  }))

it.effect("who wakes the client as it begins to wait is heard (CC-10)", () =>
  Effect.gen(function*() {
    const network = Driven.make()
    const connection = Connect.connect(Wall, {
      url: "ws://x/",
      transport: network.transport,
      reconnect: Schedule.spaced(60_000),
      onStatus: ({ _tag }) => {
        if (_tag === "Waiting" && network.sockets.length < 3) connection.wake()
      }
    })
    for (let attempt = 1; attempt < 4; attempt++) {
      yield* settle
      assert.lengthOf(network.sockets, Math.min(attempt, 3))
      network.last().end()
    }
    yield* Effect.promise(connection.close)
  }))

it.effect("what an address acquires is released before the handshake (CC-3, CC-9)", () =>
  Effect.gen(function*() {
    let held = 0
    const token = Effect.as(
      Effect.acquireRelease(Effect.sync(() => held++), () => Effect.sync(() => held--)),
      "token"
    )
    const room = yield* Driven.enter(Wall, { token })
    assert.deepStrictEqual(room.offered, [["bearer", "token", "ndjson", "plain"]])
    assert.strictEqual(held, 0)
  }))

it.effect("who does not answer is closed with 4000: a handshake, and a ping, also where its timer is a bit late (CC-4)", () =>
  Effect.gen(function*() {
    const clock = yield* TestClock.testClockWith(Effect.succeed)
    let late = 0
    const room = yield* Driven.enter(Wall).pipe(
      Effect.provideService(
        Clock.Clock,
        Object.create(clock, { currentTimeMillisUnsafe: { value: () => clock.currentTimeMillisUnsafe() + late } })
      )
    )
    const silent = [[4000, "No answer."]]
    yield* pass(10_000)
    assert.deepStrictEqual(room.last().closes, silent)
    yield* pass(1_000)
    assert.lengthOf(room.sockets, 2)
    room.last().open()
    yield* pass(25_000)
    assert.deepStrictEqual(room.last().sent, ["ping"])
    late = 10_000
    yield* pass(10_000)
    assert.deepStrictEqual(room.last().closes, silent)
    assert.deepStrictEqual(room.last().sent, ["ping"])
  }))

it.effect("bytes come as an ArrayBuffer (CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* Driven.enter(Wall)
    assert.strictEqual(room.last().binaryType, "arraybuffer")
  }))

it.effect("what rides on it is told once of the end of each connection that had opened, whatever ended it (CC-9)", () =>
  Effect.gen(function*() {
    const network = Driven.make()
    const told: Array<unknown> = []
    const { run } = yield* Reconnection.make({ url: "ws://x/", reconnect: Schedule.spaced(1_000) }, {
      subprotocols: [],
      autoResponse: ["ping", "pong"],
      opened: () => told.push("opened"),
      frame: (data) => told.push(data),
      pinged: () => told.push("pinged"),
      lost: ({ code }) => told.push(code),
      status: () => undefined
    }).pipe(Effect.provideService(Transport.Transport, network.transport))
    const running = yield* Effect.forkScoped(run)
    yield* settle
    // It never opens.
    network.last().end()
    yield* pass(1_000)
    network.last().open()
    network.last().frame("a")
    network.last().end(1012)
    network.last().frame("late")
    yield* pass(1_000)
    // Nobody answers the handshake.
    yield* pass(11_000)
    network.last().open()
    yield* pass(36_000)
    network.last().open()
    yield* Fiber.interrupt(running)
    network.last().end()
    assert.deepStrictEqual(told, ["opened", "a", 1012, "opened", "pinged", 4000, "opened", 1000])
    assert.deepStrictEqual(network.last().closes, [[1000]])
  }))
