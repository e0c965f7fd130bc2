/**
 * A stock `effect/rpc` client: it watches the counter, and adds to it once a second. Where the connection breaks off, the
 * call fails at once, and it watches again.
 *
 *     npx wrangler dev --config examples/rpc/wrangler.toml
 *     node examples/rpc/src/client.ts
 *
 * `COUNTER` is the counter's address where it is another than `ws://127.0.0.1:8787`.
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { CounterRpcs } from "./Counter.ts"

const protocol = (url: string) =>
  RpcClient.layerProtocolSocket().pipe(
    Layer.provide(RpcSerialization.layerJson),
    Layer.provide(Socket.layerWebSocket(url)),
    Layer.provide(Socket.layerWebSocketConstructorGlobal)
  )

const program = Effect.gen(function*() {
  const counter = yield* RpcClient.make(CounterRpcs)
  const again = Effect.retry({ schedule: Schedule.spaced("1 second") })
  yield* counter.Watch().pipe(
    Stream.runForEach((total) => Console.log(`total: ${total}`)),
    Effect.tapError(({ message }) => Console.log(`lost: ${message}`)),
    again,
    Effect.forkScoped
  )
  yield* counter.Add({ by: 1 }).pipe(again, Effect.repeat(Schedule.spaced("1 second")))
})

const main = Effect.gen(function*() {
  const url = yield* Config.withDefault(Config.String("COUNTER"), "ws://127.0.0.1:8787")
  yield* program.pipe(Effect.scoped, Effect.provide(protocol(url)))
})

await Effect.runPromise(main)
