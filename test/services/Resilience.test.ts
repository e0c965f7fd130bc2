import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Lifecycle from "../../src/services/Lifecycle.ts"
import * as Room from "../../src/services/Room.ts"

const ndjson = { headers: { "sec-websocket-protocol": "ndjson" } }

const Words = Room.make("words", { receive: Schema.String, send: Schema.String })

/** What is logged while an effect runs. */
const logged = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const lines: Array<string> = []
  const logger = Logger.layer([
    Logger.make(({ cause, message }) => {
      lines.push(`${String(message)} ${Cause.pretty(cause)}`)
    })
  ])
  yield* Effect.provide(effect, logger)
  return lines
})

it.effect("to close everybody costs each of them its own (OB-8)", () =>
  Effect.gen(function*() {
    let lists = 0
    const Counting = Layer.effect(
      ConnectionRegistry.ConnectionRegistry,
      Effect.map(ConnectionRegistry.ConnectionRegistry, (registry) => ({
        ...registry,
        carrying: (tag: string) => {
          lists++
          return registry.carrying(tag)
        }
      }))
    )
    const room = yield* MemoryRoom.make(Words, Layer.provideMerge(Words.toLayer({}), Counting))
    yield* Effect.replicateEffect(room.connect("/", ndjson), 40)
    yield* room.run(Words.use((words) =>
      Effect.gen(function*() {
        yield* words.broadcast("first")
        yield* words.broadcast("second")
        lists = 0
        for (const { id } of yield* words.connections()) yield* words.close(id)
      })
    ))
    assert.isAtMost(lists, 4)
  }))

it.effect("a layer that hangs is given up after a minute, and tried again (LC-17)", () =>
  Effect.gen(function*() {
    let builds = 0
    const Live = Layer.unwrap(Effect.suspend(() => ++builds === 1 ? Effect.never : Effect.succeed(Words.toLayer({}))))
    const room = yield* MemoryRoom.make(Words, Live)
    const first = yield* Effect.forkChild(Effect.flip(room.connect()), { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    const second = yield* Effect.flip(room.connect())
    assert.deepStrictEqual([(yield* Fiber.join(first)).status, second.status, second.headers["retry-after"]], [
      503,
      503,
      "1"
    ])
    yield* TestClock.adjust("1 second")
    yield* room.connect()
    assert.strictEqual(builds, 2)
  }))

it.effect("a handler that gives no effect is a failure like any other (LC-13)", () =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer({
        // As a program without types may do.
        message: (_, text) => text === "nothing" ? undefined as never : Effect.sync(() => void seen.push(text)),
        close: () => Effect.sync(() => void seen.push("close"))
      })
    )
    const client = yield* room.connect()
    yield* client.sendFrame(`"nothing"`)
    assert.strictEqual(JSON.parse(String((yield* client.receivedFrames)[0])).code, "Internal")
    yield* client.send("next")
    yield* client.close()
    assert.deepStrictEqual(seen, ["next", "close"])
  }))

it.effect("an error schema that throws hides no failure (LC-12)", () =>
  Effect.gen(function*() {
    const Strict = Room.make("strict", {
      receive: Schema.String,
      send: Schema.String,
      error: Schema.Struct({
        url: Schema.String.check(Schema.makeFilter((text) => new URL(text).protocol === "https:"))
      })
    })
    const seen: Array<string> = []
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(
        Strict,
        Strict.toLayer({
          message: (_, text) =>
            text === "fail" ? Effect.fail({ url: "no url" }) : Effect.sync(() => void seen.push(text))
        })
      )
      const client = yield* room.connect("/", ndjson)
      yield* client.sendFrame(`"fail"\n"two"`)
      assert.strictEqual(JSON.parse(String((yield* client.receivedFrames)[0])).code, "Internal")
    }))
    assert.deepStrictEqual(seen, ["two"])
    assert.strictEqual(lines.length, 1)
  }))

it.effect("without an order, too, what runs and waits for a connection is bounded (LC-15)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    let running = 0
    let left = 0
    const Loose = Room.make("loose", { order: "none", receive: Schema.String, send: Schema.String })
    const room = yield* MemoryRoom.make(
      Loose,
      Loose.toLayer({
        message: () => Effect.andThen(Effect.sync(() => running++), Deferred.await(gate)),
        close: (_, { code }) => Effect.sync(() => left = code)
      }),
      { mailboxMessages: 4 }
    )
    const client = yield* room.connect()
    const all = yield* Effect.forkChild(
      Effect.all(Array.from({ length: 9 }, () => client.send("")), { concurrency: "unbounded" }),
      { startImmediately: true }
    )
    assert.deepStrictEqual([running, (yield* client.closed)?.code], [4, 4009])
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(all)
    assert.deepStrictEqual([running, left], [4, 4009])
  }))

class Tenant extends Context.Service<Tenant, string>()("effect-dormouse/test/services/Resilience.test/Tenant") {}

const tenant = Context.Reference<string>("effect-dormouse/test/services/Resilience/tenant", {
  defaultValue: () => "nobody"
})

it.effect("handlers have what their layer was built with, whatever is merged beside it (AP-4)", () =>
  Effect.gen(function*() {
    const Handlers = Words.toLayer({
      message: Effect.fnUntraced(function*({ id }) {
        const words = yield* Words
        yield* words.send(id, yield* Tenant)
      })
    })
    const room = yield* MemoryRoom.make(
      Words,
      Handlers.pipe(Layer.provide(Layer.succeed(Tenant)("own")), Layer.merge(Layer.succeed(Tenant)("another's")))
    )
    const client = yield* room.connect()
    yield* client.send("")
    assert.deepStrictEqual(yield* client.received, ["own"])
    assert.strictEqual(yield* room.run(Tenant), "another's")
  }))

it.effect("a close handler runs in its room, and in nothing that stands around whoever closes (LC-20)", () =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer(Effect.gen(function*() {
        const words = yield* Words
        return {
          message: ({ id }) => Effect.provideService(words.close(id), tenant, "the caller's"),
          close: () => Effect.map(tenant, (name) => void seen.push(name))
        }
      }))
    )
    const client = yield* room.connect()
    yield* client.send("")
    assert.deepStrictEqual(seen, ["nobody"])
  }))

it.effect("the newcomer hears its welcome first, also where open closes somebody (LC-7)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Words,
      Words.toLayer(Effect.gen(function*() {
        const words = yield* Words
        return {
          open: Effect.fnUntraced(function*({ id }) {
            for (const other of yield* words.connections()) yield* words.close(other.id)
            yield* words.send(id, "welcome")
          }),
          close: () => words.broadcast("left")
        }
      }))
    )
    yield* room.connect()
    const second = yield* room.connect()
    assert.deepStrictEqual(yield* second.received, ["welcome", "left"])
  }))

it.effect("a text room that does not start closes who speaks with 1013 (LC-17, PL-3)", () =>
  Effect.gen(function*() {
    let isBroken = false
    const Text = Room.make("text", { format: "text", receive: Schema.String, send: Schema.String })
    const Live = Layer.unwrap(Effect.suspend(() => isBroken ? Effect.fail("away") : Effect.succeed(Text.toLayer({}))))
    const room = yield* MemoryRoom.make(Text, Live)
    const client = yield* room.connect()
    isBroken = true
    yield* room.evict
    yield* client.send("anybody?")
    assert.strictEqual((yield* client.closed)?.code, 1013)
  }))

it.effect("a layer that gives the room no handlers is a start that failed, and is logged (LC-17)", () =>
  Effect.gen(function*() {
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Words, Layer.empty)
      assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    }))
    assert.match(lines.join(), /no handlers/)
  }))

it.effect("what a client does wrong is no reason to refuse a state that fits (ST-2)", () =>
  Effect.gen(function*() {
    const Kept = Room.make("kept", { receive: Schema.Int, send: Schema.Int, state: Schema.String })
    const room = yield* MemoryRoom.make(Kept, Kept.toLayer({ connect: () => Effect.succeed({ state: "" }) }))
    const client = yield* room.connect()
    const id = (yield* room.run(Kept.use((kept) => kept.connections())))[0]!.id
    const fits = (length: number) => Effect.exit(room.run(Kept.use((kept) => kept.setState(id, "x".repeat(length)))))
    let most = 16_384
    while ((yield* fits(most))._tag === "Failure") most--
    yield* client.sendFrame("no number")
    assert.strictEqual((yield* fits(most))._tag, "Success")
  }))

it.effect("a page has no connections where its limit is none (CR-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Words, Words.toLayer({}))
    yield* Effect.replicateEffect(room.connect(), 3)
    const page = (limit: number) =>
      Effect.map(room.run(Words.use((words) => words.connections({ limit }))), (all) => all.length)
    assert.deepStrictEqual([yield* page(-1), yield* page(0), yield* page(2), yield* page(Infinity)], [0, 0, 2, 3])
  }))

it.effect("a lifecycle of the app's own sees every close of ours (AP-5)", () =>
  Effect.gen(function*() {
    const codes: Array<number | undefined> = []
    const Seeing = Layer.effect(
      Lifecycle.Lifecycle,
      Effect.map(Lifecycle.Lifecycle, (lifecycle) => ({
        ...lifecycle,
        disconnect: (...[id, options]: Parameters<typeof lifecycle.disconnect>) => {
          codes.push(options?.code)
          return lifecycle.disconnect(id, options)
        }
      }))
    )
    const room = yield* MemoryRoom.make(Words, Layer.provideMerge(Words.toLayer({}), Seeing), { malformedFrames: 1 })
    const client = yield* room.connect()
    yield* client.sendFrame("{")
    assert.deepStrictEqual(codes, [4509])
  }))

it.effect("an alarm that is given up is told as lost, and one that was removed meanwhile is not repeated (LC-18)", () =>
  Effect.gen(function*() {
    let rang = 0
    let clears = false
    let ring: Effect.Effect<void> = Effect.void
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(
        Words,
        Words.toLayer(Effect.gen(function*() {
          const alarm = yield* Alarm.Alarm
          return {
            alarm: Effect.suspend(() => {
              rang++
              return Effect.andThen(clears ? alarm.clear : Effect.void, Effect.fail("away"))
            })
          }
        }))
      )
      ring = room.run(Alarm.Alarm.use((alarm) => alarm.set(0)))
      yield* ring
      yield* TestClock.adjust("1 hour")
    }))
    assert.strictEqual(rang, 7)
    assert.strictEqual(lines.filter((line) => line.includes("The alarm is lost")).length, 1)
    clears = true
    yield* ring
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(rang, 8)
  }))
