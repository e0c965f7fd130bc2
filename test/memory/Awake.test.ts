import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Room from "../../src/services/Room.ts"
import { Ticker, TickerLive } from "../rpc/Ticker.ts"

const anHour = 3_600_000

const Den = Room.make("den", {
  format: "text",
  receive: Schema.String,
  send: Schema.String,
  methods: [Rpc.make("knock", { success: Schema.String })]
})

const within = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

it.effect("a handler that has not ended is told of with its connection, its time and its timers (SL-1, SL-3)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Den,
      Den.toLayer({
        message: () =>
          Effect.all([Effect.sleep("1 hour"), Effect.withSpan(Effect.sleep("2 minutes"), "brew")], {
            concurrency: "unbounded"
          }),
        methods: { knock: () => Effect.succeed("who is there?") }
      })
    )
    const ada = yield* room.connect()
    const [connection] = yield* room.run(Effect.orDie(Den.use(({ connections }) => connections())))
    const handled = yield* within(ada.send("tea"))
    yield* TestClock.adjust("5 seconds")
    const elapsed = 5_000
    const timer = { _tag: "Timer", origin: "message", elapsed } as const
    assert.deepStrictEqual(yield* room.awake, [{
      _tag: "Handler",
      name: "message",
      connection: connection!.id,
      elapsed,
      timers: [{ ...timer, span: undefined, duration: anHour }, { ...timer, span: "brew", duration: 120_000 }]
    }])
    const { message } = yield* Effect.flip(room.assertSleeps)
    assert.strictEqual(
      message,
      `The room stays awake:\n- the handler message of connection ${connection!.id} has not ended for 5s; ` +
        `it waits for a timer of 1h, set 5s ago by message; it waits for a timer of 2m, set 5s ago by the span brew (message)`
    )
    yield* TestClock.adjust("2 minutes")
    const [later] = yield* room.awake
    assert.deepNestedInclude(later, { elapsed: 125_000, "timers.length": 1, "timers[0].duration": anHour })
    yield* TestClock.adjust("1 hour")
    assert.deepStrictEqual(yield* room.awake, [])
    yield* Fiber.join(handled)
  }))

it.effect("every kind of handler is told of by its name, and an effect that a test runs (SL-1)", () =>
  Effect.gen(function*() {
    const gates = yield* Effect.all({
      connect: Deferred.make<void>(),
      open: Deferred.make<void>(),
      message: Deferred.make<void>(),
      alarm: Deferred.make<void>(),
      knock: Deferred.make<void>(),
      close: Deferred.make<void>(),
      run: Deferred.make<void>()
    })
    const room = yield* MemoryRoom.make(
      Den,
      Den.toLayer({
        connect: () => Effect.as(Deferred.await(gates.connect), { state: undefined }),
        open: () => Deferred.await(gates.open),
        message: () => Deferred.await(gates.message),
        alarm: Deferred.await(gates.alarm),
        close: () => Deferred.await(gates.close),
        methods: { knock: () => Effect.as(Deferred.await(gates.knock), "come in") }
      })
    )
    const holds = Effect.fnUntraced(function*(name: keyof typeof gates, ofConnection: boolean) {
      const [awake, ...others] = yield* room.awake
      assert.isDefined(awake, name)
      assert.deepStrictEqual(others, [])
      assert.deepInclude(awake, { _tag: "Handler", name, elapsed: 0, timers: [] })
      assert.strictEqual(awake?._tag === "Handler" && awake.connection !== undefined, ofConnection)
      yield* Deferred.succeed(gates[name], undefined)
    })
    const connecting = yield* within(room.connect())
    yield* holds("connect", false)
    yield* holds("open", true)
    const ada = yield* Fiber.join(connecting)
    yield* room.assertSleeps
    const said = yield* within(ada.send("hi"))
    yield* holds("message", true)
    yield* Fiber.join(said)
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(0)))
    yield* TestClock.adjust(0)
    yield* holds("alarm", false)
    const knocked = yield* within(room.call("knock", "null"))
    yield* holds("knock", false)
    yield* Fiber.join(knocked)
    const left = yield* within(ada.close())
    yield* holds("close", true)
    yield* Fiber.join(left)
    const ran = yield* within(room.run(Deferred.await(gates.run)))
    yield* holds("run", false)
    yield* Fiber.join(ran)
    yield* room.assertSleeps
  }))

it.effect("a handler that fails, dies, throws or is interrupted has ended (SL-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Den,
      Den.toLayer({
        message: (_, text) => {
          if (text === "throw") throw new Error("thrown")
          const ways = { fail: Effect.fail("failed"), die: Effect.die("died"), interrupt: Effect.interrupt }
          return ways[text as keyof typeof ways]
        },
        methods: { knock: () => Effect.never }
      })
    )
    const ada = yield* room.connect()
    for (const text of ["fail", "die", "interrupt", "throw"]) yield* ada.send(text)
    const knocked = yield* within(room.call("knock", "null"))
    assert.strictEqual((yield* room.awake).length, 1)
    yield* Fiber.interrupt(knocked)
    yield* room.assertSleeps
  }))

it.effect("what is told of is about the object since it last woke (SL-3)", () =>
  Effect.gen(function*() {
    const timers = [Effect.withSpan(Effect.sleep("1 hour"), "first life"), Effect.void]
    const room = yield* MemoryRoom.make(
      Den,
      Layer.provideMerge(
        Den.toLayer({ methods: { knock: () => Effect.succeed("") } }),
        Layer.effectDiscard(Effect.suspend(() => Effect.forkScoped(timers.shift()!)))
      )
    )
    const { awake: [first], message } = yield* Effect.flip(room.assertSleeps)
    assert.deepInclude(first, { _tag: "Timer", span: "first life", origin: "the room's layer", duration: anHour })
    assert.strictEqual(
      message,
      "The room stays awake:\n- a timer of 1h, set by the span first life (the room's layer)"
    )
    yield* TestClock.adjust("1 second")
    yield* within(room.run(Effect.never))
    assert.deepStrictEqual((yield* room.awake).map(({ _tag, elapsed }) => [_tag, elapsed]), [
      ["Timer", 1_000], // the oldest first
      ["Handler", 0]
    ])
    yield* room.evict
    yield* room.assertSleeps
  }))

it.effect("a start that failed leaves no timer behind (SL-3)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(
      Den,
      Layer.effectDiscard(
        Effect.andThen(
          Effect.forkScoped(Effect.sleep("1 hour")),
          Effect.andThen(Effect.sleep(1), Effect.fail("broken"))
        )
      )
    )
    assert.deepStrictEqual((yield* room.awake).map(({ elapsed }) => elapsed), [0, 0])
    yield* TestClock.adjust(1)
    yield* room.assertSleeps
  }))

it.effect("who watches is not noticed: a room goes on with its test's clock (SL-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Den, Den.toLayer({ methods: { knock: () => Effect.succeed("") } }))
    const slept = yield* within(room.run(Effect.sleep("1 hour")))
    yield* room.run(TestClock.adjust("1 hour"))
    yield* Fiber.join(slept)
    yield* within(room.run(Effect.forkDetach(Effect.sleep(Infinity))))
    yield* room.assertSleeps
  }))

it.effect("a call over effect/rpc that is in flight is a message that has not ended (SL-1, RP-10)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
    const client = yield* room.connect()
    const request = (id: number, tag: string) =>
      client.sendFrame(JSON.stringify({ _tag: "Request", id, tag, payload: tag === "Watch" ? {} : null, headers: [] }))
    yield* within(request(1, "Watch"))
    yield* room.assertSleeps
    yield* within(request(2, "Never"))
    const [handler, ...others] = yield* room.awake
    assert.deepStrictEqual(others, [])
    assert.deepInclude(handler, { _tag: "Handler", name: "message" })
    yield* client.sendFrame(JSON.stringify({ _tag: "Interrupt", requestId: 2 }))
    yield* room.assertSleeps
  }))

it.live("an alarm is the runtime's to wait for, by any clock (SL-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Den, Den.toLayer({ methods: { knock: () => Effect.succeed("") } }))
    yield* room.run(Alarm.Alarm.use((alarm) => alarm.set(Date.UTC(2100, 0))))
    yield* room.assertSleeps
    yield* Effect.forkScoped(room.run(Effect.withSpan(Effect.sleep("1 hour"), "live")), { startImmediately: true })
    assert.match((yield* Effect.flip(room.assertSleeps)).message, /the span live \(run\)/)
  }))

it.effect("an exporter of OTLP is found, and one that exports nothing by itself lets the room sleep (SL-1, SL-2)", () =>
  Effect.gen(function*() {
    const HttpLive = Layer.succeed(HttpClient.HttpClient, HttpClient.make(() => Effect.never))
    const make = (exportInterval?: Duration.Duration) =>
      MemoryRoom.make(
        Den,
        Den.toLayer({ methods: { knock: () => Effect.succeed("") } }).pipe(
          Layer.provideMerge(
            OtlpLogger.layer({ url: "https://otlp.invalid/v1/logs", resource: { serviceName: "den" }, exportInterval })
          ),
          Layer.provide([HttpLive, OtlpSerialization.layerJson])
        )
      )
    const byDefault = yield* make()
    assert.match((yield* Effect.flip(byDefault.assertSleeps)).message, /a timer of 1s, set by the room's layer/)
    yield* (yield* make(Duration.infinity)).assertSleeps
  }))
