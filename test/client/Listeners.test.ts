/**
 * Those who listen, and what is left of them.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Listeners from "../../src/client/Listeners.ts"
import { collect } from "../contract/client.ts"
import { settle } from "./world.ts"

it.effect("who is too far behind, or gone, does not count any more (CC-1)", () =>
  Effect.gen(function*() {
    const { count, end, stream, tell } = yield* Listeners.make<number, string>(2, "overrun")
    assert.strictEqual(count(), 0)
    const slow = yield* Effect.forkScoped(Effect.flip(Stream.runForEach(stream, () => Effect.never)))
    const swift = yield* collect(stream)
    yield* settle
    assert.strictEqual(count(), 2)
    tell(0)
    yield* settle
    // What its stream has taken does not wait.
    for (let n = 1; n <= 2; n++) {
      tell(n)
      yield* settle
    }
    assert.strictEqual(count(), 2)
    tell(3)
    assert.strictEqual(count(), 1)
    yield* settle
    yield* Fiber.interrupt(slow)
    yield* Stream.runDrain(Stream.take(stream, 0))
    assert.strictEqual(count(), 1)
    yield* Fiber.interrupt(swift.fiber)
    assert.strictEqual(count(), 0)
    assert.deepStrictEqual(swift.all, [0, 1, 2, 3])
    end()
    assert.strictEqual(count(), 0)
  }))

it.effect("what was told before anybody listened is for the first alone, as much as one may be behind (CC-1)", () =>
  Effect.gen(function*() {
    const { count, stream, tell } = yield* Listeners.make<number, string>(2, "overrun")
    tell(1)
    assert.strictEqual(count(), 0)
    const first = yield* collect(Stream.take(stream, 1))
    yield* Fiber.join(first.fiber)
    const second = yield* collect(stream)
    tell(2)
    yield* settle
    assert.deepStrictEqual([first.all, second.all], [[1], [2]])
    assert.strictEqual(count(), 1)
  }))

it.effect("where nobody listens for too long, the first who does hears what was kept, and fails (CC-1)", () =>
  Effect.gen(function*() {
    const { count, end, stream, tell } = yield* Listeners.make<number, string>(2, "overrun")
    for (let n = 1; n <= 3; n++) {
      tell(n)
      yield* settle
    }
    assert.strictEqual(count(), 0)
    const heard = yield* collect(stream)
    assert.strictEqual(yield* Effect.flip(Fiber.join(heard.fiber)), "overrun")
    assert.deepStrictEqual(heard.all, [1, 2])
    const later = yield* collect(stream)
    tell(4)
    end()
    yield* Fiber.join(later.fiber)
    assert.deepStrictEqual(later.all, [4])
  }))

it.effect("who is slow to hear what stands now misses the oldest (CC-1)", () =>
  Effect.gen(function*() {
    const { end, stream, tell } = Listeners.latest(0)
    const heard = yield* collect(stream)
    yield* settle
    for (let n = 1; n <= 100; n++) tell(n)
    end()
    yield* Fiber.join(heard.fiber)
    assert.deepStrictEqual(heard.all, [0, ...Array.from({ length: 64 }, (_, n) => n + 37)])
  }))

it.effect("nothing is kept for who has stopped listening to what stands now (CC-9)", () =>
  Effect.gen(function*() {
    setFlagsFromString("--expose-gc")
    const collectGarbage: () => void = runInNewContext("gc")
    const latest = Listeners.latest<object>({})
    yield* Stream.runDrain(Stream.take(latest.stream, 1))
    const told = new WeakRef({})
    latest.tell(told.deref()!)
    latest.tell({})
    // A reference that was looked at in a turn holds until its end.
    for (let turn = 0; turn < 10 && told.deref() !== undefined; turn++) {
      yield* settle
      collectGarbage()
    }
    assert.isUndefined(told.deref())
  }))
