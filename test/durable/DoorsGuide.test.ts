import { assert, it } from "@effect/vitest"
import { env } from "cloudflare:workers"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { SignJWT } from "jose"
import * as Doors from "../../src/doors/Doors.ts"
import * as JwtAuthenticator from "../../src/doors/JwtAuthenticator.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DurableRates from "../../src/durable/DurableRates.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import { Lobby as Club } from "../contract/Lobby.ts"

const secret = "a secret of at least thirty-two bytes"

const issue = (user: string, rooms: ReadonlyArray<string>) =>
  new SignJWT({ rooms, labels: ["member"] })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(user)
    .setAudience("rooms")
    .setIssuedAt()
    .setExpirationTime("5 minutes")
    .sign(new TextEncoder().encode(secret))

const AuthenticatorLive = Layer.unwrap(
  Effect.map(Config.Redacted("TOKEN_SECRET"), (secret) => JwtAuthenticator.layer({ secret, audience: "rooms" }))
)

const RatesLive = DurableRates.layer({ connects: "CONNECTS" })

const DoorsLive = Doors.layer({ origins: ["same", "https://app.example"] }).pipe(
  Layer.provide([AuthenticatorLive, RatesLive])
)

const Routes = RoomRoutes.layer(Club, { doors: Doors.Doors }).pipe(Layer.provide(DoorsLive))

const RoomRatesLive = DurableRates.layer({ newRooms: "NEW_ROOMS" })

it.effect("the rates of docs/doors.md count the rooms that an address begins (EX-2, RA-4)", () =>
  Effect.gen(function*() {
    const { take } = yield* Rates.Rates
    assert.isUndefined(yield* take("newRooms", "192.0.2.40"))
  }).pipe(Effect.provide(Layer.provide(RoomRatesLive, Bindings.layer(env)))))

it.effect("the door of docs/doors.md opens for whom it says, and for nobody else (EX-2, AU-4, PM-1, OR-1, RA-4)", () =>
  Effect.gen(function*() {
    const { handler } = HttpRouter.toWebHandler(
      Routes.pipe(
        Layer.provide(DurableRooms.layer(Club, "LOBBY")),
        Layer.provide(Bindings.layer(env)),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ TOKEN_SECRET: secret })))
      ),
      { disableLogger: true }
    )
    const ask = (room: string, headers: Record<string, string>) =>
      Effect.promise(() =>
        handler(
          new Request(`https://rooms.example/rooms/${room}`, {
            headers: { upgrade: "websocket", origin: "https://app.example", ...headers }
          })
        )
      )
    const token = yield* Effect.promise(() => issue("ada", ["tea", "team-*"]))
    const bearer = { "sec-websocket-protocol": `bearer, ${token}, plain` }
    for (
      const [room, headers, status] of [
        ["tea", bearer, 101],
        ["team-red", bearer, 101],
        ["coffee", bearer, 403],
        ["tea", {}, 401],
        ["tea", { ...bearer, origin: "https://evil.invalid" }, 403],
        ["tea", { authorization: `Bearer ${token}`, upgrade: "no" }, 426]
      ] as const
    ) {
      const response = yield* ask(room, headers)
      assert.strictEqual(response.status, status)
      response.webSocket?.accept()
      response.webSocket?.close()
    }
    const often = yield* Effect.replicateEffect(ask("tea", { "cf-connecting-ip": "192.0.2.30" }), 4)
    assert.deepStrictEqual(often.map(({ status }) => status), [401, 401, 401, 429])
  }))
