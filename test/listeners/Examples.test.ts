import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import WebSocket from "ws"
import { Chat, ChatLive } from "../../src/Chat.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"

it.effect("NodeRooms's example lets people into its room (EX-2)", () =>
  Effect.gen(function*() {
    const server = http.createServer()
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    const rooms = yield* NodeRooms.make(Chat, ChatLive)
    server.on("upgrade", (request, socket, head) => rooms.upgrade("lobby", request, socket, head))
    server.listen(0, "127.0.0.1")
    yield* Effect.promise(() => once(server, "listening"))
    // SAFETY: it listens on TCP.
    const { port } = server.address() as AddressInfo
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?name=Ada`)
    const [welcome] = yield* Effect.promise(() => once(socket, "message"))
    assert.deepInclude(JSON.parse(String(welcome)), { _tag: "Welcome", name: "Ada", connections: 1 })
  }))
