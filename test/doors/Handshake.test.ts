import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as jose from "jose"
import { once } from "node:events"
import WebSocket from "ws"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as Doors from "../../src/doors/Doors.ts"
import * as JwtAuthenticator from "../../src/doors/JwtAuthenticator.ts"
import * as Principal from "../../src/doors/Principal.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as Room from "../../src/services/Room.ts"
import { pass, settle } from "../client/world.ts"
import { collect } from "../contract/client.ts"
import * as App from "../listeners/app.ts"

// Rooms behind doors, over TCP. A room tells who came, and all that it was asked.
const Hall = Room.make("hall", { receive: Schema.String, send: Schema.String })

const HallLive = Hall.toLayer(Effect.gen(function*() {
  const room = yield* Hall
  let asked: ReadonlyArray<string | null> = []
  return {
    connect: ({ claims, headers, url }) => {
      asked = [url, headers.get("authorization"), headers.get("sec-websocket-protocol")]
      return Effect.succeed({ user: Principal.fromClaims(claims).user })
    },
    open: ({ id, user }) => room.send(id, `${user} ${JSON.stringify(asked)}`)
  }
}))

const secret = Redacted.make("a secret of at least thirty-two bytes")

const sign = (claims: jose.JWTPayload) =>
  Effect.promise(() =>
    new jose.SignJWT(claims).setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(Redacted.value(secret)))
  )

const DoorsLive = Doors.layer().pipe(
  Layer.provide([JwtAuthenticator.layer({ secret, unexpiring: true }), Rates.layerMemory({ connects: 20 })])
)

const serve = Effect.gen(function*() {
  const halls = yield* Layer.build(NodeRooms.layer(Hall, HallLive))
  return yield* App.serveRoutes(
    RoomRoutes.layer(Hall, { doors: Doors.Doors }).pipe(
      Layer.provide(DoorsLive),
      Layer.provide(Layer.succeedContext(halls))
    )
  )
})

it.effect("a typed client enters a room in memory through the doors, which ask anew each time (AU-2, AU-3, CC-3)", () =>
  Effect.gen(function*() {
    const doors = yield* Effect.service(Doors.Doors).pipe(Effect.provide(DoorsLive))
    const room = yield* MemoryRoom.make(Hall, HallLive, { name: "tea", doors })
    const token = yield* sign({ sub: "ada" })
    let given = "expired"
    const client = yield* RoomClient.make(Hall, {
      url: "ws://memory/rooms/tea?color=red",
      token: Effect.sync(() => given)
    }).pipe(Effect.provideService(Transport.Transport, room.network.transport))
    const { all } = yield* collect(client.messages)
    yield* settle
    assert.strictEqual((yield* client.status)._tag, "Waiting")
    given = token
    yield* pass(500)
    assert.strictEqual((yield* client.status)._tag, "Connected")
    assert.deepStrictEqual(all, [`ada ["http://memory/rooms/tea?color=red",null,"ndjson, plain"]`])
  }))

it.live("a token comes in by each of its ways over TCP, and the room does not see it (AU-2, AU-3)", () =>
  Effect.gen(function*() {
    const app = yield* serve
    const token = yield* sign({ sub: "ada" })
    const ways: ReadonlyArray<
      readonly [
        path: string,
        options: { readonly protocols?: Array<string>; readonly headers?: Record<string, string> },
        subprotocol: string | undefined,
        left: string | null
      ]
    > = [
      ["/rooms/tea", { protocols: ["bearer", token, "plain"] }, "plain", "plain"],
      ["/rooms/tea", { protocols: ["ndjson", "bearer", token, "plain"] }, "ndjson", "ndjson, plain"],
      ["/rooms/tea", { headers: { authorization: `Bearer ${token}` } }, undefined, null],
      [`/rooms/tea?token=${token}`, {}, undefined, null]
    ]
    for (const [path, options, subprotocol, left] of ways) {
      const { headers, received, socket, status } = yield* App.enter(app, path, options)
      assert.strictEqual(status, 101)
      assert.strictEqual(headers["sec-websocket-protocol"], subprotocol)
      assert.notInclude(JSON.stringify(headers), token)
      if (received.length === 0) yield* Effect.promise(() => once(socket, "message"))
      const url = `http://127.0.0.1:${app.port}/rooms/tea`
      assert.deepStrictEqual(received, [JSON.stringify(`ada ${JSON.stringify([url, null, left])}`)])
    }
  }).pipe(Effect.scoped))

it.live("who offers the pair alone is answered no subprotocol, and the client ends it (AU-3)", () =>
  Effect.gen(function*() {
    const app = yield* serve
    const token = yield* sign({ sub: "ada" })
    const socket = new WebSocket(`ws://127.0.0.1:${app.port}/rooms/tea`, ["bearer", token])
    const [error] = yield* Effect.promise(() => once(socket, "error"))
    assert.strictEqual(String(error), "Error: Server sent no subprotocol")
  }).pipe(Effect.scoped))

it.live("who is refused gets a whole problem before the upgrade, without the token (AU-8, OR-1, RA-1)", () =>
  Effect.gen(function*() {
    const app = yield* serve
    const forged = (yield* sign({ sub: "ada" })).slice(0, -6) + "AAAAAA"
    const address = { "cf-connecting-ip": "192.0.2.1" }
    const origin = `http://127.0.0.1:${app.port}`
    for (
      const [status, headers] of [
        [401, {}],
        [401, { authorization: `Bearer ${forged}` }],
        [401, { authorization: `Bearer ${yield* sign({ sub: 7 as never })}` }],
        [403, { authorization: `Bearer ${yield* sign({ sub: "ada" })}`, origin: "https://evil.invalid" }],
        [403, { authorization: `Bearer ${yield* sign({ sub: "ada", rooms: ["coffee"] })}`, origin }],
        [101, { authorization: `Bearer ${yield* sign({ sub: "ada", rooms: ["tea"] })}`, origin }]
      ] as const
    ) {
      const entered = yield* App.enter(app, "/rooms/tea", { headers: { ...address, ...headers } })
      assert.strictEqual(entered.status, status)
      if (status === 101) continue
      assert.strictEqual(entered.headers["content-type"], "application/problem+json")
      assert.strictEqual(entered.headers["www-authenticate"] !== undefined, status === 401)
      assert.strictEqual(JSON.parse(entered.body).status, status)
      assert.notInclude(entered.body + JSON.stringify(entered.headers), forged.slice(0, 16))
    }
    const last = yield* Effect.forEach(
      Array.from({ length: 20 }),
      () => App.enter(app, "/rooms/tea", { headers: address })
    )
    assert.strictEqual(last.at(-1)?.status, 429)
    const seconds = Number(last.at(-1)?.headers["retry-after"])
    assert.isAtLeast(seconds, 1)
    assert.isAtMost(seconds, 60)
    assert.deepStrictEqual(app.logged, [])
  }).pipe(Effect.scoped))
