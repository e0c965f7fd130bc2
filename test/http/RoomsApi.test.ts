import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as OpenApi from "effect/http-api/OpenApi"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { document } from "../../scripts/openapi.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as RoomName from "../../src/domain/RoomName.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as ApiToken from "../../src/http/ApiToken.ts"
import * as RoomsApi from "../../src/http/RoomsApi.ts"
import * as RoomsApiRoutes from "../../src/http/RoomsApiRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as RoomsError from "../../src/services/RoomsError.ts"
import { Lobby, LobbyLive, Purse, since } from "../contract/Lobby.ts"

const authorize = ApiToken.authorize(Redacted.make("the token"))

const Routes = Layer.mergeAll(
  RoomsApiRoutes.layer(Lobby, { authorize: ApiToken.authorize(Redacted.make("the token")) }),
  HttpRouter.add("GET", "/openapi.json", HttpServerResponse.jsonUnsafe(OpenApi.fromApi(RoomsApi.make(Lobby))))
)

const RoutesLive = Layer.unwrap(
  Effect.map(ApiToken.configured, (tokens) => RoomsApiRoutes.layer(Lobby, { authorize: ApiToken.authorize(tokens) }))
)

const tellAll = Effect.fnUntraced(function*(text: string) {
  const { rooms } = yield* HttpApiClient.make(RoomsApi.make(Lobby), { baseUrl: "https://app.invalid" })
  return yield* rooms.publish({ params: { room: RoomName.RoomName.make("lobby") }, payload: { message: { text } } })
}, Effect.provide(RoomsApi.layerClient(Redacted.make("the token"))))

const nobody = "00000000-0000-4000-8000-000000000000"

interface Asked {
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

// The app of the routes, and how a test asks it.
const serve = Effect.fnUntraced(function*<E>(
  routes: Layer.Layer<never, E, HttpRouter.HttpRouter | Rooms.Rooms<"lobby">>,
  others: Layer.Layer<never> | Layer.Layer<Rooms.Rooms<"lobby">> = Layer.empty
) {
  const lobbies = MemoryRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.layer))
  const services = yield* Layer.build(Layer.merge(lobbies, others))
  const logged: Array<string> = []
  const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => void logged.push(line))])
  const { handler } = HttpRouter.toWebHandler(
    Layer.provideMerge(Layer.provide(routes, Layer.succeedContext(services)), logger),
    { disableLogger: true }
  )
  const ask = Effect.fnUntraced(function*(method: string, path: string, { body, headers }: Asked = {}) {
    const response = yield* Effect.promise(() =>
      handler(
        new Request(`https://app.invalid${path}`, {
          method,
          headers: { authorization: "Bearer the token", "content-type": "application/json", ...headers },
          ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) })
        })
      )
    )
    const text = yield* Effect.promise(() => response.text())
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text === "" ? undefined : JSON.parse(text)
    }
  })
  const connect = Effect.fnUntraced(function*(query: string, name = "lobby") {
    const lobby = yield* Context.get(services, MemoryRooms.key(Lobby)).room(name)
    return yield* lobby.connect(`/${query}`)
  })
  return { ask, connect, handler, logged, rooms: Context.get(services, Rooms.key(Lobby)) }
})

type App = Effect.Success<ReturnType<typeof serve>>

/** That an answer is a problem document, with the four members and nothing else. */
const assertProblem = ({ headers, json, status }: Effect.Success<ReturnType<App["ask"]>>, expected: number) => {
  assert.strictEqual(status, expected, json?.detail)
  assert.strictEqual(headers.get("content-type"), "application/problem+json")
  assert.strictEqual(headers.get("cache-control"), "no-store")
  assert.deepStrictEqual(Object.keys(json).toSorted(), ["detail", "status", "title", "type"])
  assert.strictEqual(json.status, expected)
  assert.notStrictEqual(json.title, "Error")
  assert.isAbove(json.detail.length, 0)
}

it.effect("a message is published to everybody, a user or a label, but for whom it leaves out (AI-1)", () =>
  Effect.gen(function*() {
    const { ask, connect, rooms } = yield* serve(Routes)
    const ada = yield* connect("?user=ada")
    const bob = yield* connect("?label=quiet")
    const [one, two] = (yield* rooms.get("lobby").connections()).map(({ id }) => id)
    const publish = (body: unknown) =>
      Effect.map(ask("POST", "/api/rooms/lobby/publications", { body }), ({ json, status }) => [status, json])
    const at = since.toISOString()
    assert.deepStrictEqual(yield* publish({ message: { text: "all", at } }), [200, { delivered: 2, failed: 0 }])
    assert.deepStrictEqual(yield* publish({ message: { text: "ada" }, to: { user: "ada" } }), [
      200,
      { delivered: 1, failed: 0 }
    ])
    yield* publish({ message: { text: "quiet" }, to: { label: "quiet" } })
    yield* publish({ message: { text: "bob" }, except: [one] })
    assert.deepStrictEqual(yield* publish({ message: { text: "nobody" }, except: [one, two] }), [
      200,
      { delivered: 0, failed: 0 }
    ])
    assert.deepStrictEqual(yield* ada.received, [{ text: "all", at: since }, { text: "ada" }])
    assert.deepStrictEqual(yield* bob.received, [{ text: "all", at: since }, { text: "quiet" }, { text: "bob" }])
  }))

it.effect("the connections are listed with their states: all, those of a user or of a label (AI-2)", () =>
  Effect.gen(function*() {
    const { ask, connect } = yield* serve(Routes)
    const list = (query = "") =>
      Effect.map(ask("GET", `/api/rooms/lobby/connections${query}`), ({ json, status }) => {
        assert.strictEqual(status, 200)
        return json
      })
    assert.deepStrictEqual(yield* list(), [])
    yield* connect("?user=ada&label=x")
    yield* connect("?label=x&label=y%26z")
    const [ada, other] = yield* list()
    const state = { since: since.toISOString() }
    assert.deepStrictEqual(ada, { id: ada.id, user: "ada", labels: ["x"], protocol: "plain", state })
    assert.deepStrictEqual(other, { id: other.id, labels: ["x", "y&z"], protocol: "plain", state })
    assert.deepStrictEqual(yield* list("?user=ada"), [ada])
    assert.deepStrictEqual(yield* list("?label=x"), [ada, other])
    assert.deepStrictEqual(yield* list("?label=y%26z"), [other])
    assert.deepStrictEqual(yield* list("?user=x"), [])
    const { headers, status, text } = yield* ask("HEAD", "/api/rooms/lobby/connections")
    assert.deepStrictEqual([status, headers.get("content-type"), text], [200, "application/json", ""])
  }))

it.effect("the connections come in pages (AI-2, CR-4)", () =>
  Effect.gen(function*() {
    const { ask, connect } = yield* serve(Routes)
    for (const user of ["a", "b", "c", "d", "e"]) yield* connect(`?user=${user}${user === "d" ? "" : "&label=x"}`)
    const list = (query: string) =>
      Effect.map(
        ask("GET", `/api/rooms/lobby/connections${query}`),
        ({ json }) => json as ReadonlyArray<{ readonly id: string; readonly user: string }>
      )
    const users = (page: ReadonlyArray<{ readonly user: string }>) => page.map(({ user }) => user).join("")
    const first = yield* list("?limit=2")
    assert.strictEqual(users(first), "ab")
    const second = yield* list(`?limit=2&after=${first[1]!.id}`)
    assert.strictEqual(users(second), "cd")
    assert.strictEqual(users(yield* list(`?after=${second[1]!.id}`)), "e")
    assert.strictEqual(users(yield* list(`?label=x&limit=10&after=${second[0]!.id}`)), "e")
    const refuse = (query: string) => ask("GET", `/api/rooms/lobby/connections?${query}`)
    for (const query of ["limit=0", "limit=-1", "limit=1.5", "limit=10001", "limit=x", "limit=", "after=x", "after="]) {
      assertProblem(yield* refuse(query), 400)
    }
    assertProblem(yield* refuse(`after=${nobody}`), 404)
    assertProblem(yield* refuse(`label=x&after=${second[1]!.id}`), 404)
  }))

it.effect("one connection, those of a user or of a label are closed (AI-3)", () =>
  Effect.gen(function*() {
    const { ask, connect, rooms } = yield* serve(Routes)
    const clients = [yield* connect("?user=ada"), yield* connect("?user=ada"), yield* connect("?label=x&user=bob")]
    const { id } = (yield* rooms.get("lobby").connections())[0]!
    const close = (path: string) =>
      Effect.map(ask("DELETE", `/api/rooms/lobby/connections${path}`), ({ json, status }) => [status, json])
    assert.deepStrictEqual(yield* close(`/${id}?code=4000&reason=good%20bye`), [200, { closed: 1 }])
    assert.deepInclude(yield* clients[0]!.closed, { code: 4000, reason: "good bye" })
    assert.strictEqual((yield* close(`/${id}`))[0], 404)
    assert.deepStrictEqual(yield* close("?user=ada"), [200, { closed: 1 }])
    assert.deepInclude(yield* clients[1]!.closed, { code: 1000, reason: "" })
    assert.deepStrictEqual(yield* close("?user=ada"), [200, { closed: 0 }])
    assert.deepStrictEqual(yield* close("?label=x&code=4001"), [200, { closed: 1 }])
    assert.deepInclude(yield* clients[2]!.closed, { code: 4001 })
  }))

it.effect("a user is closed out, where the room has a guard (AI-14)", () =>
  Effect.gen(function*() {
    const Club = Room.make("club", { receive: Schema.String, send: Schema.String })
    const ClubLive = Layer.provide(Club.toLayer({}), Guard.layer())
    const services = yield* Layer.build(MemoryRooms.layer(Club, ClubLive))
    const { handler } = HttpRouter.toWebHandler(
      Layer.provide(RoomsApiRoutes.layer(Club, { authorize: () => Effect.void }), Layer.succeedContext(services)),
      { disableLogger: true }
    )
    const closeOut = (path: string) =>
      Effect.promise(async () => {
        const response = await handler(
          new Request(`https://x.invalid/api/rooms/tea/users/${path}`, { method: "DELETE" })
        )
        return [response.status, await response.json()]
      })
    const room = yield* Context.get(services, MemoryRooms.key(Club)).room("tea")
    const given = { claims: { user: "ada / é", issuedAt: "0" } }
    const ada = yield* room.connect("/", given)
    assert.deepStrictEqual(yield* closeOut("ada%20%2F%20%C3%A9?code=4009&reason=out"), [200, { closed: 1 }])
    assert.deepInclude(yield* ada.closed, { code: 4009, reason: "out" })
    assert.strictEqual((yield* Effect.flip(room.connect("/", given))).status, 401)
    assert.deepStrictEqual(yield* closeOut("nobody"), [200, { closed: 0 }])
    assert.strictEqual((yield* closeOut("ada?code=1"))[0], 400)
  }))

it.effect("nobody is closed by a request that does not say whom (AI-3)", () =>
  Effect.gen(function*() {
    const { ask, connect, rooms } = yield* serve(Routes)
    yield* connect("?user=ada&label=x")
    const queries = ["", "?", "?user=", "?label=", "?user=ada&label=x", "?user=ada&user=bob", "?code=1000", "?usr=ada"]
    for (const query of queries) assertProblem(yield* ask("DELETE", `/api/rooms/lobby/connections${query}`), 400)
    assertProblem(yield* ask("DELETE", "/api/rooms/lobby/connections/"), 400)
    assert.strictEqual((yield* rooms.get("lobby").connections()).length, 1)
  }))

it.effect("what is refused is told by a problem, and nothing happens (AI-4, WK-3)", () =>
  Effect.gen(function*() {
    const { ask, connect, rooms } = yield* serve(Routes)
    const ada = yield* connect("?user=ada")
    const { id } = (yield* rooms.get("lobby").connections())[0]!
    const publications = "/api/rooms/lobby/publications"
    const message = { text: "hi" }
    const bodies = [
      "",
      "{",
      "null",
      [],
      {},
      { message: "hi" },
      { message: { text: "x".repeat(65) } },
      { message: { text: "hi", shout: true } },
      { message, too: { user: "ada" } },
      { message, to: {} },
      { message, to: { user: "ada", label: "x" } },
      { message, to: { user: "" } },
      { message, to: "ada" },
      { message, except: id },
      { message, except: ["ada"] }
    ]
    for (const body of bodies) assertProblem(yield* ask("POST", publications, { body }), 400)
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      assertProblem(yield* ask("POST", publications, { body: { message }, headers: { "content-type": type } }), 415)
    }
    assertProblem(yield* ask("POST", `${publications}?user=ada`, { body: { message } }), 400)
    const large = { message, except: Array.from({ length: 30_000 }, () => nobody) }
    assertProblem(yield* ask("POST", publications, { body: large }), 413)
    const one = `/api/rooms/lobby/connections/${id}`
    const queries = ["code=1006", "code=99999", "code=4000.5", "code=x", "code=", `code=4000&reason=${"x".repeat(124)}`]
    for (const query of [...queries, "cod=4000", "code=4000&code=4001"]) {
      assertProblem(yield* ask("DELETE", `${one}?${query}`), 400)
    }
    assertProblem(yield* ask("DELETE", `/api/rooms/lobby/connections/${nobody}`), 404)
    assertProblem(yield* ask("DELETE", "/api/rooms/lobby/connections/ada"), 400)
    assertProblem(yield* ask("GET", "/api/rooms/lobby/connections?user=ada&label=x"), 400)
    for (const name of ["a%20b", "%C3%A9", "a%2Fb", "x".repeat(129), ""]) {
      assertProblem(yield* ask("GET", `/api/rooms/${name}/connections`), 400)
    }
    assert.deepStrictEqual(yield* ada.receivedFrames, [])
    assert.strictEqual(yield* ada.closed, undefined)
  }))

it.effect("another path is 404, another method 405 (AI-4, WK-3)", () =>
  Effect.gen(function*() {
    const { ask } = yield* serve(Routes)
    const paths = ["", "/", "/lobby", "/lobby/publications/more", "/lobby/connections/a/b", "/lobby/Connections"]
    for (const path of paths) assertProblem(yield* ask("GET", `/api/rooms${path}`), 404)
    const refused = [
      ["/publications", "POST", ["GET", "HEAD", "PUT", "DELETE"]],
      ["/connections", "GET, HEAD, DELETE", ["POST", "PUT", "PATCH", "OPTIONS"]],
      [`/connections/${nobody}`, "DELETE", ["GET", "POST"]]
    ] as const
    for (const [path, allow, methods] of refused) {
      for (const method of methods) {
        const answer = yield* ask(method, `/api/rooms/lobby${path}`)
        if (method === "HEAD") assert.strictEqual(answer.status, 405)
        else assertProblem(answer, 405)
        assert.strictEqual(answer.headers.get("allow"), allow)
      }
    }
  }))

it.effect("who has no token, or another, is refused before anything is looked at (AI-5)", () =>
  Effect.gen(function*() {
    const { ask, connect, logged } = yield* serve(Routes)
    const ada = yield* connect("")
    const credentials = [
      "",
      "Bearer",
      "Bearer ",
      "Bearer the",
      "Bearer the toke",
      "Bearer the tokens",
      "Bearer The Token",
      "Bearer another",
      "Basic dGhlIHRva2Vu",
      "the token"
    ]
    for (const authorization of credentials) {
      for (const body of [{ message: { text: "hi" } }, "{"]) {
        const answer = yield* ask("POST", "/api/rooms/lobby/publications", { body, headers: { authorization } })
        assertProblem(answer, 401)
        assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer")
        assert.notInclude(answer.text, "token is")
      }
      assertProblem(yield* ask("GET", "/api/rooms/lobby/connections", { headers: { authorization } }), 401)
    }
    assert.deepStrictEqual(yield* ada.received, [])
    assert.deepStrictEqual(logged, [])
    const lower = { authorization: "bearer the token" }
    assert.strictEqual((yield* ask("GET", "/api/rooms/lobby/connections", { headers: lower })).status, 200)
  }))

it.effect("an empty token counts as none, and lets nobody in (AI-5)", () =>
  Effect.gen(function*() {
    const { ask } = yield* serve(RoomsApiRoutes.layer(Lobby, { authorize: ApiToken.authorize(Redacted.make("")) }))
    for (const authorization of ["", "Bearer", "Bearer "]) {
      assertProblem(yield* ask("GET", "/api/rooms/lobby/connections", { headers: { authorization } }), 401)
    }
  }))

it.effect("the token comes from the configuration (AI-5)", () =>
  Effect.gen(function*() {
    const provider = ConfigProvider.layer(ConfigProvider.fromUnknown({ API_TOKEN: "the token" }))
    const { ask } = yield* serve(Layer.provide(RoutesLive, provider))
    assert.strictEqual((yield* ask("GET", "/api/rooms/lobby/connections")).status, 200)
  }))

it.effect("a room's failure is 503 where another try may help, else 500, and tells nothing of the inside (AI-6)", () =>
  Effect.gen(function*() {
    const cause = new Error("the secret of the lobby")
    const failures = [
      [new RoomsError.Overloaded({ room: "lobby", cause }), 503],
      [new RoomsError.Unreachable({ room: "lobby", cause }), 503],
      [new RoomsError.NotReady({ retryAfter: 1 }), 503],
      [new RoomsError.CallFailed({ method: "the secret of the lobby" }), 500],
      [new RoomsError.InvalidReply({ method: "broadcast", detail: "the secret of the lobby" }), 500]
    ] as const
    for (const [reason, status] of failures) {
      const failed = Effect.fail(new RoomsError.RoomsError({ reason }))
      const broken = Layer.succeed(
        Rooms.key(Lobby),
        Rooms.make(Lobby, () => ({ call: () => failed, fetch: () => failed }))
      )
      const { ask, logged } = yield* serve(Routes, broken)
      const body = { message: { text: "hi" } }
      const answer = yield* ask("POST", "/api/rooms/lobby/publications", { body })
      assertProblem(answer, status)
      assert.strictEqual(answer.headers.get("retry-after"), status === 503 ? "1" : null)
      assert.notInclude(answer.text, "secret")
      assert.strictEqual(logged.length, 1)
      assert.include(logged[0], reason._tag === "NotReady" ? "could not be started" : "the secret of the lobby")
      assert.notInclude(logged[0], "the token")
    }
  }))

it.effect("a client is derived from the definition, and fails with what it declares (AI-7)", () =>
  Effect.gen(function*() {
    const { connect, handler } = yield* serve(Routes)
    const ada = yield* connect("?user=ada")
    const HttpClientLive = FetchHttpClient.layer.pipe(
      Layer.provide(Layer.succeed(FetchHttpClient.Fetch, (input, init) => handler(new Request(input, init))))
    )
    yield* Effect.gen(function*() {
      assert.deepStrictEqual(yield* tellAll("tea is ready"), { delivered: 1, failed: 0 })
      assert.deepStrictEqual(yield* ada.received, [{ text: "tea is ready" }])
      const make = (token: string) =>
        HttpApiClient.make(RoomsApi.make(Lobby), { baseUrl: "https://app.invalid" }).pipe(
          Effect.provide(RoomsApi.layerClient(Redacted.make(token)))
        )
      const { rooms } = yield* make("the token")
      const params = { room: RoomName.RoomName.make("lobby") }
      const [one] = yield* rooms.connections({ params, query: { user: "ada" } })
      assert.deepInclude(one, { user: "ada", state: { since: since.toISOString() } })
      const gone = { ...params, connection: ConnectionId.ConnectionId.make(nobody) }
      const missing = yield* Effect.flip(rooms.disconnect({ params: gone, query: {} }))
      if (missing._tag !== "NotFound") return assert.fail(missing._tag)
      assert.match(missing.detail, /No open connection/)
      const noPage = yield* Effect.flip(rooms.connections({ params, query: { after: gone.connection } }))
      assert.strictEqual(noPage._tag, "NotFound")
      assert.deepStrictEqual(yield* rooms.disconnectAll({ params, query: { user: "ada", code: 4000 } }), { closed: 1 })
      const mallory = yield* make("another")
      const refused = yield* Effect.flip(mallory.rooms.connections({ params, query: {} }))
      assert.strictEqual(refused._tag, "Unauthorized")
    }).pipe(Effect.provide(HttpClientLive))
  }))

it.effect("the document names every path, with what it takes and every status that it may answer (AI-8)", () =>
  Effect.gen(function*() {
    const { ask } = yield* serve(Routes)
    const { json, status } = yield* ask("GET", "/openapi.json", { headers: { authorization: "" } })
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(json, JSON.parse(JSON.stringify(OpenApi.fromApi(RoomsApi.make(Lobby)))))
    const answers = Object.entries<any>(json.paths).flatMap(([path, operations]) =>
      Object.entries<any>(operations).map(([method, { responses, security }]) => {
        assert.deepStrictEqual(security, [{ bearer: [] }])
        for (const [status, { content }] of Object.entries<any>(responses)) {
          const type = status === "200" ? "application/json" : "application/problem+json"
          assert.deepStrictEqual(Object.keys(content), [type])
        }
        return [`${method} ${path}`, Object.keys(responses).toSorted().join(" ")]
      })
    )
    assert.deepStrictEqual(Object.fromEntries(answers), {
      "post /api/rooms/{room}/publications": "200 400 401 403 413 415 500 503",
      "get /api/rooms/{room}/connections": "200 400 401 403 404 500 503",
      "delete /api/rooms/{room}/connections": "200 400 401 403 500 503",
      "delete /api/rooms/{room}/connections/{connection}": "200 400 401 403 404 500 503",
      "delete /api/rooms/{room}/users/{user}": "200 400 401 403 500 503",
      "post /api/rooms/{room}/drain": "200 400 401 403 413 415 500 503"
    })
    assert.deepStrictEqual(json.components.securitySchemes, { bearer: { type: "http", scheme: "Bearer" } })
    const room = json.paths["/api/rooms/{room}/connections"].get.parameters[0]
    assert.deepStrictEqual(room.schema, { type: "string", pattern: "^[A-Za-z0-9._~-]{1,128}$" })
  }))

it("the document that the deployed Worker serves is the one of its API: run `node scripts/openapi.ts` (AI-8)", () => {
  const served = readFileSync(new URL("../../src/openapi.json", import.meta.url), "utf8")
  assert.deepStrictEqual(JSON.parse(served), JSON.parse(JSON.stringify(document)))
})

it.effect("the app decides where the API is, and keeps the rest of its paths (AI-9)", () =>
  Effect.gen(function*() {
    const Elsewhere = Layer.mergeAll(
      RoomsApiRoutes.layer(Lobby, { authorize, prefix: "/v1.0/chat", bodyBytes: 64 }),
      HttpRouter.add("GET", "/v1.0/chat/users", HttpServerResponse.jsonUnsafe(["ada"]))
    )
    const { ask, connect } = yield* serve(Elsewhere)
    const name = "x".repeat(128)
    yield* connect("", name)
    assert.strictEqual((yield* ask("GET", `/v1.0/chat/rooms/${name}/connections`)).json.length, 1)
    assert.strictEqual((yield* ask("GET", `/v1.0/chat/rooms/%78${name.slice(1)}/connections`)).json.length, 1)
    assert.deepStrictEqual((yield* ask("GET", "/v1.0/chat/users")).json, ["ada"])
    assert.strictEqual((yield* ask("GET", "/api/rooms/lobby/connections")).status, 404)
    const publications = "/v1.0/chat/rooms/lobby/publications"
    assertProblem(yield* ask("POST", publications, { body: { message: { text: "x".repeat(64) } } }), 413)
    assert.strictEqual((yield* ask("POST", publications, { body: { message: { text: "hi" } } })).status, 200)
  }))

it.effect("the app decides who is let in, and where (AI-9)", () =>
  Effect.gen(function*() {
    class Closed extends Data.TaggedError("Closed")<{}> {}
    const guarded = RoomsApiRoutes.layer(Lobby, {
      authorize: ({ headers }, room): Effect.Effect<void, Closed | Problem.Problem> => {
        if (room === "cellar") return Effect.fail(new Closed())
        if (room === "attic") return Effect.die(new Error("the secret of the attic"))
        return headers.get("x-friend") === room ? Effect.void : Problem.make(403, "Friends only.")
      }
    })
    const closed = Effect.succeed(HttpServerResponse.jsonUnsafe("closed", { status: 418 }))
    const Cellar = HttpRouter.middleware<{ handles: Closed }>()((handler) =>
      Effect.matchEffect(handler, {
        onFailure: (error) => error instanceof Closed ? closed : Effect.fail(error),
        onSuccess: Effect.succeed
      })
    )
    const { ask, logged } = yield* serve(Layer.provide(guarded, Cellar.layer))
    const list = (room: string) => ask("GET", `/api/rooms/${room}/connections`, { headers: { "x-friend": "lobby" } })
    assert.strictEqual((yield* list("lobby")).status, 200)
    assertProblem(yield* list("kitchen"), 403)
    assert.strictEqual((yield* list("cellar")).status, 418)
    const answer = yield* list("attic")
    assertProblem(answer, 500)
    assert.notInclude(answer.text, "secret")
    assert.strictEqual(logged.length, 1)
    assert.include(logged[0], "the secret of the attic")
  }))

it.effect("a body that does not end is read no further than its bound, and none without a token (AI-4, AI-5)", () =>
  Effect.gen(function*() {
    const lobbies = yield* Layer.build(MemoryRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.layer)))
    const handle = yield* Effect.provideContext(RoomsApiRoutes.make(Lobby, { authorize }), lobbies)
    const post = Effect.fnUntraced(function*(authorization: string) {
      let pulled = 0
      const body = new ReadableStream({
        pull: (controller) => {
          pulled++
          controller.enqueue(new Uint8Array(65_536).fill(32))
        }
      })
      const { status } = yield* handle(
        new Request("https://app.invalid/api/rooms/lobby/publications", {
          method: "POST",
          headers: { authorization, "content-type": "application/json; charset=utf-8" },
          body,
          duplex: "half"
        })
      )
      return { status, pulled }
    })
    const { pulled, status } = yield* post("Bearer the token")
    assert.strictEqual(status, 413)
    assert.isBelow(pulled, 20)
    const refused = yield* post("Bearer another")
    assert.strictEqual(refused.status, 401)
    assert.isBelow(refused.pulled, 2)
  }))
