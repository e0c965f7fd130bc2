/**
 * The client behind a network that does what networks do, and a model of what was said, heard and told.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Chat, Say } from "../../src/Chat.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import { RoomClientError } from "../../src/client/RoomClientError.ts"
import * as Transport from "../../src/client/Transport.ts"
import { collect } from "../contract/client.ts"
import * as Proxy from "./proxy.ts"

/** A room of the chat that nobody else enters. */
export interface Place {
  readonly port: number
  readonly path: string
  /** How long the client waits for the server, in milliseconds. */
  readonly patience: number
  /** The room sleeps, where rooms sleep. */
  readonly sleep: Effect.Effect<void>
}

/** The same steps for the same seed. */
export const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let it = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  it = (it + Math.imul(it ^ (it >>> 7), 61 | it)) ^ it
  return ((it ^ (it >>> 14)) >>> 0) / 4_294_967_296
}

const reasonOf = (cause: Cause.Cause<RoomClientError>) => {
  const error = Cause.squash(cause)
  return error instanceof RoomClientError ? error.reason._tag : undefined
}

const said = ({ messages }: RoomClient.Service<typeof Chat>) =>
  Stream.map(Stream.filter(messages, (message) => message._tag === "Said"), ({ text }) => Number(text))

// Watches what leaves, and what comes back: the numbers of what had left before a ping that was answered are proven.
const watched = (open: Transport.Transport, proven: Set<number>): Transport.Transport => (url, protocols) => {
  const socket = open(url, protocols)
  const sent: Array<number> = []
  const pings: Array<number> = []
  const { close, send } = socket
  let isHeard = true
  socket.addEventListener("message", ({ data }) => {
    if (data === "pong" && isHeard) sent.splice(0, pings.shift()).forEach((n) => proven.add(n))
  })
  return Object.assign(socket, {
    send: (data: string) => {
      if (data === "ping") pings.push(sent.length - pings.reduce((sum, before) => sum + before, 0))
      else for (const [, n] of data.matchAll(/"text":"(\d+)"/g)) sent.push(Number(n))
      send.call(socket, data)
    },
    // Who has given it up hears nothing more.
    close: (...how: Parameters<typeof close>) => {
      isHeard = false
      close.apply(socket, how)
    }
  })
}

const storm = Effect.fnUntraced(function*(place: Place, seed: number, steps: number) {
  const random = randomOf(seed)
  const below = (most: number) => Math.floor(random() * most)
  const proxy = yield* Proxy.make(place.port)
  const witness = yield* RoomClient.make(Chat, { url: `ws://127.0.0.1:${place.port}${place.path}` })
  const heard = (yield* collect(said(witness))).all
  const proven = new Set<number>()
  const transport = watched(yield* Transport.Transport, proven)
  const client = yield* RoomClient.make(Chat, {
    url: `ws://127.0.0.1:${proxy.port}${place.path}`,
    reconnect: Schedule.spaced(3),
    pingEvery: place.patience,
    answerWithin: place.patience,
    queue: { messages: 20 }
  }).pipe(Effect.provideService(Transport.Transport, transport))
  const echoes = (yield* collect(said(client))).all
  const troubles = (yield* collect(client.troubles)).all
  const statuses = (yield* collect(client.statuses)).all

  const left = new Set<number>()
  const handled = new Set<number>()
  const refused = new Set<number>()
  const doubtful = new Set<number>()
  let last = 0
  const say = (isConfirmed: boolean) => {
    const n = ++last
    const message = new Say({ text: `${n}` })
    const sending = isConfirmed ? client.send(message, { id: `${n}` }) : client.send(message)
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
    } else if (what < 538) yield* place.sleep
    else if (what < 700) yield* Effect.sleep(below(10))
    else yield* Effect.sleep(1)
  }

  proxy.delay(0)
  // Who is silent is found out, and what waits has left.
  yield* Effect.sleep(4 * place.patience)
  const outcomes = () => left.size + handled.size + refused.size + doubtful.size
  for (let turn = 0; outcomes() < last && turn < 500; turn++) yield* Effect.sleep(10)
  assert.strictEqual(outcomes(), last, "each that was said has one outcome")
  yield* client.send(new Say({ text: `${++last}` }), { id: "last" })
  yield* Effect.sleep(50)

  for (const trouble of troubles) {
    assert.strictEqual(trouble._tag, "Unknown")
    for (const { text } of trouble._tag === "Unknown" ? trouble.messages : []) {
      assert.isTrue(left.delete(Number(text)), "what is told as unknown had left, and is told once")
      assert.isFalse(proven.has(Number(text)), "what a pong has proven is not told as unknown")
      doubtful.add(Number(text))
    }
  }
  const all = new Set(heard)
  assert.strictEqual(all.size, heard.length, "nothing is heard twice")
  assert.deepStrictEqual([...left, ...handled].filter((n) => !all.has(n)), [], "what was not heard was told")
  assert.deepStrictEqual([...proven].filter((n) => !all.has(n)), [], "what a pong has proven was heard")
  assert.deepStrictEqual([...refused].filter((n) => all.has(n)), [], "what failed at once was not heard")
  // What is in doubt may have been under way for longer than its connection.
  const certain = heard.filter((n) => !doubtful.has(n))
  assert.deepStrictEqual(certain, certain.toSorted((a, b) => a - b), "in order")
  assert.strictEqual(new Set(echoes).size, echoes.length, "no echo comes twice")
  return {
    heard: heard.length,
    doubtful: doubtful.size,
    refused: refused.size,
    proven: proven.size,
    connections: statuses.filter(({ _tag }) => _tag === "Connected").length
  }
})

/** Runs storms against a server. */
export const storms = (
  test: (title: string, effect: () => Effect.Effect<void, unknown, Scope.Scope>) => void,
  seeds: ReadonlyArray<number>,
  place: Effect.Effect<Place, never, Scope.Scope>
) => {
  for (const seed of seeds) {
    test(`what was said, heard and told agrees after 2,000 steps, seed ${seed} (CC-6, CC-12)`, () =>
      Effect.gen(function*() {
        const result = yield* storm(yield* place, seed, 2_000)
        // It was a storm.
        assert.isAbove(result.connections, 10)
        assert.isAbove(result.doubtful, 10)
        assert.isAbove(result.refused, 0)
        assert.isAbove(result.proven, 10)
      }))
  }
}
