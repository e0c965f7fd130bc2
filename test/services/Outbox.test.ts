import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import { vi } from "vitest"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import type * as Broadcaster from "../../src/services/Broadcaster.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Outbox from "../../src/services/Outbox.ts"
import * as Room from "../../src/services/Room.ts"
import type * as Sockets from "../../src/services/Sockets.ts"
import { Ask, Probe, ProbeLive } from "../contract/Probe.ts"

const Numbers = Room.make("numbers", {
  receive: Schema.Int,
  send: Schema.Union([Schema.Int, Schema.String]),
  bytes: { receive: Schema.Never, send: Schema.Uint8Array }
})

const NumbersLive = Numbers.toLayer(Effect.gen(function*() {
  const room = yield* Numbers
  return {
    connect: (request) => Effect.succeed({ labels: new URL(request.url).searchParams.getAll("label") }),
    message: (_, number) => room.broadcast(number)
  }
}))

const ndjson = { "sec-websocket-protocol": "chat, ndjson" }

// What is collected leaves with the next macrotask, of which the outbox waits for one more to be quiet again.
const macrotasks = Effect.promise(async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done))
})

const setup = Effect.fnUntraced(function*(...clients: ReadonlyArray<Record<string, string>>) {
  const room = yield* MemoryRoom.make(Numbers, NumbersLive)
  const connected = yield* Effect.forEach(clients, (headers) => room.connect("/", { headers: headers }))
  const ids = yield* room.run(Numbers.use((room) => room.connections()))
  yield* macrotasks
  const say = (...messages: ReadonlyArray<number | string>) =>
    room.run(Numbers.use((room) => Effect.forEach(messages, (message) => room.broadcast(message), { discard: true })))
  return { room, clients: connected, ids: ids.map(({ id }) => id), say }
})

it.effect("a message that finds the outbox quiet leaves at once, what follows leaves as one frame (OB-1)", () =>
  Effect.gen(function*() {
    const { clients: [joins, plain], room, say } = yield* setup(ndjson, {})
    const run = room.run(Effect.gen(function*() {
      const numbers = yield* Numbers
      yield* numbers.broadcast(1)
      assert.deepStrictEqual(yield* plain!.receivedFrames, ["1"])
      const deliveries = yield* Effect.forEach([2, 3, 4], (number) => numbers.broadcast(number))
      assert.deepStrictEqual(deliveries, Array.from({ length: 3 }, () => ({ delivered: 2, failed: 0 })))
    }))
    yield* run
    yield* macrotasks
    assert.deepStrictEqual(yield* joins!.receivedFrames, ["1", "2\n3\n4"])
    assert.deepStrictEqual(yield* plain!.receivedFrames, ["2", "3", "4"])
    yield* say(5)
    assert.deepStrictEqual(yield* joins!.receivedFrames, ["5"])
  }))

it.effect("each receiver gets what is for it in the order of sending, whoever it is for (OB-2)", () =>
  Effect.gen(function*() {
    const { clients, ids, room } = yield* setup(ndjson, ndjson, ndjson, {})
    const [a, b] = ids as [ConnectionId.ConnectionId, ConnectionId.ConnectionId]
    yield* room.run(Effect.gen(function*() {
      const numbers = yield* Numbers
      yield* numbers.send(a, "first")
      yield* numbers.broadcast(1)
      yield* numbers.send(b, "to b")
      yield* numbers.broadcast(2, { except: a })
      yield* numbers.send(a, "to a")
      yield* numbers.broadcast(3)
    }))
    const received = yield* Effect.forEach(clients, (client) => client.received)
    assert.deepStrictEqual(received, [["first", 1, "to a", 3], [1, "to b", 2, 3], [1, 2, 3], [1, 2, 3]])
  }))

const Step = Schema.Struct({
  what: Schema.Literals([
    "all",
    "all",
    "all",
    "one",
    "one",
    "except",
    "label",
    "bytes",
    "bytes for one",
    "bytes for a label",
    "pause",
    "flush",
    "enter",
    "enter plain",
    "leave",
    "kick"
  ]),
  who: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 }))
})

it.effect.prop(
  "however messages are addressed and whoever comes and goes, nobody misses one or sees them out of order (OB-2)",
  // Of small frames, most messages fill one.
  { plan: Schema.Array(Step).check(Schema.isMaxLength(40)), frameBytes: Schema.Literals([3, 12, 65_536]) },
  ({ frameBytes, plan }) =>
    Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Numbers, NumbersLive, { frameBytes })
      const numbers = <A, E>(
        use: (numbers: Room.Service<number | string | Uint8Array, undefined>) => Effect.Effect<A, E>
      ) => room.run(Numbers.use(use))
      const members: Array<{
        readonly client: MemoryRoom.Client<number, number | string | Uint8Array>
        readonly id: ConnectionId.ConnectionId
        readonly isLabelled: boolean
        readonly expected: Array<number | string | Uint8Array>
        how: "there" | "left" | "kicked"
      }> = []
      const enter = Effect.fnUntraced(function*(headers: Record<string, string>) {
        const isLabelled = members.length % 2 === 0
        const client = yield* room.connect(isLabelled ? "/?label=x" : "/", { headers })
        const { id } = (yield* numbers((numbers) => numbers.connections())).at(-1)!
        members.push({ client, id, isLabelled, expected: [], how: "there" })
      })
      yield* enter(ndjson)
      yield* enter({})
      yield* enter(ndjson)
      for (const [index, { what, who }] of plan.entries()) {
        const there = members.filter(({ how }) => how === "there")
        const one = there[who % there.length]
        const say = (message: number | Uint8Array, to: typeof members, options?: Broadcaster.BroadcastOptions) => {
          for (const { expected } of to) expected.push(message)
          return Effect.map(
            numbers((numbers) => numbers.broadcast(message, options)),
            (delivery) => assert.deepStrictEqual(delivery, { delivered: to.length, failed: 0 })
          )
        }
        if (what === "pause") yield* macrotasks
        else if (what === "enter") yield* enter(ndjson)
        else if (what === "enter plain") yield* enter({})
        else if (what === "flush") yield* room.run(Outbox.Outbox.useSync((outbox) => outbox.flush()))
        else if (what === "all") yield* say(index, there)
        else if (what === "bytes") yield* say(new Uint8Array([index]), there)
        else if (what === "label" || what === "bytes for a label") {
          const message = what === "label" ? index : new Uint8Array([index])
          yield* say(message, there.filter(({ isLabelled }) => isLabelled), { to: Audience.label("x") })
        } else if (one !== undefined) {
          if (what === "except") yield* say(index, there.filter((member) => member !== one), { except: one.id })
          else if (what === "one" || what === "bytes for one") {
            const message = what === "one" ? index : new Uint8Array([index])
            one.expected.push(message)
            yield* numbers((numbers) => numbers.send(one.id, message))
          } else if (what === "leave") {
            one.how = "left"
            yield* one.client.close(1000)
          } else {
            one.how = "kicked"
            yield* numbers((numbers) => numbers.close(one.id, { code: 4000 }))
          }
        }
      }
      for (const { client, expected, how } of members) {
        const received = yield* client.received
        // Who has left by itself need not hear what had not left by then.
        assert.deepStrictEqual(received, how === "left" ? expected.slice(0, received.length) : expected)
      }
    }),
  { arbitrary: { runs: 200, size: 40 } }
)

it.effect("what is for single clients costs each of them its own, and not everybody else (OB-8)", () =>
  Effect.gen(function*() {
    // How often the outbox looks at a socket while every client is sent a message of its own, some times over.
    const looks = Effect.fnUntraced(function*(clients: number) {
      let looks = 0
      class Watched extends Array<Sockets.Socket> {
        override *[Symbol.iterator]() {
          for (const socket of super[Symbol.iterator]()) {
            looks++
            yield socket
          }
          return undefined
        }
        static override get [Symbol.species]() {
          return Array
        }
      }
      const watched = (sockets: ReadonlyArray<Sockets.Socket>) => Watched.from(sockets)
      const Watching = Layer.effect(
        ConnectionRegistry.ConnectionRegistry,
        Effect.map(ConnectionRegistry.ConnectionRegistry, (registry) => ({
          ...registry,
          carrying: (tag: string) => watched(registry.carrying(tag)),
          open: (audience: Audience.Audience) => watched(registry.open(audience)),
          isSpeaking: (socket: Sockets.Socket, protocol: string) => {
            looks++
            return registry.isSpeaking(socket, protocol)
          },
          isForgotten: (socket: Sockets.Socket) => {
            looks++
            return registry.isForgotten(socket)
          }
        }))
      )
      const room = yield* MemoryRoom.make(Numbers, Layer.provideMerge(NumbersLive, Watching))
      const peers = yield* Effect.replicateEffect(room.connect("/", { headers: ndjson }), clients)
      yield* room.run(Numbers.use((numbers) =>
        Effect.gen(function*() {
          const connections = yield* numbers.connections()
          yield* numbers.broadcast(0)
          looks = 0
          for (const round of [1, 2, 3]) {
            for (const { id } of connections) yield* numbers.send(id, round)
          }
        }).pipe(Effect.provideService(Scheduler.PreventSchedulerYield, true))
      ))
      for (const peer of peers) assert.deepStrictEqual(yield* peer.receivedFrames, ["0", "1", "2\n3"])
      return looks
    })
    const few = yield* looks(50)
    assert.isAbove(few, 0)
    assert.isAtMost(yield* looks(200), 4 * few + 50)
  }))

// A room whose outbox is flushed by nobody else: a look at a client's inbox shows what has left by then.
const unflushed = Effect.fnUntraced(function*(
  options: MemoryRoom.Options,
  ...clients: ReadonlyArray<readonly [url: string, headers: Record<string, string>]>
) {
  const Unflushed = Layer.effect(
    Outbox.Outbox,
    Effect.map(Outbox.Outbox, (outbox) => ({ ...outbox, flush: () => {} }))
  )
  const room = yield* MemoryRoom.make(Numbers, Layer.provideMerge(NumbersLive, Unflushed), options)
  const connected = yield* Effect.forEach(clients, ([url, headers]) => room.connect(url, { headers }))
  const connections = yield* room.run(Numbers.use((room) => room.connections()))
  yield* macrotasks
  const run = <A, E>(
    use: (room: Room.Service<number | string | Uint8Array, undefined>) => Effect.Effect<A, E>
  ) => room.run(Numbers.use(use))
  return {
    room,
    run,
    clients: connected,
    ids: connections.map(({ id }) => id),
    send: (id: ConnectionId.ConnectionId | undefined, number: number) => run((room) => room.send(id!, number)),
    all: (number: number) => run((room) => room.broadcast(number)),
    labelled: (number: number) => run((room) => room.broadcast(number, { to: Audience.label("x") }))
  }
})

// No step of the test ends its turn by itself.
const inOneTurn = Effect.provideService(Scheduler.PreventSchedulerYield, true)

const macrotask = Effect.promise(() => new Promise((done) => setImmediate(done)))

it.effect("what is collected leaves with the next macrotask, and one without anything ends that (OB-1)", () =>
  Effect.gen(function*() {
    const { all, clients: [client], labelled } = yield* unflushed({}, ["/?label=x", ndjson])
    for (const say of [all, labelled]) {
      const leaves = (...frames: ReadonlyArray<string>) =>
        Effect.map(client!.receivedFrames, (received) => assert.deepStrictEqual(received, frames))
      yield* say(1)
      yield* leaves("1")
      yield* say(2)
      yield* say(3)
      yield* leaves()
      yield* macrotask
      yield* leaves("2\n3")
      yield* say(4)
      yield* leaves()
      yield* macrotask
      yield* leaves("4")
      yield* macrotask
      yield* say(5)
      yield* leaves("5")
      yield* macrotasks
    }
  }).pipe(inOneTurn))

it.effect("what fills a frame leaves at once, whoever it is for (OB-1, OB-4)", () =>
  Effect.gen(function*() {
    const { all, clients: [client, other], ids: [id], labelled, send } = yield* unflushed(
      { frameBytes: 4 },
      ["/?label=x", ndjson],
      ["/", ndjson]
    )
    for (const say of [all, labelled, (number: number) => send(id, number)]) {
      yield* say(1)
      yield* say(22)
      assert.deepStrictEqual(yield* client!.receivedFrames, ["1"])
      yield* say(33)
      assert.deepStrictEqual(yield* client!.receivedFrames, ["22", "33"])
      yield* say(4)
      assert.deepStrictEqual(yield* client!.receivedFrames, [])
      yield* macrotasks
      assert.deepStrictEqual(yield* client!.receivedFrames, ["4"])
    }
    assert.deepStrictEqual(yield* other!.receivedFrames, ["1", "22", "33", "4"])
  }).pipe(inOneTurn))

it.effect("what fills a frame leaves once, also where some of it was for fewer (OB-2, OB-4)", () =>
  Effect.gen(function*() {
    const { all, clients, ids: [id], labelled, send } = yield* unflushed(
      { frameBytes: 3 },
      ["/?label=x", ndjson],
      ["/", ndjson]
    )
    for (const say of [labelled, (number: number) => send(id, number)]) {
      yield* all(0)
      yield* all(1)
      yield* say(2)
      yield* say(3)
      yield* say(4)
      yield* all(567)
      yield* macrotasks
      const received = yield* Effect.forEach(clients, (client) => client.received)
      assert.deepStrictEqual(received, [[0, 1, 2, 3, 4, 567], [0, 1, 567]])
    }
  }).pipe(inOneTurn))

it.effect("what is for one leaves when the turn ends, and what is for everybody waits on (OB-1)", () =>
  Effect.gen(function*() {
    const { all, clients: [client], ids: [id], send } = yield* unflushed({}, ["/", ndjson], ["/", ndjson])
    const turn = Effect.promise(() => Promise.resolve())
    yield* send(id, 1)
    yield* send(id, 2)
    yield* send(id, 3)
    assert.deepStrictEqual(yield* client!.receivedFrames, ["1"])
    yield* turn
    assert.deepStrictEqual(yield* client!.receivedFrames, ["2\n3"])
    yield* send(id, 4)
    assert.deepStrictEqual(yield* client!.receivedFrames, ["4"])
    yield* all(5)
    assert.deepStrictEqual(yield* client!.receivedFrames, ["5"])
    yield* all(6)
    yield* turn
    assert.deepStrictEqual(yield* client!.receivedFrames, [])
    // Behind what waits for it, and that does not wait any more.
    yield* send(id, 7)
    assert.deepStrictEqual(yield* client!.receivedFrames, ["6", "7"])
    yield* all(8)
    yield* macrotasks
    assert.deepStrictEqual(yield* client!.receivedFrames, ["8"])
  }).pipe(inOneTurn))

it.effect("what has waited for 20 ms leaves with the next event, and no sooner (OB-1)", () =>
  Effect.gen(function*() {
    const { all, clients: [client, speaker], labelled } = yield* unflushed({}, ["/?label=x", ndjson], ["/", {}])
    yield* Effect.acquireRelease(
      Effect.sync(() => vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 })),
      () => Effect.sync(() => vi.useRealTimers())
    )
    // An event that says nothing.
    const event = speaker!.sendFrame("null")
    for (const say of [all, labelled]) {
      yield* say(1)
      yield* say(2)
      vi.setSystemTime(Date.now() + 12)
      yield* say(3)
      vi.setSystemTime(Date.now() + 7)
      yield* event
      assert.deepStrictEqual(yield* client!.receivedFrames, ["1"])
      vi.setSystemTime(Date.now() + 1)
      yield* event
      assert.deepStrictEqual(yield* client!.receivedFrames, ["2\n3"])
      // It counts from the first of what waits now.
      yield* say(4)
      vi.setSystemTime(Date.now() + 19)
      yield* event
      assert.deepStrictEqual(yield* client!.receivedFrames, [])
      yield* macrotasks
      assert.deepStrictEqual(yield* client!.receivedFrames, ["4"])
    }
  }).pipe(inOneTurn))

it.effect("what leaves for others does not make the outbox wait for those who take joined frames (OB-1)", () =>
  Effect.gen(function*() {
    const { all, clients: [plain], labelled, room } = yield* unflushed({}, ["/?label=x", {}])
    yield* all(1)
    const client = yield* room.connect("/", { headers: ndjson })
    yield* labelled(2)
    yield* all(3)
    assert.deepStrictEqual(yield* client.receivedFrames, ["3"])
    assert.deepStrictEqual(yield* plain!.receivedFrames, ["1", "2", "3"])
  }).pipe(inOneTurn))

it.effect("a client that does not read counts as failed, and is let go by the macrotask that finds it so (BC-2, OB-5)", () =>
  Effect.gen(function*() {
    const { all, clients: [reads, plain, joins], run } = yield* unflushed(
      { bufferBytes: 1 },
      ["/", ndjson],
      ["/", {}],
      ["/?label=x", ndjson]
    )
    yield* Effect.forEach([plain!, joins!], (client) => client.stall)
    const count = run((room) => room.count())
    // What waits is not above the bound yet.
    assert.deepStrictEqual(yield* all(1), { delivered: 3, failed: 0 })
    yield* macrotasks
    assert.deepStrictEqual(yield* all(2), { delivered: 3, failed: 0 })
    yield* macrotasks
    assert.deepStrictEqual(
      yield* run((room) => room.broadcast(3, { to: Audience.label("x") })),
      { delivered: 0, failed: 1 }
    )
    yield* Effect.yieldNow
    assert.strictEqual(yield* count, 2)
    assert.deepStrictEqual(yield* all(4), { delivered: 1, failed: 1 })
    yield* Effect.yieldNow
    assert.strictEqual(yield* count, 1)
    assert.deepStrictEqual(yield* reads!.received, [1, 2, 4])
    const slow = yield* unflushed({ bufferBytes: 0 }, ["/", ndjson])
    yield* slow.clients[0]!.stall
    yield* slow.all(1)
    yield* slow.all(2)
    yield* macrotask
    assert.strictEqual(yield* slow.run((room) => room.count()), 0)
    // And by the end of the turn, where it is sent to alone.
    const alone = yield* unflushed({ bufferBytes: 0 }, ["/", ndjson])
    yield* alone.clients[0]!.stall
    yield* alone.send(alone.ids[0], 1)
    yield* alone.send(alone.ids[0], 2)
    yield* Effect.promise(() => Promise.resolve())
    yield* Effect.yieldNow
    assert.strictEqual(yield* alone.run((room) => room.count()), 0)
  }).pipe(inOneTurn))

it.effect("a flush that finds nothing sends nothing (OB-1)", () =>
  Effect.gen(function*() {
    const { clients: [joins], room, say } = yield* setup(ndjson)
    yield* say(1, 2, 3)
    const flush = room.run(Outbox.Outbox.useSync((outbox) => outbox.flush()))
    yield* flush
    yield* flush
    yield* macrotasks
    yield* flush
    assert.deepStrictEqual(yield* joins!.receivedFrames, ["1", "2\n3"])
  }))

it.effect("a newcomer gets nothing from before it came, and its welcome first (OB-2, LC-7)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const ada = yield* room.connect("/", { headers: ndjson })
    yield* ada.send(Ask.cases.Speak.make({ text: "1" }))
    yield* ada.send(Ask.cases.Speak.make({ text: "2" }))
    const bob = yield* room.connect("/", { headers: ndjson })
    yield* ada.send(Ask.cases.Speak.make({ text: "3" }))
    const tags = (yield* bob.received).map((message) => message._tag === "Heard" ? message.text : message._tag)
    assert.deepStrictEqual(tags, ["Opened", "3"])
    assert.strictEqual((yield* ada.received).length, 5)
  }))

it.effect("what was said before a close is sent before the close (OB-3)", () =>
  Effect.gen(function*() {
    const { clients: [client], ids: [id], room } = yield* setup(ndjson)
    yield* room.run(
      Numbers.use((room) =>
        Effect.all([room.broadcast(1), room.broadcast(2), room.broadcast(3), room.close(id!, { code: 4000 })])
      )
    )
    assert.strictEqual((yield* client!.closed)?.code, 4000)
    assert.deepStrictEqual(yield* client!.received, [1, 2, 3])
  }))

it.effect("a joined frame has at most its bound of bytes; more leaves as further frames (OB-4)", () =>
  Effect.gen(function*() {
    const { clients: [client], say } = yield* setup(ndjson)
    // With its quotes each takes 30,002 bytes, the accents twice as many.
    const texts = ["x", "y", "z"].map((letter) => letter.repeat(30_000))
    yield* say(0, ...texts, "é".repeat(30_000), "w".repeat(100_000), 1)
    const frames = yield* client!.receivedFrames
    const bytes = frames.map((frame) => Buffer.byteLength(String(frame)))
    assert.deepStrictEqual(bytes, [1, 60_005, 30_002, 60_002, 100_002, 1])
    assert.deepStrictEqual(
      frames.flatMap((frame) => String(frame).split("\n")).map((line) => JSON.parse(line)),
      [0, ...texts, "é".repeat(30_000), "w".repeat(100_000), 1]
    )
  }))

it.effect("the bounds are options (OB-4)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Numbers, NumbersLive, { frameBytes: 5 })
    const client = yield* room.connect("/", { headers: ndjson })
    yield* room.run(Numbers.use((room) => Effect.forEach([1, 22, 33, 44], (number) => room.broadcast(number))))
    assert.deepStrictEqual(yield* client.receivedFrames, ["1", "22\n33", "44"])
    const small = yield* MemoryRoom.make(Numbers, NumbersLive, { frameBytes: 4 })
    const other = yield* small.connect("/", { headers: ndjson })
    yield* small.run(Numbers.use((room) => Effect.forEach([1, 2, 3, 4], (number) => room.broadcast(number))))
    assert.deepStrictEqual(yield* other.receivedFrames, ["1", "2\n3", "4"])
    // One that alone is more leaves alone, and with nothing before it.
    yield* small.run(Numbers.use((room) => Effect.forEach([23456, 7], (number) => room.broadcast(number))))
    assert.deepStrictEqual(yield* other.receivedFrames, ["23456", "7"])
  }))

it.effect("a client that does not read is closed with 4008, and the others feel nothing (OB-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const reads = yield* room.connect("/", { headers: ndjson })
    const slow = yield* room.connect("/?note=slow")
    yield* slow.stall
    yield* reads.received
    for (let index = 0; index < 30; index++) yield* reads.send(Ask.cases.Speak.make({ text: "x".repeat(50_000) }))
    const heard = yield* reads.received
    assert.strictEqual(heard.filter((message) => message._tag === "Heard").length, 30)
    const [closed, ...others] = heard.filter((message) => message._tag === "Closed")
    assert.deepInclude(closed, { note: "slow", code: 4008, connections: 1 })
    assert.deepStrictEqual(others, [])
  }))

it.effect.each(["send", "broadcast"] as const)(
  "a client that does not read is let go, however small the audience in which it is sent what waits: %s (OB-7)",
  (how) =>
    Effect.gen(function*() {
      for (const headers of [{}, ndjson]) {
        const room = yield* MemoryRoom.make(Numbers, NumbersLive, { bufferBytes: 100_000 })
        const loud = yield* room.connect("/?label=loud", { headers })
        const slow = yield* room.connect("/?label=quiet", { headers })
        yield* slow.stall
        const say = room.run(Numbers.use((numbers) =>
          Effect.gen(function*() {
            const [, quiet] = yield* numbers.connections()
            // Who is let go is in no audience any more.
            if (quiet === undefined) return
            if (how === "send") return yield* numbers.send(quiet.id, "x".repeat(30_000))
            yield* numbers.broadcast("x".repeat(30_000), { to: Audience.label("quiet") })
            yield* numbers.broadcast("y".repeat(70_000), { to: Audience.label("loud") })
          })
        ))
        for (let round = 0; round < 10; round++) {
          yield* say
          yield* macrotasks
        }
        assert.deepStrictEqual(
          yield* room.run(Numbers.use((numbers) => Effect.map(numbers.connections(), (all) => all.length))),
          1
        )
        // Four of them are above the bound, and the fifth finds them there.
        assert.strictEqual((yield* loud.received).length, how === "send" ? 0 : 5)
        assert.isUndefined(yield* loud.closed)
      }
    })
)

it.effect("who does not read is let go by the flush that finds it so, without another message (OB-7)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Numbers, NumbersLive, { bufferBytes: 100 })
    const reads = yield* room.connect("/", { headers: ndjson })
    const slow = yield* room.connect("/", { headers: ndjson })
    yield* slow.stall
    yield* room.run(
      Numbers.use((numbers) => Effect.forEach(["x".repeat(200), "y".repeat(200)], (text) => numbers.broadcast(text)))
    )
    // Looks at its inbox, which flushes.
    assert.strictEqual((yield* reads.received).length, 2)
    yield* macrotasks
    assert.strictEqual(yield* room.run(Numbers.use((numbers) => numbers.count())), 1)
  }))

it.effect("that somebody is let go is told after what made it so, to everybody (OB-2, OB-5)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Probe, ProbeLive)
    const slow = yield* room.connect()
    const readers = [yield* room.connect(), yield* room.connect("/", { headers: ndjson })]
    yield* slow.stall
    yield* Effect.forEach(readers, (reader) => reader.received)
    const [speaker] = readers
    for (const text of ["x".repeat(600_000), "y".repeat(600_000), "z"]) {
      yield* speaker!.send(Ask.cases.Speak.make({ text }))
    }
    for (const reader of readers) {
      const told = (yield* reader.received).map((message) => message._tag === "Heard" ? message.text[0] : message._tag)
      assert.deepStrictEqual(told, ["x", "y", "z", "Closed"])
    }
  }))

it.effect("ndjson is for those who ask: nothing else is answered, and not in a text room (NJ-1)", () =>
  Effect.gen(function*() {
    const { clients: [joins, other], room } = yield* setup(ndjson, { "sec-websocket-protocol": "chat, superchat" })
    assert.isDefined(other)
    yield* joins!.sendFrame("1\n2\n\n3\n")
    assert.deepStrictEqual(yield* other!.receivedFrames, ["1", "2", "3"])
    yield* other!.sendFrame("4\n5")
    assert.deepInclude(JSON.parse(String((yield* other!.receivedFrames)[0])), { _tag: "Error", code: "InvalidMessage" })
    const protocols = yield* room.run(Numbers.use((room) => room.connections()))
    assert.deepStrictEqual(protocols.map(({ protocol }) => protocol), ["ndjson", "plain"])
    const Echo = Room.make("echo", { format: "text", receive: Schema.String, send: Schema.String })
    const text = yield* MemoryRoom.make(Echo, Layer.empty.pipe(Layer.merge(Echo.toLayer(Effect.succeed({})))))
    yield* text.connect("/", { headers: ndjson })
    const [connection] = yield* text.run(Echo.use((room) => room.connections()))
    assert.strictEqual(connection?.protocol, "plain")
  }))
