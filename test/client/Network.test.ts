/**
 * The client behind a network that does what networks do, against a server in Node, and a model of what was said, heard
 * and told.
 */
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Chat } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import { RoomClientError } from "../../src/client/RoomClientError.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as Room from "../../src/services/Room.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { collect, suite } from "../contract/client.ts"
import * as Proxy from "./proxy.ts"

/** Serves rooms in Node on a free port. */
const serve = Effect.fnUntraced(function*<R extends Room.Any, E>(
  room: R,
  live: Layer.Layer<never, E, RoomRuntime.Services<R>>
): Effect.fn.Return<number, never, Scope.Scope> {
  const server = http.createServer()
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => {
      server.close()
      return once(server, "close")
    })
  )
  const rooms = yield* NodeRooms.make(room, live)
  server.on("upgrade", (request, socket, head) => {
    rooms.upgrade(new URL(request.url ?? "", "http://localhost").pathname.slice(1), request, socket, head)
  })
  server.listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(server, "listening"))
  // SAFETY: it listens on TCP.
  return (server.address() as AddressInfo).port
})

suite((title, effect) => it.live(title, effect, 30_000), {
  pass: Effect.sleep(10),
  room: Effect.gen(function*() {
    const proxy = yield* Proxy.make(yield* serve(Chat, ChatLive))
    return {
      url: `http://127.0.0.1:${proxy.port}/room`,
      sleep: Effect.void,
      isAsleep: Effect.succeed(true),
      crash: Effect.sync(proxy.reset)
    }
  })
})

const Note = Schema.Struct({ n: Schema.Int })

const Wall = Room.make("wall", { receive: Note, send: Note })

const WallLive = Wall.toLayer({
  message: Effect.fnUntraced(function*(_, { n }) {
    const room = yield* Wall
    yield* room.broadcast({ n })
  })
})

// The same steps for the same seed.
const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let it = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  it = (it + Math.imul(it ^ (it >>> 7), 61 | it)) ^ it
  return ((it ^ (it >>> 14)) >>> 0) / 4_294_967_296
}

const reasonOf = (cause: Cause.Cause<RoomClientError>) => {
  const error = Cause.squash(cause)
  return error instanceof RoomClientError ? error.reason._tag : undefined
}

const storm = Effect.fnUntraced(function*(seed: number, steps: number) {
  const random = randomOf(seed)
  const below = (most: number) => Math.floor(random() * most)
  const port = yield* serve(Wall, WallLive)
  const proxy = yield* Proxy.make(port)
  const witness = yield* RoomClient.make(Wall, { url: `ws://127.0.0.1:${port}/room` })
  const heard = (yield* collect(witness.messages)).all
  const client = yield* RoomClient.make(Wall, {
    url: `ws://127.0.0.1:${proxy.port}/room`,
    reconnect: Schedule.spaced(3),
    pingEvery: 30,
    answerWithin: 25,
    queue: { messages: 20 }
  })
  const echoes = (yield* collect(client.messages)).all
  const troubles = (yield* collect(client.troubles)).all
  const statuses = (yield* collect(client.statuses)).all

  const left = new Set<number>()
  const handled = new Set<number>()
  const refused = new Set<number>()
  const doubtful = new Set<number>()
  let said = 0
  const say = (isConfirmed: boolean) => {
    const n = ++said
    const sending = isConfirmed ? client.send({ n }, { id: `${n}` }) : client.send({ n })
    return Effect.forkChild(
      Effect.onExit(sending, (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) (isConfirmed ? handled : left).add(n)
          else if (reasonOf(exit.cause) === "QueueFull") refused.add(n)
          else if (reasonOf(exit.cause) === "Unknown") doubtful.add(n)
        })),
      { startImmediately: true }
    )
  }

  for (let step = 0; step < steps; step++) {
    const what = below(1_000)
    if (what < 500) yield* say(what < 100)
    else if (what < 506) proxy.reset()
    else if (what < 512) proxy.cutInside()
    else if (what < 516) proxy.halfOpen()
    else if (what < 530) proxy.delay(below(8))
    else if (what < 534) {
      proxy.refuse(true)
      proxy.reset()
      for (let burst = below(30); burst > 0; burst--) {
        yield* say(below(2) === 0)
        yield* Effect.sleep(1)
      }
      proxy.refuse(false)
    } else if (what < 700) yield* Effect.sleep(below(10))
    else yield* Effect.sleep(1)
  }

  proxy.delay(0)
  // Who is silent is found out, and what waits has left.
  yield* Effect.sleep(200)
  const outcomes = () => left.size + handled.size + refused.size + doubtful.size
  for (let turn = 0; outcomes() < said && turn < 500; turn++) yield* Effect.sleep(10)
  assert.strictEqual(outcomes(), said, "each that was said has one outcome")
  yield* client.send({ n: ++said }, { id: "last" })
  yield* Effect.sleep(50)

  for (const trouble of troubles) {
    assert.strictEqual(trouble._tag, "Unknown")
    if (trouble._tag === "Unknown") {
      assert.isTrue(left.has(trouble.message.n), "what is told as unknown had left, and is told once")
      left.delete(trouble.message.n)
      doubtful.add(trouble.message.n)
    }
  }
  const order = heard.map(({ n }) => n)
  const all = new Set(order)
  assert.strictEqual(all.size, order.length, "nothing is heard twice")
  assert.deepStrictEqual([...left, ...handled].filter((n) => !all.has(n)), [], "what was not heard was told")
  assert.deepStrictEqual([...refused].filter((n) => all.has(n)), [], "what failed at once was not heard")
  // What is in doubt may have been under way for longer than its connection.
  const certain = order.filter((n) => !doubtful.has(n))
  assert.deepStrictEqual(certain, certain.toSorted((a, b) => a - b), "in order")
  const echoed = echoes.map(({ n }) => n)
  assert.strictEqual(new Set(echoed).size, echoed.length, "no echo comes twice")
  return {
    said,
    heard: order.length,
    doubtful: doubtful.size,
    refused: refused.size,
    connections: statuses.filter(({ _tag }) => _tag === "Connected").length
  }
})

for (const seed of [1, 2]) {
  it.live(
    `what was said, heard and told agrees after 2,000 steps, seed ${seed} (CC-6, CC-12)`,
    () =>
      Effect.gen(function*() {
        const result = yield* storm(seed, 2_000)
        // It was a storm.
        assert.isAbove(result.connections, 20)
        assert.isAbove(result.doubtful, 10)
        assert.isAbove(result.heard, result.doubtful)
        assert.isAbove(result.refused, 0)
      }),
    60_000
  )
}
