import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Socket from "effect/socket/Socket"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { CounterRpcs } from "../../examples/rpc/src/Counter.ts"
import { read } from "../rpc/suite.ts"
import { serve } from "./served.ts"

const { evict, root, socketUrl } = serve("rpc")

const end = (webSockets: "hibernate" | "close") => evict("CounterRoom", "main", webSockets)

it.live("the counter is counted and watched through forced hibernations (RP-11)", () =>
  Effect.gen(function*() {
    const counter = yield* RpcClient.make(CounterRpcs)
    const watch = yield* read(counter.Watch())
    const before = yield* watch.take
    for (let times = 1; times <= 5; times++) {
      yield* Effect.promise(() => end("hibernate"))
      assert.strictEqual(yield* counter.Add({ by: 2 }), before + 2 * times)
      assert.strictEqual(yield* watch.take, before + 2 * times)
    }
  }).pipe(
    Effect.provide(
      RpcClient.layerProtocolSocket().pipe(
        Layer.provide(RpcSerialization.layerJson),
        Layer.provide(Socket.layerWebSocket(Effect.sync(() => socketUrl().href))),
        Layer.provide(Socket.layerWebSocketConstructorGlobal)
      )
    )
  ))

it("the example's client counts on, hibernation or not, and comes back where its connection broke off (RP-11)", async () => {
  const client = spawn(process.execPath, [`${root}src/client.ts`], {
    env: { ...process.env, COUNTER: socketUrl().href },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]()
  const next = async () => String((await lines.next()).value)
  const total = async () => Number(/^total: (\d+)$/.exec(await next())?.[1])
  try {
    const first = await total()
    assert.strictEqual(await total(), first + 1)
    for (let times = 2; times <= 4; times++) {
      await end("hibernate")
      assert.strictEqual(await total(), first + times)
    }
    await end("close")
    assert.match(await next(), /^lost: Socket/)
    assert.isAtLeast(await total(), first + 4)
  } finally {
    client.kill()
    await once(client, "exit")
  }
})
