import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import WebSocket from "ws"
import { Chat } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as NodeServer from "../../src/listeners/NodeServer.ts"

const RoomsLive = NodeRooms.layer(Chat, ChatLive)

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

it.effect("the examples of NodeServer and of NodeRooms's layer let people into a room of an app (EX-2)", () =>
  Effect.gen(function*() {
    const { dispose, handler } = HttpRouter.toWebHandler(RoomRoutes.layer(Chat).pipe(Layer.provide(RoomsLive)))
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    const server = http.createServer({ shouldUpgradeCallback: NodeServer.isWebSocket })
    yield* NodeServer.attach(server, handler)
    server.listen(0, "127.0.0.1")
    yield* Effect.promise(() => once(server, "listening"))
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    // SAFETY: it listens on TCP.
    const { port } = server.address() as AddressInfo
    const socket = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby?name=Ada`)
    const [welcome] = yield* Effect.promise(() => once(socket, "message"))
    assert.deepInclude(JSON.parse(String(welcome)), { _tag: "Welcome", name: "Ada", connections: 1 })
    socket.terminate()
  }))
