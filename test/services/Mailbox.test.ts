import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Mailbox from "../../src/services/Mailbox.ts"

const key = {}

// A turn that runs until it is let go, and what was seen of it.
const makeTurns = () => {
  const log: Array<string> = []
  const turn = (name: string, until: Effect.Effect<unknown> = Effect.void) => () =>
    Effect.suspend(() => {
      log.push(name)
      return Effect.as(until, name)
    })
  return { log, turn }
}

it.effect("turns of one connection run one after the other, those of two at once (LC-3)", () =>
  Effect.gen(function*() {
    const mailbox = Mailbox.make<object>()
    const gate = yield* Deferred.make<void>()
    const { log, turn } = makeTurns()
    const first = yield* Effect.forkChild(mailbox.take(key, 1, turn("first", Deferred.await(gate)))!, {
      startImmediately: true
    })
    const second = yield* Effect.forkChild(mailbox.take(key, 1, turn("second"))!, { startImmediately: true })
    const last = yield* Effect.forkChild(mailbox.last(key, turn("last")), { startImmediately: true })
    assert.strictEqual(yield* mailbox.take({}, 1, turn("other"))!, "other")
    assert.deepStrictEqual(log, ["first", "other"])
    yield* Deferred.succeed(gate, undefined)
    assert.deepStrictEqual(yield* Effect.forEach([first, second, last], Fiber.join), ["first", "second", "last"])
    assert.deepStrictEqual(log, ["first", "other", "second", "last"])
  }))

it.effect("a box is full by messages or by bytes, one that waits alone always fits, and the last always does (LC-15)", () =>
  Effect.gen(function*() {
    for (
      const [options, fit, over] of [
        [{ mailboxMessages: 3 }, [1, 1, 1], 1],
        [{ mailboxBytes: 10 }, [4, 4, 2], 1],
        [{ mailboxBytes: 10 }, [4, 4], 3],
        [{ mailboxBytes: 10 }, [1_000], 0],
        [{}, Array.from({ length: 256 }, () => 0), 0],
        [{}, [1_048_575], 2],
        [{}, [524_288, 524_288], 1]
      ] as const
    ) {
      const mailbox = Mailbox.make<object>(options)
      const gate = yield* Deferred.make<void>()
      const { log, turn } = makeTurns()
      const take = (bytes: number, name: string) => mailbox.take(key, bytes, turn(name, Deferred.await(gate)))
      const running = yield* Effect.forkChild(take(1_000_000_000, "running")!, { startImmediately: true })
      const waiting = yield* Effect.forEach(
        fit,
        (bytes, index) => Effect.forkChild(take(bytes, `${index}`)!, { startImmediately: true })
      )
      assert.isUndefined(take(over, "over"))
      const last = yield* Effect.forkChild(mailbox.last(key, turn("last")), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach([running, ...waiting, last], Fiber.join)
      assert.deepStrictEqual(log, ["running", ...fit.map((_, index) => `${index}`), "last"])
      // Whoever has been served makes room, and an empty box is none.
      assert.isDefined(take(over, "again"))
    }
  }))

it.effect("who is interrupted while it waits leaves the box, and holds up nobody (LC-16)", () =>
  Effect.gen(function*() {
    const mailbox = Mailbox.make<object>({ mailboxBytes: 10 })
    const gate = yield* Deferred.make<void>()
    const { log, turn } = makeTurns()
    const fork = <A>(turn: Effect.Effect<A> | undefined) => Effect.forkChild(turn!, { startImmediately: true })
    const running = yield* fork(mailbox.take(key, 1, turn("running", Effect.never)))
    const given = yield* fork(mailbox.take(key, 5, turn("given up")))
    assert.isUndefined(mailbox.take(key, 6, turn("too much")))
    yield* Fiber.interrupt(given)
    const exit = yield* Fiber.await(given)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    const next = yield* fork(mailbox.take(key, 10, turn("next", Deferred.await(gate))))
    const behind = yield* fork(mailbox.last(key, turn("behind")))
    assert.deepStrictEqual(log, ["running"])
    yield* Fiber.interrupt(running)
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.forEach([next, behind], Fiber.join)
    assert.deepStrictEqual(log, ["running", "next", "behind"])
  }))

it.effect("whoever begins its turn, and whoever gives its place up, gives its bytes back (LC-15, LC-16)", () =>
  Effect.gen(function*() {
    const mailbox = Mailbox.make<object>({ mailboxBytes: 10 })
    const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
    const { turn } = makeTurns()
    const fork = <A>(turn: Effect.Effect<A> | undefined) => Effect.forkChild(turn!, { startImmediately: true })
    const first = yield* fork(mailbox.take(key, 1, turn("first", Deferred.await(gates[0]))))
    const second = yield* fork(mailbox.take(key, 6, turn("second", Deferred.await(gates[1]))))
    yield* fork(mailbox.take(key, 4, turn("third")))
    assert.isUndefined(mailbox.take(key, 1, turn("too much")))
    yield* Deferred.succeed(gates[0], undefined)
    yield* Fiber.join(first)
    assert.isUndefined(mailbox.take(key, 7, turn("too much")))
    const fourth = yield* fork(mailbox.take(key, 6, turn("fourth")))
    assert.isUndefined(mailbox.take(key, 1, turn("too much")))
    yield* Fiber.interrupt(fourth)
    assert.isUndefined(mailbox.take(key, 7, turn("too much")))
    assert.isDefined(mailbox.take(key, 6, turn("fits")))
    yield* Deferred.succeed(gates[1], undefined)
    assert.strictEqual(yield* Fiber.join(second), "second")
  }))

it.effect("ten thousand turns that end at once are passed on without a deep stack (LC-3)", () =>
  Effect.gen(function*() {
    const mailbox = Mailbox.make<object>({ mailboxMessages: Infinity })
    const gate = yield* Deferred.make<void>()
    const { log, turn } = makeTurns()
    const fork = (turn: Effect.Effect<string>) => Effect.forkChild(turn, { startImmediately: true })
    const running = yield* fork(mailbox.take(key, 0, turn("running", Deferred.await(gate)))!)
    const waiting = yield* Effect.forEach(
      Array.from({ length: 10_000 }),
      (_, index) => fork(mailbox.take(key, 0, turn(`${index}`))!)
    )
    yield* Deferred.succeed(gate, undefined)
    yield* Effect.forEach([running, ...waiting], Fiber.join)
    assert.deepStrictEqual(log, ["running", ...Array.from({ length: 10_000 }, (_, index) => `${index}`)])
  }))

const Step = Schema.Struct({
  // Which of the turns before is interrupted first, where it still is there.
  interrupts: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))),
  // Whether it is interrupted as soon as it has come.
  isQuick: Schema.Boolean,
  ends: Schema.Literals(["at once", "later", "fails", "dies", "throws", "never"])
})

const endings: Record<Exclude<typeof Step.Type["ends"], "throws">, Effect.Effect<void, string>> = {
  "at once": Effect.void,
  later: Effect.asVoid(Effect.replicateEffect(Effect.yieldNow, 3)),
  fails: Effect.fail("failed"),
  dies: Effect.die("died"),
  never: Effect.never
}

it.effect.prop(
  "turns run in order, one at a time, and each passes on whatever happens to it (LC-3, LC-16)",
  {
    plan: Schema.Array(Step).check(Schema.isMaxLength(12)),
    // Fibers that yield after so many operations are interrupted in the most awkward places.
    opsBeforeYield: Schema.Literals([3, 4, 5, 6, 7, 8, 9, 2_048, 2_048, 2_048])
  },
  ({ opsBeforeYield, plan }) =>
    Effect.gen(function*() {
      const mailbox = Mailbox.make<object>()
      const began: Array<number> = []
      let running = 0
      let most = 0
      const turn = (index: number, { ends }: typeof Step.Type) => () => {
        began.push(index)
        if (ends === "throws") throw new Error("thrown")
        return Effect.acquireUseRelease(
          Effect.sync(() => {
            most = Math.max(most, ++running)
          }),
          () => endings[ends],
          () => Effect.sync(() => void running--)
        )
      }
      const fork = (turn: Effect.Effect<unknown, string>) =>
        Effect.provideService(
          Effect.forkChild(turn, { startImmediately: true }),
          Scheduler.MaxOpsBeforeYield,
          opsBeforeYield
        )
      const fibers: Array<Fiber.Fiber<unknown, string>> = []
      for (const [index, step] of plan.entries()) {
        const other = step.interrupts === undefined ? undefined : fibers[step.interrupts]
        // As an event takes its turn: some steps after it has begun, and some before it goes on.
        const event = Effect.suspend(() => Effect.asVoid(mailbox.take(key, 1, turn(index, step))!))
        fibers.push(yield* fork(event))
        if (other !== undefined) other.interruptUnsafe()
        if (step.isQuick) fibers[index]!.interruptUnsafe()
      }
      // What never ends is interrupted, one after the other.
      for (const fiber of fibers) {
        yield* Effect.replicateEffect(Effect.yieldNow, 3)
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(running, 0)
      assert.isAtMost(most, 1)
      // Who yields before it has come to the box is overtaken.
      if (opsBeforeYield === 2_048) assert.deepStrictEqual(began, began.toSorted((a, b) => a - b))
      // Whoever comes now finds the box free.
      const last = yield* fork(mailbox.take(key, 1, () => Effect.succeed("free"))!)
      yield* Effect.replicateEffect(Effect.yieldNow, 100)
      assert.deepStrictEqual(last.pollUnsafe(), Exit.succeed("free"))
    }),
  { arbitrary: { runs: 300, size: 12 } }
)
