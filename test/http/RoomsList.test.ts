import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as OpenApi from "effect/http-api/OpenApi"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as ApiToken from "../../src/http/ApiToken.ts"
import * as RoomsApi from "../../src/http/RoomsApi.ts"
import * as RoomsApiRoutes from "../../src/http/RoomsApiRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import { type Fate, fated, Hall, HallLive } from "../contract/Hall.ts"
import { Lobby, LobbyLive, Purse } from "../contract/Lobby.ts"

const authorize = ApiToken.authorize(Redacted.make("the token"))

const serve = Effect.fnUntraced(function*() {
  const fate: Fate = { isAway: false, writes: [] }
  const services = yield* Layer.build(Layer.provide(MemoryRooms.layer(Hall, HallLive), fated(fate)))
  const { handler } = HttpRouter.toWebHandler(
    Layer.provide(RoomsApiRoutes.layer(Hall, { authorize }), Layer.succeedContext(services)),
    { disableLogger: true }
  )
  for (const name of ["b", "a.1", "a.2"]) {
    const room = yield* Context.get(services, MemoryRooms.key(Hall)).room(name)
    yield* room.connect()
    yield* TestClock.adjust("1 second")
  }
  const ask = (path: string, init: RequestInit = { headers: { authorization: "Bearer the token" } }) =>
    Effect.promise(async () => {
      const response = await handler(new Request(`https://app.invalid${path}`, init))
      return { status: response.status, headers: response.headers, json: await response.json() as any }
    })
  return { ask, fate, handler }
})

it.effect("the rooms in which somebody is are listed, in pages and below a prefix (AI-11)", () =>
  Effect.gen(function*() {
    const { ask } = yield* serve()
    const all = [
      { name: "a.1", since: 1_000, connections: 1 },
      { name: "a.2", since: 2_000, connections: 1 },
      { name: "b", since: 0, connections: 1 }
    ]
    const { headers, json, status } = yield* ask("/api/rooms")
    assert.strictEqual(status, 200)
    assert.strictEqual(headers.get("cache-control"), "no-store")
    assert.deepStrictEqual(json, all)
    assert.deepStrictEqual((yield* ask("/api/rooms?limit=2")).json, all.slice(0, 2))
    assert.deepStrictEqual((yield* ask("/api/rooms?limit=2&after=a.2")).json, all.slice(2))
    assert.deepStrictEqual((yield* ask("/api/rooms?prefix=a.")).json, all.slice(0, 2))
    assert.deepStrictEqual((yield* ask("/api/rooms?prefix=c")).json, [])
  }))

it.effect("what does not fit is a problem, and nobody is let in without the token (AI-11, AI-4, AI-5)", () =>
  Effect.gen(function*() {
    const { ask, fate } = yield* serve()
    for (const query of ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "prefixes=a", "room=a"]) {
      assert.strictEqual((yield* ask(`/api/rooms?${query}`)).status, 400, query)
    }
    assert.strictEqual((yield* ask("/api/rooms", {})).status, 401)
    const posted = yield* ask("/api/rooms", { method: "POST" })
    assert.strictEqual(posted.status, 405)
    assert.strictEqual(posted.headers.get("allow"), "GET, HEAD")
    fate.isAway = true
    const away = yield* ask("/api/rooms")
    assert.strictEqual(away.status, 503)
    assert.strictEqual(away.headers.get("retry-after"), "1")
    assert.notInclude(JSON.stringify(away.json), "away")
  }))

it.effect("rooms without a directory have no such endpoint, and the document says so (AI-11, AI-8)", () =>
  Effect.gen(function*() {
    const paths = (document: OpenApi.OpenAPISpec) => Object.keys(document.paths)
    assert.include(paths(OpenApi.fromApi(RoomsApi.make(Hall))), "/api/rooms")
    assert.notInclude(paths(OpenApi.fromApi(RoomsApi.make(Lobby))), "/api/rooms")
    const lobbies = MemoryRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.layer))
    const handle = yield* Effect.provide(RoomsApiRoutes.make(Lobby, { authorize: () => Effect.void }), lobbies)
    assert.strictEqual((yield* handle(new Request("https://app.invalid/api/rooms"))).status, 404)
  }))

it.effect("a client of the definition lists them (AI-11, AI-7)", () =>
  Effect.gen(function*() {
    const { handler } = yield* serve()
    const HttpClientLive = FetchHttpClient.layer.pipe(
      Layer.provide(Layer.succeed(FetchHttpClient.Fetch, (input, init) => handler(new Request(input, init))))
    )
    const { rooms } = yield* HttpApiClient.make(RoomsApi.make(Hall), { baseUrl: "https://app.invalid" }).pipe(
      Effect.provide(Layer.merge(HttpClientLive, RoomsApi.layerClient(Redacted.make("the token"))))
    )
    const [room] = yield* rooms.list({ query: { limit: 1 } })
    assert.deepStrictEqual(room, { name: "a.1", since: 1_000, connections: 1 })
  }))
