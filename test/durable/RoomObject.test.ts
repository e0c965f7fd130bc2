import { assert, it } from "@effect/vitest"
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Sockets from "../../src/services/Sockets.ts"
import { Ask, Probe } from "../contract/Probe.ts"
import { logged } from "./logged.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { BROKEN, PROBE } = env as unknown as Env
const { Fail, Hold, Speak } = Ask.cases

const lines = logged()

it.effect("two objects of one class share nothing (RM-1)", () =>
  Effect.gen(function*() {
    const [a, b] = [PROBE.getByName("one"), PROBE.getByName("two")]
    const inA = yield* World.connect(a)
    const inB = yield* World.connect(b)
    yield* inA.take(1)
    yield* inB.take(1)
    yield* Effect.all([inA.send(Speak.make({ text: "a" })), inB.send(Speak.make({ text: "b" }))], {
      concurrency: "unbounded"
    })
    const [heardInA] = yield* inA.take(1)
    const [heardInB] = yield* inB.take(1)
    assert.strictEqual(heardInA?._tag === "Heard" && heardInA.text, "a")
    assert.strictEqual(heardInB?._tag === "Heard" && heardInB.text, "b")
    assert.deepStrictEqual(yield* inA.rest, [])
    for (const stub of [a, b]) assert.strictEqual(yield* World.runIn(stub, Probe.use((room) => room.count())), 1)
    assert.strictEqual(yield* World.runIn(b, Probe.useSync((room) => room.name)), "two")
  }))

it.effect("a room that cannot start refuses newcomers with 503 and keeps who is there (LC-5)", () =>
  Effect.gen(function*() {
    const stub = BROKEN.getByName("room")
    const client = yield* World.connect(stub)
    const other = yield* World.connect(stub)
    yield* client.take(2)
    yield* Effect.promise(() => evictDurableObject(stub))
    const problem = yield* Effect.flip(World.connect(stub))
    assert.strictEqual(problem.status, 503)
    yield* client.send(Speak.make({ text: "anybody?" }))
    assert.strictEqual(JSON.parse(String(yield* client.takeFrame)).code, "NotReady")
    assert.strictEqual(yield* World.runIn(stub, Probe.use((room) => room.count())), 2)
    yield* other.close(4000, "bye")
    assert.deepStrictEqual(yield* other.closed, { code: 4000, reason: "bye" })
    assert.include(lines.join(""), "the database is gone")
  }))

it.effect("a handler that fails is logged once, as one JSON line (LC-4)", () =>
  Effect.gen(function*() {
    const client = yield* World.connect(PROBE.getByName("log"))
    const [opened] = yield* client.take(1)
    yield* client.send(Fail.make({}))
    yield* client.takeFrame
    // What other objects of this file say is not meant.
    const said = lines.filter((line) => line.includes("the handler is broken"))
    assert.strictEqual(said.length, 1)
    const line = JSON.parse(said[0]!)
    assert.strictEqual(line.level, "ERROR")
    assert.deepStrictEqual(line.annotations, {
      event: "message",
      connection: opened?._tag === "Opened" && opened.connection
    })
    assert.include(line.cause, "the handler is broken")
  }))

it.effect("a line is JSON of at most 4,096 bytes, and nothing in it is a control character (LG-1, LG-2)", () =>
  Effect.gen(function*() {
    const stub = PROBE.getByName("lines")
    const sly = "\r\n\u001b[2J\u0085\u202e\u2028"
    yield* World.runIn(stub, Effect.logWarning(`sly ${sly}`, { text: "東".repeat(10_000) }))
    const [line, ...others] = lines.filter((line) => line.includes("sly"))
    assert.deepStrictEqual(others, [])
    assert.isAtMost(new TextEncoder().encode(line).length, 4_096)
    assert.notMatch(line!, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    const { level, message } = JSON.parse(line!)
    assert.strictEqual(level, "WARN")
    assert.strictEqual(message[0], `sly ${sly}`)
    assert.match(message[1].text, /^東{100,}…$/)
  }))

it.effect("messages of one connection wait for each other, those of two do not (LC-3)", () =>
  Effect.gen(function*() {
    const stub = PROBE.getByName("order")
    const slow = yield* World.connect(stub)
    const quick = yield* World.connect(stub)
    yield* slow.take(2)
    yield* quick.take(1)
    yield* slow.send(Hold.make({ milliseconds: 100 }))
    for (let index = 0; index < 100; index++) yield* slow.send(Speak.make({ text: `slow ${index}` }))
    yield* quick.send(Speak.make({ text: "quick" }))
    const heard = (yield* quick.take(101)).map((message) => message._tag === "Heard" && message.text)
    assert.deepStrictEqual(heard, ["quick", ...Array.from({ length: 100 }, (_, index) => `slow ${index}`)])
  }))

it.effect("a close is answered while a handler of the connection still waits (CL-1, LC-3)", () =>
  Effect.gen(function*() {
    const stub = PROBE.getByName("waiting")
    const stays = yield* World.connect(stub)
    const leaves = yield* World.connect(stub)
    yield* stays.take(2)
    yield* leaves.send(Hold.make({ milliseconds: 200 }))
    yield* leaves.send(Speak.make({ text: "my last words" }))
    yield* leaves.close(4000, "bye")
    assert.deepStrictEqual(yield* leaves.closed, { code: 4000, reason: "bye" })
    assert.deepStrictEqual(yield* stays.rest, [])
    const last = yield* stays.take(2)
    assert.deepStrictEqual(last.map((message) => message._tag), ["Heard", "Closed"])
  }))

it.effect("the alarm wakes the object and runs its handler (LC-8)", () =>
  Effect.gen(function*() {
    const stub = PROBE.getByName("alarm")
    const client = yield* World.connect(stub)
    yield* client.take(1)
    const alarm = <A, E>(use: (alarm: Alarm.Alarm["Service"]) => Effect.Effect<A, E>) =>
      World.runIn(stub, Alarm.Alarm.use(use))
    assert.isTrue(Option.isNone(yield* alarm((alarm) => alarm.get)))
    const at = Date.UTC(2100, 0)
    yield* alarm((alarm) => alarm.set(at))
    yield* Effect.promise(() => evictDurableObject(stub))
    assert.deepStrictEqual(yield* alarm((alarm) => alarm.get), Option.some(at))
    assert.isTrue(yield* Effect.promise(() => runDurableObjectAlarm(stub)))
    assert.deepStrictEqual(yield* client.take(1), [{ _tag: "Rang" }])
    yield* alarm((alarm) => alarm.set(at))
    yield* alarm((alarm) => alarm.clear)
    assert.isFalse(yield* Effect.promise(() => runDurableObjectAlarm(stub)))
  }))

it.effect("a socket that is none of ours is passed over (ID-4)", () =>
  Effect.gen(function*() {
    const stub = PROBE.getByName("stranger")
    const client = yield* World.connect(stub)
    yield* client.take(1)
    yield* Effect.promise(() =>
      runInDurableObject(stub, async (room, ctx) => {
        const [, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket]
        ctx.acceptWebSocket(server, ["admin"])
        await room.webSocketMessage?.(server, `{"_tag":"Speak","text":"I am nobody"}`)
        await room.webSocketClose?.(server, 1000, "", true)
      })
    )
    assert.deepStrictEqual(yield* client.rest, [])
    assert.match(lines.join(""), /name no connection/)
  }))

it.effect("nothing that the room does holds the object awake, a flush neither (OB-6)", () =>
  Effect.gen(function*() {
    const stub = PROBE.getByName("idle")
    const client = yield* World.connect(stub, "", { "sec-websocket-protocol": "ndjson" })
    for (const text of ["one", "two", "three"]) yield* client.send(Speak.make({ text }))
    yield* client.take(4)
    // An eviction waits for whatever keeps the object awake, and fails when that takes too long.
    yield* Effect.promise(() => evictDurableObject(stub))
    assert.strictEqual(yield* World.runIn(stub, Sockets.Sockets.useSync((sockets) => sockets.list().length)), 1)
  }))
