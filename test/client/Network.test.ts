/**
 * The client over TCP, against a server in Node.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Chat } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import type * as Room from "../../src/services/Room.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { suite } from "../contract/client.ts"
import * as Proxy from "./proxy.ts"
import * as RpcStorm from "./rpcStorm.ts"
import { storms } from "./storm.ts"

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

storms(
  (title, effect) => it.live(title, effect, 60_000),
  [1, 2],
  Effect.map(serve(Chat, ChatLive), (port) => ({ port, path: "/room", patience: 30, sleep: Effect.void }))
)

for (const seed of [1, 2]) {
  it.live(
    `each call to an RPC room ends once, and none runs twice, in 1,000 steps, seed ${seed} (CC-14)`,
    () =>
      Effect.gen(function*() {
        const works = RpcStorm.make()
        const port = yield* serve(works.room, works.live)
        const result = yield* RpcStorm.run({ ...works, port }, seed, 1_000)
        // It was a storm.
        assert.isAbove(result.connections, 5)
        assert.isAbove(result.answered, 100)
        assert.isAbove(result.interrupted, 10)
        assert.isAbove(result.cut, 10)
        assert.isAbove(result.heard, 100)
      }),
    30_000
  )
}
