import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type * as Problem from "../../src/domain/Problem.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as Principal from "../../src/doors/Principal.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as RoomLimits from "../../src/doors/RoomLimits.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

const Hall = Room.make("hall", { receive: Schema.String, send: Schema.String })

const claims = (principal: Partial<Principal.Principal>, address?: string) =>
  Principal.toClaims({ ...Principal.anonymous, ...principal }, address)

const make = (
  limits: RoomLimits.Options,
  handlers: Partial<Parameters<typeof Hall.toLayer>[0]> = {},
  below: Layer.Layer<never> | Layer.Layer<Rates.Rates> = Layer.empty
) => {
  const HallLive = Hall.toLayer(Effect.map(Hall, (room) => ({
    message: ({ id }: { readonly id: any }, text: string) => room.send(id, text),
    ...handlers
  })))
  return MemoryRoom.make(Hall, HallLive.pipe(Layer.provideMerge(Guard.layer(limits)), Layer.provide(below)))
}

const answerOf = ({ headers, status }: Problem.Problem) => [status, headers["retry-after"] !== undefined]

it.effect("who is one too many is told when to come again, and nothing of what it sent (LM-6, LM-9)", () =>
  Effect.gen(function*() {
    const Full = Layer.succeed(Rates.Rates)({
      take: (_, address) => Effect.succeed(address === "busy" ? 7 : undefined)
    })
    const room = yield* make({ connections: 3, connectionsPerUser: 1, connectionsPerAddress: 1 }, {}, Full)
    const refusal = (given: ReturnType<typeof claims>) => Effect.flip(room.connect("/?x=evil", { claims: given }))
    const begins = yield* refusal(claims({}, "busy"))
    assert.deepStrictEqual([begins.status, begins.headers["retry-after"]], [429, "7"])
    yield* room.connect("/", { claims: claims({ user: "ada" }, "192.0.2.1") })
    assert.deepStrictEqual(answerOf(yield* refusal(claims({ user: "ada" }, "192.0.2.2"))), [429, true])
    const address = yield* refusal(claims({ user: "evil" }, "192.0.2.1"))
    assert.deepStrictEqual(answerOf(address), [429, true])
    assert.notInclude(JSON.stringify(address), "evil")
    yield* room.connect("/", { claims: claims({ user: "bob" }) })
    yield* room.connect()
    assert.deepStrictEqual(answerOf(yield* refusal(claims({ user: "joan" }))), [503, true])
  }))

it.effect("who is about to enter counts, and who does not enter after all counts no more (LM-6)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    let fails = true
    const room = yield* make({ connectionsPerUser: 2 }, {
      connect: () =>
        Effect.flatMap(Deferred.await(gate), () => fails ? Effect.die("no") : Effect.succeed({ user: "ada" }))
    })
    const enter = room.connect("/", { claims: claims({}, "192.0.2.1") })
    const first = yield* Effect.forEach(
      [1, 2, 3],
      () => Effect.forkChild(Effect.exit(enter), { startImmediately: true })
    )
    yield* Deferred.succeed(gate, undefined)
    for (const fiber of first) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Failure")
    fails = false
    yield* enter
    yield* enter
    assert.strictEqual((yield* Effect.flip(enter)).status, 429)
    assert.strictEqual(yield* room.run(Hall.use(({ count }) => count())), 2)
  }))

it.effect("connects that come at once share the places that are left (LM-6)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const room = yield* make({ connections: 10, connectionsPerAddress: 3 }, {
      connect: () => Effect.as(Deferred.await(gate), {})
    })
    const enter = Effect.result(room.connect("/", { claims: claims({}, "192.0.2.1") }))
    const fibers = yield* Effect.forEach(Array.from({ length: 9 }), () =>
      Effect.forkChild(enter, { startImmediately: true }))
    yield* Deferred.succeed(gate, undefined)
    const results = yield* Effect.forEach(fibers, Fiber.join)
    assert.strictEqual(results.filter(Result.isSuccess).length, 3)
  }))

it.effect("a user who is closed out while about to enter does not enter (AU-14)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const room = yield* make({}, { open: () => Deferred.await(gate) })
    yield* TestClock.adjust("1 minute")
    const entering = yield* Effect.forkChild(
      Effect.flip(room.connect("/", { claims: claims({ user: "ada", issuedAt: 1_000 }) })),
      { startImmediately: true }
    )
    assert.strictEqual(yield* room.run(Guard.Guard.use(({ closeUser }) => closeUser("ada"))), 0)
    yield* Deferred.succeed(gate, undefined)
    assert.strictEqual((yield* Fiber.join(entering)).status, 401)
    assert.strictEqual(yield* room.run(Hall.use(({ count }) => count())), 0)
  }))

it.effect("a user whom the room itself names has no token that could be revoked (AU-14)", () =>
  Effect.gen(function*() {
    const room = yield* make({}, { connect: () => Effect.succeed({ user: "ada" }) })
    yield* room.connect()
    assert.strictEqual(yield* room.run(Guard.Guard.use(({ closeUser }) => closeUser("ada"))), 1)
    yield* room.connect()
  }))

it.effect("each line of a frame is a message, and a frame is handled as a whole or not at all (LM-3, LM-4)", () =>
  Effect.gen(function*() {
    const room = yield* make({ messageBurst: 4, messagesPerSecond: 1, rateViolations: 2 })
    const client = yield* room.connect("/", { headers: { "sec-websocket-protocol": "ndjson" } })
    yield* client.sendFrame(`"1"\n"2"\n"3"`)
    yield* client.sendFrame(`"4"\n"5"`)
    yield* client.sendFrame(`"6"`)
    const received = (yield* client.receivedFrames).flatMap((frame) => String(frame).split("\n"))
    assert.deepStrictEqual(received.map((line) => line.startsWith("{") ? "Error" : JSON.parse(line)), [
      "1",
      "2",
      "3",
      "Error",
      "6"
    ])
    // More than ever fits is over the rate, too.
    yield* TestClock.adjust("1 minute")
    yield* client.sendFrame(`"7"\n`.repeat(5))
    yield* client.sendFrame(`"7"\n`.repeat(5))
    assert.strictEqual((yield* client.closed)?.code, 4013)
  }))

it.effect("a clock that is set back takes nobody's word (LM-3)", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(1_000_000)
    const room = yield* make({ messageBurst: 2, messagesPerSecond: 1 })
    const client = yield* room.connect()
    for (const text of ["1", "2"]) yield* client.send(text)
    yield* TestClock.setTime(1_000)
    yield* client.send("3")
    yield* TestClock.setTime(3_000)
    for (const text of ["4", "5", "6"]) yield* client.send(text)
    const said = (yield* client.receivedFrames).map((frame) => JSON.parse(String(frame))).map((it) => it.code ?? it)
    assert.deepStrictEqual(said, ["1", "2", "RateLimited", "4", "5", "RateLimited"])
  }))

// What a bucket lets through that is looked at for each message, by messages that come in one frame and when.
const bucketOf = (limit: number, interval: number) => {
  let [tokens, since] = [limit, 0]
  return (now: number, messages: number) => {
    const earned = Math.floor((now - since) / interval)
    tokens = Math.min(limit, tokens + earned)
    since = tokens === limit ? now : since + earned * interval
    if (tokens < messages) return false
    tokens -= messages
    return true
  }
}

// Mulberry32: numbers from 0 to 1, the same ones for the same seed.
const randomOf = (seed: number) => () => {
  seed = seed + 0x6d2b79f5 | 0
  let t = Math.imul(seed ^ seed >>> 15, 1 | seed)
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
  return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
}

const paces = [[0, 30], [10, 30], [20, 30], [40, 30], [3_000, 1]] as const

for (const seed of [1, 2, 3, 4, 5]) {
  it.effect(`what is paid in advance lets through what the bucket would, message by message, seed ${seed} (LM-3)`, () =>
    Effect.gen(function*() {
      const random = randomOf(seed)
      const room = yield* make({ rateViolations: 1_000_000 })
      const client = yield* room.connect("/", { headers: { "sec-websocket-protocol": "ndjson" } })
      const takes = bucketOf(100, 20)
      const [expected, answered]: Array<Array<boolean>> = [[], []]
      let now = 0
      for (let step = 0; step < 150; step++) {
        const [pause, times] = paces[Math.floor(random() * paces.length)]!
        for (let time = 0; time < times; time++) {
          const messages = random() < 0.9 ? 1 : 1 + Math.floor(random() * 30)
          const wait = Math.floor(random() * 2 * pause)
          now += wait
          if (wait > 0) yield* TestClock.adjust(wait)
          expected.push(takes(now, messages))
          yield* client.sendFrame(`"x"\n`.repeat(messages))
          const [frame] = yield* client.receivedFrames
          answered.push(String(frame).startsWith(`"x"`))
        }
      }
      assert.strictEqual(answered.findIndex((isIn, n) => isIn !== expected[n]), -1)
      assert.include(expected, false)
    }))

  it.effect(`a room that goes at any time lets through no more than the bucket would, seed ${seed} (LM-3)`, () =>
    Effect.gen(function*() {
      const random = randomOf(seed)
      const room = yield* make({ rateViolations: 1_000_000 })
      const client = yield* room.connect()
      // A hundred at once, and then one each twenty milliseconds, from any moment on.
      const times: Array<number> = []
      let now = 0
      for (let step = 0; step < 3_000; step++) {
        const wait = random() < 0.8 ? 0 : Math.floor(random() * 40)
        now += wait
        if (wait > 0) yield* TestClock.adjust(wait)
        if (random() < 0.05) yield* room.evict
        yield* client.send("x")
        const [frame] = yield* client.receivedFrames
        if (frame === `"x"`) times.push(now)
      }
      for (let from = 0; from + 101 < times.length; from++) {
        for (let to = from + 100; to < times.length; to++) {
          const most = 100 + Math.floor((times[to]! - times[from]!) / 20) + 1
          if (to - from + 1 > most) assert.fail(`${to - from + 1} messages in ${times[to]! - times[from]!} ms`)
        }
      }
      assert.isAbove(times.length, 100)
    }))
}

it.effect("an address that has sent more than it may stays outside for a while (LM-11)", () =>
  Effect.gen(function*() {
    const room = yield* make({ messageBurst: 2, rateViolations: 1, malformedFrames: 2 })
    const near = { claims: claims({}, "192.0.2.1") }
    const open = yield* room.connect("/", near)
    for (const frame of [`"x"`, "nonsense"]) {
      const floods = yield* room.connect("/", near)
      for (let n = 0; n < 3; n++) yield* floods.sendFrame(frame)
      assert.strictEqual((yield* floods.closed)?.code, frame === "nonsense" ? 4509 : 4013)
      const refused = yield* Effect.flip(room.connect("/", near))
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [429, "10"])
      yield* room.connect("/", { claims: claims({}, "192.0.2.2") })
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual((yield* Effect.flip(room.connect("/", near))).headers["retry-after"], "1")
      yield* TestClock.adjust("1 millis")
    }
    yield* room.connect("/", near)
    yield* open.send("x")
    assert.deepStrictEqual(yield* open.receivedFrames, [`"x"`])
  }))

it.effect("where nobody is locked out, an address may come back at once (LM-11)", () =>
  Effect.gen(function*() {
    const room = yield* make({ malformedFrames: 1, lockoutSeconds: 0 })
    const near = { claims: claims({}, "192.0.2.1") }
    const floods = yield* room.connect("/", near)
    yield* floods.sendFrame("nonsense")
    assert.strictEqual((yield* floods.closed)?.code, 4509)
    yield* room.connect("/", near)
  }))

it.effect("a frame that cannot be understood takes its share of the rate (LM-3)", () =>
  Effect.gen(function*() {
    const room = yield* make({ messageBurst: 2, malformedFrames: 100 })
    const client = yield* room.connect()
    for (let n = 0; n < 3; n++) yield* client.sendFrame("nonsense")
    const codes = (yield* client.receivedFrames).map((frame) => JSON.parse(String(frame)).code)
    assert.deepStrictEqual(codes, ["InvalidMessage", "InvalidMessage", "RateLimited"])
  }))

it.effect("where the storage is away nobody is let in whose token may be revoked, and others are (AU-14)", () =>
  Effect.gen(function*() {
    const room = yield* make({})
    yield* room.run(Storage.exec("DROP TABLE dormouse_guard"))
    const refused = yield* Effect.flip(room.connect("/", { claims: claims({ user: "ada", issuedAt: 1 }) }))
    assert.deepStrictEqual(answerOf(refused), [503, true])
    yield* room.connect()
  }))

it.effect("claims of another form let nobody in (AU-9)", () =>
  Effect.gen(function*() {
    const room = yield* make({})
    const exit = yield* Effect.exit(room.connect("/", { claims: { expiresAt: "soon" } }))
    assert.strictEqual(exit._tag, "Failure")
    assert.strictEqual(yield* room.run(Hall.use(({ count }) => count())), 0)
  }))

it("limits are read from JSON: each has a default, and what is wrong is named (LM-10)", () => {
  const read = (variable: unknown) => Result.map(RoomLimits.parse(variable), RoomLimits.make)
  for (const none of [undefined, "", "  ", "{}", {}]) {
    assert.deepStrictEqual(Result.getOrThrow(read(none)), RoomLimits.defaults)
  }
  const given = { connections: 5, idleSeconds: 0 }
  for (const variable of [JSON.stringify(given), given]) {
    assert.deepStrictEqual(Result.getOrThrow(read(variable)), { ...RoomLimits.defaults, ...given })
  }
  for (
    const [variable, named] of [
      [`{"conections":5}`, "conections"],
      [`{"connections":"5"}`, "connections"],
      [`{"connections":0}`, "connections"],
      [`{"connections":-1,"jsonDepth":1.5}`, "jsonDepth"],
      [`{"connections":null}`, "connections"],
      [`{"connections":1e400}`, "connections"],
      [`{"stateBytes":16385}`, "stateBytes"],
      [`{"__proto__":{"connections":5}}`, "__proto__"],
      [[], ""],
      ["5", ""],
      ["{", ""]
    ] as const
  ) {
    const failure = Result.getOrThrow(Result.flip(RoomLimits.parse(variable)))
    assert.include(failure.message, named)
  }
})
