/**
 * The stock client of `effect/rpc` behind a network that does what networks do, and a model of what ran and what was told.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as RpcRoomClient from "../../src/client/RpcRoomClient.ts"
import type * as Status from "../../src/client/Status.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"
import * as Proxy from "./proxy.ts"
import { randomOf } from "./storm.ts"

const Calls = RpcGroup.make(
  Rpc.make("Push", { payload: { n: Schema.Int }, success: Schema.Int }),
  Rpc.make("Slow", { payload: { n: Schema.Int }, success: Schema.Int }),
  Rpc.make("Watch", { success: Schema.Int, stream: true })
)

const Works = RpcRoom.make("works", Calls)

/** A room, and what its handlers have begun and pushed, in order. */
export const make = () => {
  const began: Array<number> = []
  const pushed: Array<number> = []
  const live = Works.toLayer(Effect.gen(function*() {
    const room = yield* Works
    return {
      Push: ({ n }) => {
        began.push(n)
        pushed.push(n)
        return Effect.as(Effect.orDie(room.push("Watch", n)), n)
      },
      Slow: ({ n }) => {
        began.push(n)
        return Effect.delay(Effect.succeed(n), 15)
      },
      Watch: (_, request) => room.pushed(request)
    }
  }))
  return { began, pushed, room: Works.room, live: live satisfies Layer.Layer<never, unknown, any> }
}

/** Runs a storm against such a room. */
export const run = Effect.fnUntraced(function*(
  { began, port, pushed }: { readonly port: number } & Pick<ReturnType<typeof make>, "began" | "pushed">,
  seed: number,
  steps: number
) {
  const random = randomOf(seed)
  const below = (most: number) => Math.floor(random() * most)
  const proxy = yield* Proxy.make(port)
  const statuses: Array<Status.Status> = []
  const protocol = yield* RpcRoomClient.make({
    url: `ws://127.0.0.1:${proxy.port}/room`,
    reconnect: Schedule.spaced(3),
    pingEvery: 30,
    answerWithin: 25,
    onStatus: (status) => statuses.push(status)
  })
  const client = Effect.provideService(RpcClient.make(Calls), RpcClient.Protocol, protocol)
  const clients = [yield* client, yield* client] as const

  let last = 0
  const outcomes = new Map<number, Exit.Exit<number, RpcClientError>>()
  const call = (name: "Push" | "Slow") => {
    const n = ++last
    return Effect.forkScoped(
      Effect.onExit(clients[below(2)]![name]({ n }), (exit) =>
        Effect.sync(() => {
          assert.isFalse(outcomes.has(n), "a call ends once")
          outcomes.set(n, exit)
        })),
      { startImmediately: true }
    )
  }
  const streams: Array<{ readonly heard: Array<number>; exit?: Exit.Exit<void, RpcClientError> }> = []
  // Some read nothing before the storm is over.
  const over = yield* Latch.make()
  const watch = (isSlow: boolean) => {
    const stream: (typeof streams)[number] = { heard: [] }
    streams.push(stream)
    const reading = Stream.runForEach(clients[below(2)]!.Watch(), (n) => {
      stream.heard.push(n)
      return isSlow ? over.await : Effect.void
    })
    return Effect.forkScoped(
      Effect.onExit(reading, (exit) =>
        Effect.sync(() => {
          stream.exit = exit
        })),
      { startImmediately: true }
    )
  }

  for (let step = 0; step < steps; step++) {
    const what = below(1_000)
    if (what < 400) yield* call(below(3) === 0 ? "Slow" : "Push")
    else if (what < 450) {
      const fiber = yield* call("Slow")
      yield* Effect.sleep(below(4))
      yield* Fiber.interrupt(fiber)
    } else if (what < 456) proxy.reset()
    else if (what < 462) proxy.cutInside()
    else if (what < 466) proxy.halfOpen()
    else if (what < 480) proxy.delay(below(8))
    else if (what < 520) yield* watch(below(4) === 0)
    else if (what < 600) yield* Effect.sleep(below(10))
    else yield* Effect.sleep(1)
  }

  proxy.delay(0)
  // Who is silent is found out, and what waits has left.
  yield* Effect.sleep(150)
  proxy.reset()
  yield* Effect.andThen(over.open, Effect.sleep(50))
  const isOver = () => outcomes.size === last && streams.every(({ exit }) => exit !== undefined)
  for (let turn = 0; !isOver() && turn < 500; turn++) yield* Effect.sleep(10)
  assert.strictEqual(outcomes.size, last, "each call has ended")
  assert.isTrue(streams.every(({ exit }) => exit !== undefined), "each stream has ended")
  assert.strictEqual(yield* clients[0].Push({ n: ++last }), last)

  assert.strictEqual(new Set(began).size, began.length, "nothing runs twice")
  const tally = { answered: 0, interrupted: 0, cut: 0 }
  for (const [n, exit] of outcomes) {
    if (Exit.isSuccess(exit)) {
      tally.answered++
      assert.strictEqual(exit.value, n)
      assert.include(began, n)
    } else if (Cause.hasInterruptsOnly(exit.cause)) tally.interrupted++
    else {
      tally.cut++
      assert.instanceOf(Cause.squash(exit.cause), RpcClientError)
    }
  }
  for (const { exit, heard } of streams) {
    const begin = pushed.indexOf(heard[0] ?? 0)
    if (heard.length > 0) {
      assert.deepStrictEqual(heard, pushed.slice(begin, begin + heard.length), "all that was pushed, in order")
    }
    assert.instanceOf(Exit.isFailure(exit!) ? Cause.squash(exit.cause) : undefined, RpcClientError)
  }
  return {
    ...tally,
    heard: streams.reduce((sum, { heard }) => sum + heard.length, 0),
    connections: statuses.filter(({ _tag }) => _tag === "Connected").length
  }
})
