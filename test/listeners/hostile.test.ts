import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import { contract, type World } from "../contract/hostile.ts"
import { Storm, StormLive } from "../contract/Storm.ts"
import * as Node from "./world.ts"

let rooms = 0

const world = Effect.gen(function*() {
  const name = `node-${rooms++}`
  const server = http.createServer()
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => {
      server.close()
      return once(server, "close")
    })
  )
  const storms = yield* NodeRooms.make(Storm, StormLive)
  server.on("upgrade", (request, socket, head) => storms.upgrade(name, request, socket, head))
  server.listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(server, "listening"))
  // SAFETY: it listens on TCP.
  const { port } = server.address() as AddressInfo
  const remote = storms.rooms.get(name)
  const made: World = {
    name,
    connect: (query, headers = {}) => {
      const { "sec-websocket-protocol": protocol, ...others } = headers
      return Node.connect({ port } as Node.Server, name, query, {
        headers: others,
        ...(protocol !== undefined && { protocols: [protocol] })
      })
    },
    run: (effect) => storms.run(name, effect),
    // As a room answers it, and not as its caller is told.
    call: (method, payload) =>
      // SAFETY: these are the methods of a storm.
      Effect.match((remote as any)[method](payload ?? undefined) as Effect.Effect<unknown, any>, {
        onFailure: ({ reason }) => ({ _tag: "Refused", reason: { ...reason } }),
        onSuccess: (value) => ({ _tag: "Success", value })
      }),
    evict: Effect.die(new Error("Nothing sleeps here"))
  }
  return made
})

contract({ name: "a storm over listeners, behind ws", sleeps: false, world })
