/**
 * The server of a chaos run in plain Node, as a process of its own: `node chaos/node.ts DIRECTORY`. It prints its port.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import * as NodeRooms from "../src/listeners/NodeRooms.ts"
import { Annals, AnnalsLive, bounds } from "./Annals.ts"
import * as Token from "./Token.ts"

const serve = Effect.fnUntraced(function*(directory: string) {
  const rooms = yield* NodeRooms.make(Annals, AnnalsLive, { directory, ...bounds })
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  const server = http.createServer(async (request, response) => {
    const method = request.url?.split("/")[2] ?? ""
    response.end(await runPromise(rooms.open("annals").call(method, await text(request))))
  })
  server.on(
    "upgrade",
    (request, socket, head) =>
      rooms.upgrade("annals", request, socket, head, Token.claimsOf(`http://localhost${request.url}`))
  )
  server.listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(server, "listening"))
  // SAFETY: it listens on TCP.
  console.log((server.address() as AddressInfo).port)
  return yield* Effect.never
}, Effect.scoped)

Effect.runFork(serve(process.argv[2]!).pipe(Effect.provide(Logger.layer([]))))
