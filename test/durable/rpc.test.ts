import { assert, it } from "@effect/vitest"
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as RoomObject from "../../src/durable/RoomObject.ts"
import type * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import { contract, read } from "../rpc/suite.ts"
import { Ticker } from "../rpc/Ticker.ts"
import { client, type Services, type World } from "../rpc/World.ts"
import { logged } from "./logged.ts"
import type { Env } from "./worker.ts"

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { TICKER } = env as unknown as Env

const lines = logged()

type TickerObject = Pick<RoomObject.RoomObject<typeof Ticker.room, RpcRoom.Identifier<"ticker">>, "run">

const runIn = <A, E>(stub: DurableObjectStub, effect: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
  Effect.flatten(Effect.promise<Exit.Exit<A, E>>(() =>
    // SAFETY: every object of this namespace is a ticker's.
    runInDurableObject(stub, (room) => (room as unknown as TickerObject).run(Effect.exit(effect)))
  ))

const connect = Effect.fnUntraced(function*(stub: DurableObjectStub, query = "") {
  const response = yield* Effect.promise(() =>
    stub.fetch(`https://room.invalid/${query}`, { headers: { upgrade: "websocket" } })
  )
  const socket = response.webSocket
  // A body that nobody reads would keep the object awake.
  if (socket === null) return yield* Effect.fail(yield* Effect.promise(() => response.text()))
  const frames = yield* Queue.unbounded<string>()
  const closed = yield* Deferred.make<never, number>()
  socket.addEventListener("message", ({ data }) => void Queue.offerUnsafe(frames, String(data)))
  socket.addEventListener("close", ({ code }) => Deferred.doneUnsafe(closed, Exit.fail(code)))
  socket.accept()
  const close = Effect.sync(() => socket.close(1000))
  yield* Effect.addFinalizer(() => close)
  return {
    send: (frame: string) => Effect.sync(() => socket.send(frame)),
    take: Effect.raceFirst(Queue.take(frames), Deferred.await(closed)),
    // What is under way arrives before the answer to a request that is made later.
    rest: Effect.andThen(
      runIn(stub, Effect.promise(() => new Promise((done) => setTimeout(done, 20)))),
      Effect.map(Queue.clear(frames), (all) => all.map((frame) => JSON.parse(frame)))
    ),
    close
  }
})

const make = (name: string, stub = TICKER.getByName(name)): World => ({
  // A stub is of no use any more once its object has crashed.
  connect: (query) => Effect.suspend(() => connect(TICKER.getByName(name), query)),
  run: (effect) => runIn(stub, effect),
  ring: Effect.asVoid(Effect.promise(() => runDurableObjectAlarm(stub))),
  evict: Effect.promise(async () => {
    // An object that sleeps already, or was never there, cannot be put to sleep.
    await runInDurableObject(stub, () => {})
    await evictDurableObject(stub)
  })
})

let rooms = 0
const world = Effect.sync(() => make(`contract-${++rooms}`))

contract("in workerd", world)

const test = (
  title: string,
  body: (world: World, stub: DurableObjectStub) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.live(
    title,
    () => body(make(title), TICKER.getByName(title)).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

const isAsleep = (stub: DurableObjectStub) =>
  Effect.promise(() =>
    evictDurableObject(stub).then(() => false, (error) => {
      if (String(error).includes("not currently running")) return true
      throw error
    })
  )

test("the client's pings are answered, and do not wake the object (RP-4)", (world, stub) =>
  Effect.gen(function*() {
    const dropped = { times: 0 }
    const ada = yield* client(world, "", {
      pingInterval: 50,
      onPingTimeout: Effect.sync(() => void dropped.times++)
    })
    const watch = yield* read(ada.Watch({}))
    yield* Effect.yieldNow
    const waking = yield* ada.Waking()
    assert.isFalse(yield* isAsleep(stub))
    for (let index = 0; index < 4; index++) {
      yield* Effect.sleep(200)
      assert.isTrue(yield* isAsleep(stub))
    }
    assert.strictEqual(yield* ada.Waking(), waking + 1)
    yield* ada.Push({ value: 1 })
    assert.strictEqual(yield* watch.take, 1)
    assert.strictEqual(dropped.times, 0)
  }))

test(
  "a call in flight holds the object awake until it is answered, and nothing holds it after (RP-9, RP-10)",
  (world, stub) =>
    Effect.gen(function*() {
      const ada = yield* client(world)
      const bob = yield* client(world)
      const events = yield* read(bob.Events())
      yield* bob.Echo({ text: "" })
      const evicted = Effect.promise(() => evictDurableObject(stub))
      const isHeld = Effect.gen(function*() {
        const waking = yield* bob.Waking()
        const evicting = yield* Effect.forkChild(evicted, { startImmediately: true })
        yield* Effect.sleep(100)
        assert.isUndefined(evicting.pollUnsafe())
        yield* bob.Release()
        yield* Fiber.join(evicting)
        assert.strictEqual(yield* events.take, "released")
        assert.strictEqual(yield* bob.Waking(), waking + 1)
      })
      const holding = yield* Effect.forkChild(ada.Hold(), { startImmediately: true })
      yield* ada.Echo({ text: "" })
      yield* isHeld
      yield* Fiber.join(holding)
      // Nobody waits for this one.
      yield* ada.Hold(undefined, { discard: true })
      yield* isHeld
      // This one cannot be interrupted when its client leaves.
      yield* Effect.scoped(Effect.gen(function*() {
        const leaver = yield* client(world)
        yield* Effect.forkScoped(leaver.Hold())
        yield* leaver.Echo({ text: "" })
      }))
      assert.deepStrictEqual([yield* events.take, yield* events.take], ["opened ", "closed  1000"])
      yield* isHeld
      // A stream whose chunks the client has not acknowledged is in flight, too; one that is interrupted is not.
      const counting = yield* Effect.forkChild(Stream.runForEach(ada.Count({ to: 10 }), () => Effect.never))
      const never = yield* Effect.forkChild(ada.Never(), { startImmediately: true })
      yield* ada.Echo({ text: "" })
      yield* Fiber.interrupt(counting)
      yield* Fiber.interrupt(never)
      // It would wait for whatever held the object, for longer than a test may take.
      yield* evicted
    })
)

test(
  "a call in flight fails at once when the object goes away, and the client's next one is answered (RP-10)",
  (world, stub) =>
    Effect.gen(function*() {
      const ada = yield* client(world)
      yield* ada.Echo({ text: "" })
      const never = yield* Effect.forkChild(ada.Never(), { startImmediately: true })
      const watch = yield* read(ada.Watch({}))
      yield* ada.Echo({ text: "" })
      yield* Effect.promise(() => runInDurableObject(stub, (_, ctx) => ctx.abort("gone")).catch(() => undefined))
      for (const error of [yield* Effect.flip(Fiber.join(never)), yield* Effect.flip(Fiber.join(watch.reading))]) {
        assert.deepInclude(error, { _tag: "RpcClientError" })
        // The close tells it, and not a ping that went unanswered.
        assert.strictEqual(error._tag === "RpcClientError" && error.reason._tag, "SocketCloseError")
      }
      const answer = yield* Effect.retry(ada.Echo({ text: "back" }), { times: 50, schedule: Schedule.spaced(50) })
      assert.strictEqual(answer, "back")
      assert.strictEqual(yield* runIn(TICKER.getByName(stub.name!), Ticker.use((room) => room.count())), 1)
    })
)

test("a handler that dies is logged once, as one JSON line (LC-4)", (world) =>
  Effect.gen(function*() {
    const ada = yield* client(world)
    const { connection } = yield* ada.Me()
    for (const [method, call] of [["Die", ada.Die()], ["Misfit", ada.Misfit()]] as const) {
      lines.length = 0
      yield* Effect.exit(call)
      assert.strictEqual(lines.length, 1)
      const line = JSON.parse(lines[0]!)
      assert.strictEqual(line.level, "ERROR")
      assert.deepStrictEqual(line.annotations, { event: "request", method, connection })
    }
    lines.length = 0
    yield* Effect.exit(ada.Refuse())
    assert.deepStrictEqual(lines, [])
  }))
