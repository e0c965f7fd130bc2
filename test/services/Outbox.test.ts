import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import { Ask, Probe, ProbeLive } from "../contract/Probe.ts"

const Numbers = Room.make("numbers", { receive: Schema.Int, send: Schema.Union([Schema.Int, Schema.String]) })

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

for (const frameBytes of [8, 65_536]) {
  it.effect.prop(
    `however messages are addressed, nobody misses one and nobody sees them out of order, ${frameBytes} bytes a frame (OB-2)`,
    { plan: Schema.Array(Schema.Literals(["all", "one", "except", "label", "pause"])).check(Schema.isMaxLength(30)) },
    Effect.fnUntraced(function*({ plan }) {
      const room = yield* MemoryRoom.make(Numbers, NumbersLive, { frameBytes })
      const joins = yield* room.connect("/?label=x", { headers: ndjson })
      const plain = yield* room.connect("/?label=x")
      const other = yield* room.connect("/", { headers: ndjson })
      const [first] = yield* room.run(Numbers.use((room) => room.connections()))
      const { id } = first!
      const expected: Record<"joins" | "plain" | "other", Array<number>> = { joins: [], plain: [], other: [] }
      for (const [index, step] of plan.entries()) {
        if (step === "pause") {
          yield* macrotasks
          continue
        }
        yield* room.run(Numbers.use((room) =>
          step === "one"
            ? room.send(id, index)
            : room.broadcast(index, {
              ...(step === "except" ? { except: id } : {}),
              ...(step === "label" ? { to: Audience.label("x") } : {})
            })
        ))
        if (step !== "except") expected.joins.push(index)
        if (step !== "one") expected.plain.push(index)
        if (step !== "one" && step !== "label") expected.other.push(index)
      }
      assert.deepStrictEqual(
        { joins: yield* joins.received, plain: yield* plain.received, other: yield* other.received },
        expected
      )
    })
  )
}

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
