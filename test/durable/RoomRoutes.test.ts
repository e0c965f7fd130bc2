import { assert, it } from "@effect/vitest"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import { Lobby } from "../contract/Lobby.ts"
import * as World from "./world.ts"

const Routes = RoomRoutes.layer(Lobby)
const RoomsLive = DurableRooms.layer(Lobby, "LOBBY")

it.effect("the 101 of an object passes through, also where a middleware adds a header (HT-1, HT-3)", () =>
  Effect.gen(function*() {
    const Signed = HttpRouter.middleware(
      (handler) => Effect.map(handler, HttpServerResponse.setHeader("x-signed", "yes")),
      { global: true }
    )
    for (const routes of [Routes, Layer.merge(Routes, Signed)]) {
      const { handler } = HttpRouter.toWebHandler(
        routes.pipe(Layer.provide(RoomsLive), Layer.provide(Bindings.layer(env))),
        { disableLogger: true }
      )
      const response = yield* Effect.promise(() =>
        handler(new Request("https://app.invalid/rooms/routes", { headers: { upgrade: "websocket" } }))
      )
      assert.strictEqual(response.status, 101)
      assert.strictEqual(response.headers.get("x-signed"), routes === Routes ? null : "yes")
      assert.isTrue(yield* World.isAlive(response))
    }
  }))
