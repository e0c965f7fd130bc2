/**
 * The contract of a room that speaks `effect/rpc`: the same tests for the memory layers and for the real runtime, with the
 * stock client.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Alarm from "../../src/services/Alarm.ts"
import { Ticker } from "./Ticker.ts"
import { client, type World } from "./World.ts"

type Client = Effect.Success<ReturnType<typeof client>>

/** Reads a stream into a queue, until the scope ends. */
export const read = Effect.fnUntraced(function*<A, E>(stream: Stream.Stream<A, E>) {
  const queue = yield* Queue.unbounded<A>()
  const reading = yield* Effect.forkScoped(Stream.runForEach(stream, (value) => Queue.offer(queue, value)))
  return { take: Queue.take(queue), queue, reading }
})

// A stream that is asked for is open when the answer to what is asked later is there.
const opened = Effect.fnUntraced(function*<A, E>(asking: Client, stream: Stream.Stream<A, E>) {
  const reader = yield* read(stream)
  yield* Effect.yieldNow
  yield* asking.Echo({ text: "" })
  return reader
})

const request = (id: unknown, tag: string, payload: unknown = null, more: object = {}) =>
  JSON.stringify({ _tag: "Request", id, tag, payload, headers: [], ...more })

export const contract = (name: string, makeWorld: Effect.Effect<World, never, Scope.Scope>): void => {
  for (const sleeps of [false, true]) {
    const test = (
      title: string,
      body: (world: World, sleep: Effect.Effect<void>) => Effect.Effect<void, unknown, Scope.Scope>
    ) =>
      it.live(
        title,
        () =>
          Effect.flatMap(makeWorld, (world) => body(world, sleeps ? world.evict : Effect.void)).pipe(
            // What fails in the room fails on purpose.
            Effect.provideService(References.MinimumLogLevel, "None")
          )
      )

    describe(`${name}, ${sleeps ? "asleep between the steps" : "awake"}`, () => {
      test(
        "the stock client calls, and is answered, before and after a sleep (RP-1, RP-2)",
        (world, sleep) =>
          Effect.gen(function*() {
            const [ada, bob] = [yield* client(world, "?user=ada&note=first"), yield* client(world)]
            const waking = yield* ada.Waking()
            yield* sleep
            assert.strictEqual(yield* ada.Waking(), sleeps ? waking + 1 : waking)
            assert.strictEqual(yield* bob.Echo({ text: "hi" }), "hi")
            yield* sleep
            const tomorrow = yield* ada.Day({ day: new Date(0) })
            assert.strictEqual(tomorrow.getTime(), 86_400_000)
            assert.deepStrictEqual(
              yield* Stream.runCollect(ada.Count({ to: 5_000 })),
              Array.from(
                { length: 5_000 },
                (_, index) => index + 1
              )
            )
          })
      )

      test("a call that fails or dies ends itself alone (RP-1)", (world, sleep) =>
        Effect.gen(function*() {
          const ada = yield* client(world)
          const waiting = yield* Effect.forkChild(ada.Wait({ milliseconds: 50 }), { startImmediately: true })
          assert.deepInclude(yield* Effect.flip(ada.Refuse()), { _tag: "Refused", why: "because" })
          const dies = yield* Effect.exit(ada.Die())
          assert.isTrue(Exit.isFailure(dies) && Cause.hasDies(dies.cause))
          const misfit = yield* Effect.exit(ada.Misfit())
          assert.isTrue(Exit.isFailure(misfit) && Cause.hasDies(misfit.cause))
          assert.strictEqual(yield* Fiber.join(waiting), "done")
          yield* sleep
          assert.strictEqual(yield* ada.Echo({ text: "still here" }), "still here")
        }))

      test(
        "calls of one connection overlap, and one that is interrupted ends in the room (RP-1)",
        (world, sleep) =>
          Effect.gen(function*() {
            const [ada, bob] = [yield* client(world), yield* client(world)]
            const events = yield* opened(bob, bob.Events())
            yield* sleep
            const waiting = yield* Effect.forkChild(ada.Never(), { startImmediately: true })
            assert.strictEqual(yield* ada.Echo({ text: "meanwhile" }), "meanwhile")
            yield* Fiber.interrupt(waiting)
            assert.strictEqual(yield* events.take, "interrupted")
          })
      )

      test(
        "a handler knows who calls, and what is kept for it stays beside its streams (RP-3)",
        (world, sleep) =>
          Effect.gen(function*() {
            const [ada, bob] = [yield* client(world, "?user=ada&note=first"), yield* client(world, "?note=second")]
            const watch = yield* opened(ada, ada.Watch({}))
            yield* sleep
            const me = yield* ada.Me()
            assert.deepInclude(me, { user: "ada", note: "first" })
            yield* ada.Note({ note: "third" })
            yield* sleep
            assert.deepStrictEqual(yield* ada.Me(), { ...me, note: "third" })
            assert.deepInclude(yield* bob.Me(), { user: null, note: "second" })
            yield* bob.Push({ value: 1 })
            assert.strictEqual(yield* watch.take, 1)
            const listed = yield* world.run(Ticker.use((room) => room.connections()))
            assert.deepStrictEqual(listed.map(({ state }) => state), [{ note: "third" }, { note: "second" }])
          })
      )

      test(
        "a connection may be refused, and a call by a middleware that knows who calls (RP-3)",
        (world, sleep) =>
          Effect.gen(function*() {
            assert.isTrue(Exit.isFailure(yield* Effect.exit(world.connect("?refuse"))))
            const [ada, bob] = [yield* client(world, "?user=ada"), yield* client(world)]
            yield* sleep
            assert.strictEqual(yield* ada.Secret(), "hush")
            assert.deepInclude(yield* Effect.flip(bob.Secret()), { _tag: "Refused", why: "nobody" })
          })
      )

      test("the alarm pushes, also after a sleep (RP-5)", (world, sleep) =>
        Effect.gen(function*() {
          const ada = yield* client(world)
          const events = yield* opened(ada, ada.Events())
          yield* world.run(Alarm.Alarm.use((alarm) => alarm.set(Date.UTC(2100, 0))))
          yield* sleep
          yield* world.ring
          assert.strictEqual(yield* events.take, "rang")
        }))

      test("what is pushed reaches all who watch, also after a sleep (RP-5)", (world, sleep) =>
        Effect.gen(function*() {
          const [ada, bob] = [yield* client(world, "?user=ada"), yield* client(world)]
          const all = yield* opened(ada, ada.Watch({}))
          const again = yield* opened(ada, ada.Watch({ topic: "a" }))
          const bobs = yield* opened(bob, bob.Watch({ topic: "a", first: [7, 8] }))
          assert.deepStrictEqual([yield* bobs.take, yield* bobs.take], [7, 8])
          yield* sleep
          assert.deepStrictEqual(yield* bob.Push({ value: 1 }), { delivered: 3, failed: 0 })
          yield* sleep
          assert.deepStrictEqual(yield* ada.Push({ value: 2, topic: "a" }), { delivered: 2, failed: 0 })
          yield* sleep
          assert.deepStrictEqual(yield* ada.Push({ value: 3, user: "ada" }), { delivered: 2, failed: 0 })
          yield* sleep
          const { delivered } = yield* world.run(Ticker.use((room) => room.push("Watch", 4)))
          assert.strictEqual(delivered, 3)
          assert.deepStrictEqual([yield* all.take, yield* all.take, yield* all.take], [1, 3, 4])
          assert.deepStrictEqual([yield* again.take, yield* again.take, yield* again.take, yield* again.take], [
            1,
            2,
            3,
            4
          ])
          assert.deepStrictEqual([yield* bobs.take, yield* bobs.take, yield* bobs.take], [1, 2, 4])
        }))

      test(
        "a pushed stream carries what its schema encodes, and a value that does not fit goes nowhere (RP-5)",
        (world, sleep) =>
          Effect.gen(function*() {
            const ada = yield* client(world)
            const [days, watch] = [yield* opened(ada, ada.Days()), yield* opened(ada, ada.Watch({}))]
            yield* sleep
            yield* world.run(Ticker.use((room) => room.push("Days", new Date(1))))
            assert.deepStrictEqual([yield* days.take, yield* days.take], [new Date(0), new Date(1)])
            assert.deepInclude(yield* Effect.flip(ada.Push({ value: 1.5 })), { why: "InvalidMessage" })
            yield* ada.Push({ value: 2 })
            assert.strictEqual(yield* watch.take, 2)
          })
      )

      test(
        "what a stream begins with comes before what is pushed meanwhile (RP-5)",
        (world, sleep) =>
          Effect.gen(function*() {
            const ada = yield* client(world)
            yield* sleep
            const watch = yield* read(ada.Watch({ first: Array.from({ length: 50 }, (_, index) => index) }))
            yield* Effect.yieldNow
            assert.strictEqual((yield* ada.Push({ value: 100 })).delivered, 1)
            const first = yield* Effect.replicateEffect(watch.take, 51)
            assert.deepStrictEqual(first, [...Array.from({ length: 50 }, (_, index) => index), 100])
          })
      )

      test(
        "the client's end of a pushed stream ends it, and so does the room's (RP-6)",
        (world, sleep) =>
          Effect.gen(function*() {
            const [ada, bob] = [yield* client(world), yield* client(world, "?note=bob")]
            const mine = yield* opened(ada, ada.Watch({}))
            const other = yield* opened(ada, ada.Watch({ topic: "b" }))
            const events = yield* opened(ada, ada.Events())
            const leaver = yield* Effect.scoped(Effect.gen(function*() {
              const leaver = yield* client(world, "?note=leaver")
              yield* opened(leaver, leaver.Watch({}))
              assert.strictEqual((yield* bob.Push({ value: 1 })).delivered, 3)
              yield* sleep
            }))
            assert.isUndefined(leaver)
            assert.deepStrictEqual([yield* events.take, yield* events.take], ["opened leaver", "closed leaver 1000"])
            yield* sleep
            assert.deepStrictEqual(yield* bob.Push({ value: 2 }), { delivered: 2, failed: 0 })
            yield* sleep
            yield* Fiber.interrupt(mine.reading)
            yield* ada.Echo({ text: "" })
            assert.strictEqual((yield* bob.Push({ value: 3 })).delivered, 1)
            yield* sleep
            assert.strictEqual(yield* bob.End({}), 1)
            yield* Fiber.join(other.reading)
            assert.deepStrictEqual(yield* Queue.takeAll(other.queue), [1, 2, 3])
            yield* sleep
            assert.strictEqual((yield* bob.Push({ value: 4 })).delivered, 0)
          })
      )

      test("a stream that its handler fails is none (RP-6)", (world, sleep) =>
        Effect.gen(function*() {
          const ada = yield* client(world)
          yield* sleep
          for (const topic of ["secret", "late"]) {
            const error = yield* Effect.flip(Stream.runDrain(ada.Watch({ topic })))
            assert.deepInclude(error, { _tag: "Refused", why: topic })
          }
          assert.strictEqual((yield* ada.Push({ value: 1 })).delivered, 0)
        }))

      test(
        "a stream that does not fit any more dies, and everything else stays (RP-7)",
        (world, sleep) =>
          Effect.gen(function*() {
            const connection = yield* world.connect()
            const bob = yield* client(world)
            const topic = "t".repeat(1_000)
            for (let id = 0; id < 20; id++) yield* connection.send(request(id, "Watch", { topic }))
            const died = new Set<unknown>()
            for (const frame of yield* connection.rest) {
              const { _tag, exit, requestId } = frame as {
                readonly _tag: string
                readonly requestId: number
                readonly exit: { readonly cause: ReadonlyArray<{ readonly _tag: string; readonly defect: unknown }> }
              }
              assert.strictEqual(_tag, "Exit")
              assert.strictEqual(exit.cause[0]?._tag, "Die")
              assert.include(JSON.stringify(exit.cause[0]?.defect), "too many streams open")
              died.add(requestId)
            }
            assert.include([3, 4, 5], died.size)
            yield* sleep
            assert.strictEqual((yield* bob.Push({ value: 1 })).delivered, 20 - died.size)
            // One that ends makes room for another.
            yield* connection.send(JSON.stringify({ _tag: "Interrupt", requestId: 0 }))
            yield* connection.send(request("again", "Watch", { topic }))
            yield* connection.rest
            assert.strictEqual((yield* bob.Push({ value: 2 })).delivered, 20 - died.size)
          })
      )

      test("the id of a pushed stream may be as long as fits (RP-7)", (world, sleep) =>
        Effect.gen(function*() {
          const connection = yield* world.connect()
          const [fits, large] = ["f".repeat(10_000), "l".repeat(20_000)]
          yield* connection.send(request(large, "Watch", {}))
          yield* connection.send(request(fits, "Watch", {}))
          yield* connection.send(request(large, "Echo", { text: "hi" }))
          const frames = (yield* connection.rest) as ReadonlyArray<
            { readonly requestId: string; readonly exit: object }
          >
          assert.deepStrictEqual(frames.map(({ requestId }) => requestId), [large, large])
          assert.deepInclude(frames[1]!.exit, { _tag: "Success", value: "hi" })
          yield* sleep
          yield* world.run(Ticker.use((room) => room.push("Watch", 1)))
          assert.deepStrictEqual(yield* connection.rest, [{ _tag: "Chunk", requestId: fits, values: [1] }])
        }))

      test(
        "a frame that is no message, an id that is in use, and what comes too late harm nobody (RP-8)",
        (world, sleep) =>
          Effect.gen(function*() {
            const ada = yield* client(world)
            const connection = yield* world.connect()
            const error = (frames: ReadonlyArray<unknown>) => frames.map((frame) => (frame as { code?: string }).code)
            for (const frame of ["nonsense", "{}", `{"_tag":"Request"}`, request(null, "Echo"), `{"_tag":"Pong"}`]) {
              yield* sleep
              yield* connection.send(frame)
              assert.deepStrictEqual(error(yield* connection.rest), ["InvalidMessage"], frame)
            }
            // Who waits for the answer to a request is told of it.
            const keys = Object.fromEntries(Array.from({ length: 1_001 }, (_, key) => [`${key}`, key]))
            yield* connection.send(request(1, "Echo", keys))
            const [refused] = yield* connection.rest
            assert.deepInclude(refused, { _tag: "Exit", requestId: 1 })
            assert.include(JSON.stringify(refused), "A message has at most 32 levels and 1000 keys.")
            yield* sleep
            for (const _tag of ["Ack", "Interrupt"]) {
              yield* connection.send(JSON.stringify({ _tag, requestId: "unknown" }))
            }
            yield* connection.send(`{"_tag":"Eof"}`)
            assert.deepStrictEqual(yield* connection.rest, [])
            for (const tag of ["Unknown", "__proto__", "constructor"]) {
              yield* connection.send(request(1, tag))
              const [frame] = (yield* connection.rest) as ReadonlyArray<{ readonly exit: { readonly cause: unknown } }>
              assert.include(JSON.stringify(frame?.exit.cause), `Unknown request tag: ${tag}`)
            }
            yield* connection.send(request(1, "Echo", { text: 1 }))
            assert.include(JSON.stringify(yield* connection.rest), "Die")
            // In flight, and as a stream that is open.
            yield* connection.send(request(1, "Wait", { milliseconds: 50 }))
            yield* connection.send(request(1, "Echo", { text: "twice" }))
            assert.deepStrictEqual(error([JSON.parse(yield* connection.take)]), ["InvalidMessage"])
            assert.deepInclude(JSON.parse(yield* connection.take), { _tag: "Exit", requestId: 1 })
            yield* connection.send(request(1, "Watch", {}))
            yield* connection.rest
            yield* sleep
            yield* connection.send(request(1, "Echo", { text: "twice" }))
            assert.deepStrictEqual(error(yield* connection.rest), ["InvalidMessage"])
            // `1` and `"1"` are two.
            yield* connection.send(request("1", "Watch", {}))
            yield* connection.rest
            assert.strictEqual((yield* ada.Push({ value: 1 })).delivered, 2)
            assert.deepStrictEqual(yield* connection.rest, [
              { _tag: "Chunk", requestId: 1, values: [1] },
              { _tag: "Chunk", requestId: "1", values: [1] }
            ])
            yield* connection.send(JSON.stringify({ _tag: "Interrupt", requestId: 1 }))
            yield* connection.send(request(1, "Echo", { text: "again" }))
            assert.deepStrictEqual(yield* connection.rest, [
              { _tag: "Exit", requestId: 1, exit: { _tag: "Success", value: "again" } }
            ])
            assert.strictEqual(yield* ada.Echo({ text: "I noticed nothing" }), "I noticed nothing")
          })
      )

      test(
        "a call that nobody waits for runs to its end, and is answered nothing more (RP-9)",
        (world, sleep) =>
          Effect.gen(function*() {
            const ada = yield* client(world)
            const connection = yield* world.connect()
            const events = yield* opened(ada, ada.Events())
            yield* sleep
            yield* ada.Wait({ milliseconds: 20 }, { discard: true })
            yield* sleep
            assert.strictEqual(yield* events.take, "waited")
            yield* connection.send(request("", "Wait", { milliseconds: 20 }, { isNotification: true }))
            yield* connection.send(request("", "Wait", { milliseconds: 20 }, { isNotification: true }))
            yield* connection.send(request("", "Unknown", null, { isNotification: true }))
            yield* connection.send(request("", "Watch", {}, { isNotification: true }))
            yield* connection.send(request(1, "Watch", {}, { discard: true }))
            yield* sleep
            assert.deepStrictEqual([yield* events.take, yield* events.take], ["waited", "waited"])
            assert.deepStrictEqual(yield* connection.rest, [
              { _tag: "Exit", requestId: 1, exit: { _tag: "Success", value: null } }
            ])
            assert.strictEqual((yield* ada.Push({ value: 1 })).delivered, 0)
          })
      )

      test(
        "who leaves takes its calls along, and who is closed hears nothing more (RP-6)",
        (world, sleep) =>
          Effect.gen(function*() {
            const ada = yield* client(world)
            const events = yield* opened(ada, ada.Events())
            for (const tag of ["Never", "Count"]) {
              const leaver = yield* world.connect("?note=leaver")
              assert.strictEqual(yield* events.take, "opened leaver")
              yield* leaver.send(request(1, tag, tag === "Count" ? { to: 1_000_000 } : null))
              if (tag === "Count") yield* leaver.take
              yield* leaver.close
              const told = [yield* events.take]
              if (tag === "Never") told.push(yield* events.take)
              assert.sameMembers(told, tag === "Never" ? ["closed leaver 1000", "interrupted"] : ["closed leaver 1000"])
              yield* sleep
            }
            const closed = yield* world.connect("?note=closed")
            assert.strictEqual(yield* events.take, "opened closed")
            yield* closed.send(request(1, "Watch", {}))
            yield* closed.send(request(2, "Close"))
            assert.strictEqual(yield* Effect.flip(Effect.forever(closed.take)), 4000)
            assert.strictEqual(yield* events.take, "closed closed 4000")
            yield* sleep
            assert.deepStrictEqual(yield* ada.Push({ value: 1 }), { delivered: 0, failed: 0 })
          })
      )

      test(
        "a push leaves out whom it is told to, with all their streams (RP-5)",
        (world, sleep) =>
          Effect.gen(function*() {
            const [ada, bob] = [yield* client(world), yield* client(world)]
            const mine = [yield* opened(ada, ada.Watch({})), yield* opened(ada, ada.Watch({ topic: "a" }))]
            const bobs = yield* opened(bob, bob.Watch({}))
            const { connection } = yield* ada.Me()
            yield* sleep
            const push = (value: number, except?: string) =>
              world.run(Ticker.use((room) =>
                Effect.flatMap(room.connections(), (all) =>
                  room.push("Watch", value, {
                    except: all.filter(({ id }) => id === except).map(({ id }) => id)
                  }))
              ))
            assert.deepStrictEqual(yield* push(1, connection), { delivered: 1, failed: 0 })
            yield* sleep
            assert.deepStrictEqual(yield* push(2), { delivered: 3, failed: 0 })
            for (const watch of mine) {
              assert.strictEqual(yield* watch.take, 2)
            }
            assert.deepStrictEqual([yield* bobs.take, yield* bobs.take], [1, 2])
          })
      )

      test(
        "a connection has 128 calls in flight: one more dies at once, and the others go on (RP-12)",
        (world, sleep) =>
          Effect.gen(function*() {
            const [ada, bob] = [yield* client(world), yield* client(world)]
            yield* sleep
            const events = yield* opened(bob, bob.Events())
            // One is left for what is asked meanwhile.
            const waiting = yield* Effect.replicateEffect(
              Effect.forkChild(ada.Never(), { startImmediately: true }),
              127
            )
            assert.strictEqual(yield* ada.Echo({ text: "one more" }), "one more")
            waiting.push(yield* Effect.forkChild(ada.Never(), { startImmediately: true }))
            yield* bob.Echo({ text: "" })
            const over = yield* Effect.exit(ada.Echo({ text: "too many" }))
            assert.isTrue(Exit.isFailure(over) && Cause.hasDies(over.cause))
            assert.include(String(Exit.isFailure(over) && Cause.squash(over.cause)), "too many calls in flight")
            assert.isTrue(waiting.every((call) => call.pollUnsafe() === undefined))
            assert.strictEqual(yield* bob.Echo({ text: "I notice nothing" }), "I notice nothing")
            yield* Fiber.interrupt(waiting[0]!)
            assert.strictEqual(yield* events.take, "interrupted")
            assert.strictEqual(yield* ada.Echo({ text: "room again" }), "room again")
            yield* Fiber.interruptAll(waiting)
            // A notification has no answer: it is dropped.
            const connection = yield* world.connect()
            assert.strictEqual(yield* events.take, "interrupted")
            for (let id = 0; id < 128; id++) yield* connection.send(request(id, "Never"))
            yield* connection.send(request("", "Wait", { milliseconds: 0 }, { isNotification: true }))
            assert.deepStrictEqual(yield* connection.rest, [])
            const told = yield* Queue.clear(events.queue)
            assert.deepStrictEqual(told.filter((event) => event !== "interrupted"), ["opened "])
          })
      )

      test(
        "a connection has 256 pushed streams open, and what is pushed before one begins is held up to 1,024 (RP-13)",
        (world, sleep) =>
          Effect.gen(function*() {
            const bob = yield* client(world)
            const connection = yield* world.connect()
            for (let id = 0; id < 257; id++) yield* connection.send(request(id, "Watch", {}))
            const [died, ...others] = yield* connection.rest
            assert.deepInclude(died, { _tag: "Exit", requestId: 256 })
            assert.include(JSON.stringify(died), "too many streams open")
            assert.deepStrictEqual(others, [])
            yield* sleep
            assert.deepStrictEqual(yield* bob.Push({ value: 1 }), { delivered: 256, failed: 0 })
            assert.strictEqual((yield* connection.rest).length, 256)
            yield* connection.send(JSON.stringify({ _tag: "Interrupt", requestId: 7 }))
            yield* connection.send(request("again", "Watch", {}))
            assert.deepStrictEqual(yield* connection.rest, [])
            for (const [count, delivered] of [[1_024, 1_024], [1_025, 1_024]] as const) {
              const late = yield* world.connect()
              yield* late.send(request("late", "Watch", { topic: "gated" }))
              assert.deepStrictEqual(yield* late.rest, [])
              const counted = yield* world.run(Ticker.use((room) =>
                Effect.forEach(
                  Array.from({ length: count }),
                  (_, index) => room.push("Watch", index, { topic: "gated" })
                )
              ))
              assert.strictEqual(counted.reduce((sum, each) => sum + each.delivered, 0), delivered)
              assert.strictEqual(counted.reduce((sum, each) => sum + each.failed, 0), count - delivered)
              yield* bob.Release()
              const frames = yield* late.rest
              if (count === delivered) assert.strictEqual(frames.length, 1 + count)
              else {
                assert.strictEqual(frames.length, 1)
                assert.include(JSON.stringify(frames[0]), "too many streams open")
              }
              yield* late.close
              // The gate is shut again once the object has slept.
              yield* world.evict
            }
          })
      )
    })
  }
}
