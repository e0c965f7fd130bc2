import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type * as Problem from "../../src/domain/Problem.ts"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as Permissions from "../../src/doors/Permissions.ts"
import * as Principal from "../../src/doors/Principal.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as RoomLimits from "../../src/doors/RoomLimits.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

const Hall = Room.make("hall", { receive: Schema.String, send: Schema.String })

const claims = (principal: Partial<Principal.Principal>, address?: string) =>
  Principal.toClaims({ ...Principal.anonymous, ...principal }, address)

const make = (
  limits: RoomLimits.Options,
  handlers: Partial<Parameters<typeof Hall.toLayer>[0]> = {},
  below: Layer.Layer<never> | Layer.Layer<Rates.Rates> | Layer.Layer<Authenticator.Authenticator> = Layer.empty
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

it.effect("where newer code has made the guard's table the room goes on, and lets everybody in (DL-8, AU-14)", () =>
  Effect.gen(function*() {
    const room = yield* make({})
    yield* room.run(Storage.exec("UPDATE dormouse_tables SET version = 99 WHERE part = 'guard'"))
    yield* room.evict
    yield* room.connect("/", { claims: claims({ user: "ada", issuedAt: 1 }, "192.0.2.1") })
    const failure = yield* room.run(Effect.flip(Guard.Guard.use(({ closeUser }) => closeUser("ada"))))
    assert.strictEqual(failure.reason._tag, "NewerTables")
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

const ndjson = { headers: { "sec-websocket-protocol": "ndjson" } }

it.effect("a message in time begins the count of what is over the rate anew (LM-4)", () =>
  Effect.gen(function*() {
    const room = yield* make({ messageBurst: 2, messagesPerSecond: 1, rateViolations: 3 })
    const client = yield* room.connect()
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 4; n++) yield* client.send("x")
      yield* TestClock.adjust("2 seconds")
    }
    assert.isUndefined(yield* client.closed)
    for (let n = 0; n < 5; n++) yield* client.send("x")
    assert.strictEqual((yield* client.closed)?.code, 4013)
  }))

it.effect("a frame of empty lines is a message, and forgives nothing; one of too many lines is one, too (LM-3, LM-4)", () =>
  Effect.gen(function*() {
    const room = yield* make({ messageBurst: 3, messagesPerSecond: 1, rateViolations: 3, malformedFrames: 3 })
    const empty = yield* room.connect("/", ndjson)
    for (let n = 0; n < 6; n++) yield* empty.sendFrame("\n")
    assert.strictEqual((yield* empty.closed)?.code, 4013)
    const many = yield* room.connect("/", ndjson)
    for (let n = 0; n < 6; n++) yield* many.sendFrame(`"x"\n`.repeat(257))
    assert.strictEqual((yield* many.closed)?.code, 4509)
    const mixed = yield* room.connect("/", ndjson)
    for (let n = 0; n < 3; n++) {
      yield* mixed.sendFrame("nonsense\nnonsense")
      yield* mixed.sendFrame("\n")
      yield* TestClock.adjust("3 seconds")
    }
    assert.strictEqual((yield* mixed.closed)?.code, 4509)
  }))

it.effect("a state leaves room for what the guard keeps, so that no sleep forgets it (LM-3, LM-8)", () =>
  Effect.gen(function*() {
    const Full = Room.make("full", {
      receive: Schema.String,
      send: Schema.String,
      state: Schema.Struct({ note: Schema.String }),
      limits: { stateBytes: 16_384 }
    })
    const FullLive = Full.toLayer(Effect.map(Full, (room) => ({
      connect: () => Effect.succeed({ state: { note: "" } }),
      message: ({ id }, text) => room.send(id, text)
    })))
    const room = yield* MemoryRoom.make(
      Full,
      FullLive.pipe(Layer.provideMerge(Guard.layer({ messageBurst: 4, messagesPerSecond: 1 })))
    )
    const client = yield* room.connect()
    const [connection] = yield* room.run(Full.use((room) => room.connections()))
    const fill = (length: number) =>
      room.run(Full.use((room) => room.setState(connection!.id, { note: "x".repeat(length) })))
    let length = 16_384
    while ((yield* Effect.result(fill(length)))._tag === "Failure") length -= 8
    assert.isAbove(length, 16_000)
    for (let n = 0; n < 5; n++) {
      yield* client.send("x")
      yield* room.evict
    }
    assert.include(String((yield* client.receivedFrames).at(-1)), "RateLimited")
    yield* client.close()
    assert.strictEqual(yield* room.run(Full.use((room) => room.count())), 0)
  }))

it.effect("who does not answer a close still has a place in the room, and none of its address (LM-6)", () =>
  Effect.gen(function*() {
    const room = yield* make({ connections: 3, connectionsPerAddress: 1, messageBytes: 10 })
    const enter = room.connect("/", { claims: claims({}, "192.0.2.1") })
    for (let n = 0; n < 3; n++) {
      const client = yield* enter
      yield* client.mute
      yield* client.sendFrame("x".repeat(11))
    }
    assert.strictEqual((yield* Effect.flip(enter)).status, 503)
  }))

it.effect("a user who is closed out by what fits in no frame is not closed out at all (AU-14, CL-4)", () =>
  Effect.gen(function*() {
    const room = yield* make({})
    const ada = { claims: claims({ user: "ada", issuedAt: 0 }) }
    yield* room.connect("/", ada)
    for (const close of [{ reason: "x".repeat(124) }, { code: 1005 }]) {
      const failure = yield* room.run(Effect.flip(Guard.Guard.use(({ closeUser }) => closeUser("ada", close))))
      assert.strictEqual(failure.reason._tag, "InvalidClose")
    }
    yield* room.connect("/", ada)
  }))

it.effect("a token that was issued by a clock that goes before is closed out, too, and no clock takes that back (AU-14)", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(1_000_000)
    const room = yield* make({})
    const closeOut = room.run(Guard.Guard.use(({ closeUser }) => closeUser("ada")))
    const status = (issuedAt: number) =>
      Effect.map(
        Effect.result(room.connect("/", { claims: claims({ user: "ada", issuedAt }) })),
        (result) => Result.isSuccess(result) ? 101 : result.failure.status
      )
    yield* closeOut
    assert.deepStrictEqual(
      [yield* status(1_000_000), yield* status(1_004_000), yield* status(1_005_000)],
      [401, 401, 401]
    )
    yield* TestClock.setTime(500_000)
    yield* closeOut
    assert.deepStrictEqual([yield* status(1_005_000), yield* status(1_005_001)], [401, 101])
  }))

it.effect("a new token is compared with that of the connection, whatever the room calls its user (AU-13)", () =>
  Effect.gen(function*() {
    const Tokens = Layer.succeed(Authenticator.Authenticator)({
      authenticate: () => Effect.succeed(Principal.anonymous),
      verify: (token) => Effect.succeed({ ...Principal.anonymous, user: Redacted.value(token), expiresAt: 9e9 })
    })
    const room = yield* make({}, {
      connect: ({ claims }: { readonly claims: Record<string, string> }) =>
        Effect.succeed({ user: `nick-of-${claims["user"]}` })
    }, Tokens)
    const client = yield* room.connect("/", { claims: claims({ user: "1", expiresAt: 60_000 }) })
    for (const token of ["1", "nick-of-1"]) {
      yield* client.sendFrame(JSON.stringify({ _tag: "Refresh", token }))
      assert.include(String((yield* client.receivedFrames)[0]), "Unauthorized")
    }
    yield* TestClock.adjust("1 minute")
    assert.strictEqual((yield* client.closed)?.code, 4003)
  }))

it.effect("a new token says the same as the one before: its labels, and this room (AU-13)", () =>
  Effect.gen(function*() {
    const Tokens = Layer.succeed(Authenticator.Authenticator)({
      authenticate: () => Effect.succeed(Principal.anonymous),
      verify: (token) =>
        Effect.sync(() => ({ ...Principal.anonymous, user: "ada", ...JSON.parse(Redacted.value(token)) }))
    })
    const room = yield* make({}, { connect: () => Effect.succeed({ labels: ["own"] }) }, Tokens)
    const client = yield* room.connect("/", { claims: claims({ user: "ada", labels: ["x", "y"] }) })
    const answer = (token: object) =>
      Effect.andThen(
        client.sendFrame(JSON.stringify({ _tag: "Refresh", token: JSON.stringify(token) })),
        Effect.map(client.receivedFrames, ([frame]) => JSON.parse(String(frame))._tag)
      )
    for (const labels of [["x", "y"], ["y", "x"], ["y", "x", "x"]]) {
      assert.strictEqual(yield* answer({ labels }), "Refreshed")
    }
    for (const labels of [[], ["x"], ["x", "y", "z"], ["x", "own"], ["x", "y", "own"], ["x", "z"]]) {
      assert.strictEqual(yield* answer({ labels }), "Error")
    }
    assert.strictEqual(yield* answer({ labels: ["x", "y"], rooms: ["another"] }), "Error")
    assert.strictEqual(yield* answer({ labels: ["x", "y"], rooms: ["mem*"] }), "Refreshed")
  }))

it.effect("a token is renewed by one that ends sooner, or never, and by none that was revoked (AU-13, AU-14)", () =>
  Effect.gen(function*() {
    const Tokens = Layer.succeed(Authenticator.Authenticator)({
      authenticate: () => Effect.succeed(Principal.anonymous),
      verify: (token) =>
        Effect.sync(() => ({ ...Principal.anonymous, user: "ada", ...JSON.parse(Redacted.value(token)) }))
    })
    const room = yield* make({}, {}, Tokens)
    const enter = room.connect("/", { claims: claims({ user: "ada", issuedAt: 5, expiresAt: 60_000 }) })
    const refresh = Effect.fnUntraced(function*(client: Effect.Success<typeof enter>, token: object) {
      yield* client.sendFrame(JSON.stringify({ _tag: "Refresh", token: JSON.stringify(token) }))
      return JSON.parse(String((yield* client.receivedFrames)[0]))
    })
    const [sooner, never, later] = [yield* enter, yield* enter, yield* enter]
    assert.deepStrictEqual(yield* refresh(sooner, { expiresAt: 30_000 }), { _tag: "Refreshed", expiresAt: 30_000 })
    assert.deepStrictEqual(yield* refresh(never, {}), { _tag: "Refreshed" })
    assert.deepStrictEqual(yield* refresh(later, { expiresAt: 90_000 }), { _tag: "Refreshed", expiresAt: 90_000 })
    // One that has ended changes nothing, though who verified it took it. Nor does the first moment of 1970 mean never.
    for (const expiresAt of [-1, 0]) assert.strictEqual((yield* refresh(later, { expiresAt })).code, "Unauthorized")
    assert.strictEqual((yield* Effect.flip(room.connect("/", { claims: { user: "ada", expiresAt: "0" } }))).status, 401)
    yield* TestClock.adjust("30 seconds")
    assert.strictEqual((yield* sooner.closed)?.code, 4003)
    yield* TestClock.adjust("45 seconds")
    assert.deepStrictEqual([yield* never.closed, yield* later.closed], [undefined, undefined])
    yield* room.evict
    yield* later.send("I am here")
    yield* TestClock.adjust("15 seconds")
    assert.strictEqual((yield* later.closed)?.code, 4003)
    yield* TestClock.adjust("1 day")
    assert.isUndefined(yield* never.closed)
    // Nobody wakes for who has left.
    const rows = yield* room.run(Storage.exec("SELECT count(*) AS n FROM dormouse_deadlines"))
    assert.deepStrictEqual(rows, [{ n: 0 }])
    yield* room.run(Storage.exec("INSERT INTO dormouse_guard VALUES ('u:ada', 100000000)"))
    assert.include(yield* refresh(never, { issuedAt: 100_000_000 }), { code: "Unauthorized" })
  }))

it.effect("who has left takes the deadline of its token along, also if the answer about a new one comes late (AU-12)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const Tokens = Layer.succeed(Authenticator.Authenticator)({
      authenticate: () => Effect.succeed(Principal.anonymous),
      verify: () => Effect.as(Deferred.await(gate), { ...Principal.anonymous, user: "ada", expiresAt: 9e9 })
    })
    const room = yield* make({}, {}, Tokens)
    const client = yield* room.connect("/", { claims: claims({ user: "ada", expiresAt: 60_000 }) })
    const asking = yield* Effect.forkChild(client.sendFrame(JSON.stringify({ _tag: "Refresh", token: "x" })), {
      startImmediately: true
    })
    yield* TestClock.adjust("1 minute")
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(asking)
    assert.strictEqual((yield* client.closed)?.code, 4003)
    const rows = yield* room.run(Storage.exec("SELECT count(*) AS n FROM dormouse_deadlines"))
    assert.deepStrictEqual(rows, [{ n: 0 }])
  }))

it.effect("an alarm that is late lets nobody speak whose token has expired (AU-12)", () =>
  Effect.gen(function*() {
    const room = yield* make({})
    const client = yield* room.connect("/", { claims: claims({ user: "ada", expiresAt: 60_000 }) })
    yield* room.run(Storage.exec("DELETE FROM dormouse_deadlines"))
    yield* TestClock.adjust("1 minute")
    yield* client.send("too late")
    assert.strictEqual((yield* client.closed)?.code, 4003)
    assert.deepStrictEqual(yield* client.receivedFrames, [])
  }))

it.effect("the object is woken to look for the silent as seldom as it can be (LM-7)", () =>
  Effect.gen(function*() {
    const room = yield* make({ idleSeconds: 800 })
    const due = Effect.map(
      room.run(Storage.exec("SELECT due FROM dormouse_deadlines WHERE name = ':idle'")),
      ([row]) => row?.["due"]
    )
    const clients = []
    for (let n = 0; n < 5; n++) {
      clients.push(yield* room.connect())
      yield* TestClock.adjust("10 seconds")
    }
    assert.strictEqual(yield* due, 800_000)
    // A frame that is refused is a sign of life.
    yield* TestClock.adjust("700 seconds")
    for (let n = 0; n < 103; n++) yield* clients[4]!.send("x")
    yield* TestClock.adjust("50 seconds")
    assert.strictEqual((yield* clients[0]!.closed)?.code, 4012)
    assert.isUndefined(yield* clients[1]!.closed)
    assert.strictEqual(yield* due, 900_000)
    yield* TestClock.adjust("100 seconds")
    for (const n of [1, 2, 3]) assert.strictEqual((yield* clients[n]!.closed)?.code, 4012)
    assert.isUndefined(yield* clients[4]!.closed)
    assert.strictEqual(yield* due, 750_000 + 800_000)
  }))

it.effect("a deploy that shortens the time of silence, or begins with it, is heard (LM-7)", () =>
  Effect.gen(function*() {
    const variable = { idleSeconds: 86_400 }
    const Changing = Layer.unwrap(Effect.sync(() => Guard.layer({ ...variable })))
    const room = yield* MemoryRoom.make(Hall, Layer.merge(Hall.toLayer({}), Changing))
    const client = yield* room.connect()
    variable.idleSeconds = 60
    yield* room.evict
    yield* TestClock.adjust("1 minute")
    assert.strictEqual((yield* client.closed)?.code, 4012)
    variable.idleSeconds = 0
    yield* room.evict
    const other = yield* room.connect()
    yield* TestClock.adjust("1 minute")
    variable.idleSeconds = 60
    yield* room.evict
    yield* TestClock.adjust("1 minute")
    assert.strictEqual((yield* other.closed)?.code, 4012)
  }))

it.effect("a newcomer who comes while the silent are closed puts off nobody's time (LM-7)", () =>
  Effect.gen(function*() {
    let comes: Effect.Effect<unknown, unknown> = Effect.void
    const room = yield* make({ idleSeconds: 80 }, { close: () => comes })
    const first = yield* room.connect()
    yield* TestClock.adjust("40 seconds")
    const second = yield* room.connect()
    comes = Effect.suspend(() => {
      comes = Effect.void
      return room.connect()
    })
    yield* TestClock.adjust("40 seconds")
    assert.strictEqual((yield* first.closed)?.code, 4012)
    assert.strictEqual(yield* room.run(Hall.use(({ count }) => count())), 2)
    yield* TestClock.adjust("40 seconds")
    assert.strictEqual((yield* second.closed)?.code, 4012)
  }))

it.effect("a clock that is set back makes nobody speak later (LM-7)", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(10_000_000)
    const room = yield* make({ idleSeconds: 60 })
    const client = yield* room.connect()
    yield* TestClock.setTime(1_000_000)
    yield* room.run(Storage.exec("UPDATE dormouse_deadlines SET due = 1010000, at = 1010000"))
    yield* room.evict
    yield* TestClock.adjust("10 seconds")
    yield* TestClock.adjust("2 minutes")
    assert.strictEqual((yield* client.closed)?.code, 4012)
  }))

it.effect("a room in which somebody is, is not new, whatever its guard remembers (LM-9)", () =>
  Effect.gen(function*() {
    const Full = Layer.succeed(Rates.Rates)({ take: () => Effect.succeed(7) })
    const room = yield* make({}, {}, Full)
    yield* room.connect()
    yield* room.run(Storage.exec("DELETE FROM dormouse_guard"))
    yield* room.evict
    yield* room.connect("/", { claims: claims({}, "192.0.2.1") })
  }))

it.effect("a limit that cannot be lets nobody in, and is named (LM-10)", () =>
  Effect.gen(function*() {
    for (const [limits, named] of [[{ messagesPerSecond: 0 }, "messagesPerSecond"], [{ burst: 1 }, "burst"]] as const) {
      const logged: Array<string> = []
      const refused = yield* Effect.gen(function*() {
        const room = yield* make(limits as RoomLimits.Options)
        return yield* Effect.flip(room.connect())
      }).pipe(Effect.provide(Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))])))
      assert.strictEqual(refused.status, 503)
      assert.isTrue(logged.some((line) => line.includes(named)))
    }
  }))

it.effect("a rule that fails for one of them keeps nobody else from hearing who comes (PM-4)", () =>
  Effect.gen(function*() {
    const Rule = Layer.succeed(Permissions.Permissions)(({ user }) => {
      if (user === "odd") throw new Error("odd")
      return { join: true, speak: true, see: true }
    })
    const Party = Room.make("party", { receive: Schema.String, send: Schema.String })
    const PartyLive = Party.toLayer(Effect.map(Party, (room) => ({
      open: () => Permissions.broadcast(room, "somebody comes")
    })))
    const room = yield* MemoryRoom.make(Party, Layer.merge(PartyLive, Guard.layer()).pipe(Layer.provide(Rule)))
    yield* room.connect("/", { claims: claims({ user: "odd" }) })
    const ada = yield* room.connect("/", { claims: claims({ user: "ada" }) })
    yield* room.connect("/", { claims: claims({ user: "bob" }) })
    assert.deepStrictEqual(yield* ada.received, ["somebody comes"])
  }))

it.effect("frames that wait behind a handler are signs of life, too (LM-7)", () =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    const room = yield* make({ idleSeconds: 60 }, { message: () => Deferred.await(gate) })
    const client = yield* room.connect()
    yield* Effect.forkChild(client.send("0"), { startImmediately: true })
    for (let n = 0; n < 10; n++) {
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forkChild(client.send(`${n}`), { startImmediately: true })
    }
    assert.isUndefined(yield* client.closed)
    yield* Deferred.succeed(gate, undefined)
  }))

it.effect("what the guard keeps beside a socket outlives an inspector that goes (LM-3, AU-13)", () =>
  Effect.gen(function*() {
    const room = yield* make({ messageBurst: 2, messagesPerSecond: 1 })
    const client = yield* room.connect()
    for (const text of ["1", "2"]) yield* client.send(text)
    yield* room.run(Inside.use((inside) =>
      Effect.sync(() => {
        const [socket] = inside.sockets.list()
        inside.registry.setBeside(socket!, { since: 0, beside: inside.registry.beside(socket!) })
      })
    ))
    yield* room.evict
    yield* client.send("3")
    assert.include(String((yield* client.receivedFrames).at(-1)), "RateLimited")
  }))

it.effect("a message that its schema refuses is not lost without a word (PM-4)", () =>
  Effect.gen(function*() {
    const Rule = Layer.succeed(Permissions.Permissions)(() => ({ join: true, speak: true, see: true }))
    const Party = Room.make("party", { receive: Schema.String, send: Schema.String })
    const PartyLive = Party.toLayer({})
    const room = yield* MemoryRoom.make(Party, Layer.merge(PartyLive, Guard.layer()))
    yield* room.connect()
    const failure = yield* room.run(
      Party.use((party) => Effect.flip(Permissions.broadcast(party, 5 as never))).pipe(Effect.provide(Rule))
    )
    assert.strictEqual(failure.reason._tag, "InvalidMessage")
  }))

it.effect("a client that closes with the code of a flood has flooded nobody (LM-11)", () =>
  Effect.gen(function*() {
    const room = yield* make({})
    const enter = room.connect("/", { claims: claims({}, "192.0.2.1") })
    for (const code of [4009, 4013, 4509]) yield* (yield* enter).close(code)
    yield* enter
  }))
