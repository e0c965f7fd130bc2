import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import * as http from "node:http"
import * as net from "node:net"
import { vi } from "vitest"
import * as Claims from "../../src/domain/Claims.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as ApiToken from "../../src/http/ApiToken.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as RoomsApiRoutes from "../../src/http/RoomsApiRoutes.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as NodeServer from "../../src/listeners/NodeServer.ts"
import * as Room from "../../src/services/Room.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Lobby, LobbyLive, Purse } from "../contract/Lobby.ts"
import * as App from "./app.ts"

// A room that tells what the app says about a newcomer, and who has left and how.
const Hall = Room.make("hall", { format: "text", receive: Schema.String, send: Schema.String })

const HallLive = Hall.toLayer(Effect.gen(function*() {
  const room = yield* Hall
  return {
    connect: (request) =>
      request.url.includes("refuse")
        ? Problem.make(403, "Not you.")
        : Effect.succeed({
          user: Claims.get(request, "user") ?? request.headers.get("x-dormouse-upgrade") ?? "nobody"
        }),
    open: ({ id, user }) => room.send(id, `${user} in ${room.name}`),
    message: (_, text) => room.broadcast(text),
    close: ({ user }, { code }) => room.broadcast(`${user} left with ${code}`)
  }
}))

const makeHalls = (options?: RoomRuntime.Options) => Layer.build(NodeRooms.layer(Hall, HallLive, options))

// Answers requests by what a test does with the rooms.
const serveHalls = Effect.fnUntraced(function*(
  handle: (rooms: Rooms.Service<typeof Hall>, request: Request) => Effect.Effect<Response, unknown>,
  options?: RoomRuntime.Options
) {
  const halls = yield* makeHalls(options)
  const rooms = Context.get(halls, Rooms.key(Hall))
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  const app = yield* App.serve((request) => runPromise(handle(rooms, request)))
  return { ...app, rooms, node: Context.get(halls, NodeRooms.key(Hall)) }
})

const serveRoutes = Effect.fnUntraced(function*<E>(
  routes: Layer.Layer<never, E, HttpRouter.HttpRouter | Rooms.Rooms<"hall">>
) {
  const halls = yield* makeHalls()
  return yield* App.serveRoutes(Layer.provide(routes, Layer.succeedContext(halls)))
})

const ask = ({ port }: Pick<App.App, "port">, path: string, options: http.RequestOptions = {}, body?: string) =>
  Effect.promise(async () => {
    const request = http.request({ port, path, agent: false, ...options })
    request.end(body)
    const [response] = (await once(request, "response")) as [http.IncomingMessage]
    let text = ""
    for await (const chunk of response.setEncoding("utf8")) text += chunk
    return { status: response.statusCode, headers: response.headers, text }
  })

const handshake = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="
}

it.effect("a router serves rooms over TCP: at their path, to whom the app lets in, with what it says (HT-1, HT-2, LS-10)", () =>
  Effect.gen(function*() {
    const app = yield* serveRoutes(
      Layer.merge(
        RoomRoutes.layer(Hall),
        RoomRoutes.layer(Hall, {
          path: "/halls/:room",
          authorize: ({ headers }) =>
            headers.authorization === "the password"
              ? Effect.succeed({ user: "ada" })
              : Problem.make(401, "Who are you?")
        })
      )
    )
    const headers = { "x-dormouse-user": "an impostor", "x-dormouse-upgrade": "a guess" }
    const stranger = yield* App.enter(app, "/rooms/tea", { headers })
    assert.strictEqual(stranger.status, 101)
    const ada = yield* App.enter(app, "/halls/tea", { headers: { ...headers, authorization: "the password" } })
    const refused = yield* App.enter(app, "/halls/tea")
    assert.strictEqual(refused.status, 401)
    assert.deepInclude(JSON.parse(refused.body), { detail: "Who are you?" })
    assert.strictEqual((yield* App.enter(app, "/rooms/tea?refuse")).status, 403)
    assert.strictEqual((yield* App.enter(app, "/rooms/tea%20time")).status, 400)
    assert.strictEqual((yield* App.enter(app, "/nowhere")).status, 404)
    const plain = yield* ask(app, "/rooms/tea")
    assert.strictEqual(plain.status, 426)
    assert.strictEqual(plain.headers["content-type"], "application/problem+json")
    ada.socket.send("hello")
    yield* App.pass
    assert.deepStrictEqual(stranger.received, ["nobody in tea", "hello"])
    assert.deepStrictEqual(ada.received, ["ada in tea", "hello"])
  }))

it.effect("a middleware adds headers to the 101, or answers instead (HT-3, LS-10)", () =>
  Effect.gen(function*() {
    const statuses: Array<number> = []
    const Signed = HttpRouter.middleware(
      (handler) =>
        Effect.map(handler, (response) => {
          statuses.push(response.status)
          return HttpServerResponse.setCookieUnsafe(
            HttpServerResponse.setHeaders(response, { "x-signed": "yes", "sec-websocket-accept": "a lie" }),
            "seen",
            "once"
          )
        }),
      { global: true }
    )
    const app = yield* serveRoutes(Layer.merge(RoomRoutes.layer(Hall), Signed))
    const { headers, received, status } = yield* App.enter(app, "/rooms/tea")
    yield* App.pass
    assert.strictEqual(status, 101)
    assert.strictEqual(headers["x-signed"], "yes")
    assert.deepStrictEqual(headers["set-cookie"], ["seen=once"])
    assert.deepStrictEqual(received, ["nobody in tea"])
    assert.strictEqual((yield* App.enter(app, "/rooms/tea?refuse")).headers["x-signed"], "yes")
    assert.deepStrictEqual(statuses, [101, 403])
  }))

it.effect("whom the room let in and the handler did not leaves with 1006 (LS-10)", () =>
  Effect.gen(function*() {
    const app = yield* serveHalls((rooms, request) =>
      Effect.map(
        rooms.get("hall").fetch(request, { user: "ada" }),
        (response) => request.url.includes("away") ? Response.json({ go: "away" }, { status: 418 }) : response
      )
    )
    const stays = yield* App.enter(app, "/")
    const { body, headers, status } = yield* App.enter(app, "/away")
    assert.strictEqual(status, 418)
    assert.strictEqual(headers.connection, "close")
    assert.strictEqual(body, `{"go":"away"}`)
    yield* App.pass
    assert.deepStrictEqual(stays.received, ["ada in hall", "ada left with 1006"])
    assert.strictEqual((yield* app.rooms.get("hall").connections()).length, 1)
  }))

it.effect("an upgrade is one room's: a second one, and a request without one, get a problem (LS-11)", () =>
  Effect.gen(function*() {
    const kept: Array<Request> = []
    const app = yield* serveHalls((rooms, request) =>
      Effect.gen(function*() {
        kept.push(new Request(request))
        // Who is refused by one may be let in by another; what knows of the upgrade is the header, in a copy too.
        const refused = yield* rooms.get("one").fetch(new Request("http://hall.invalid/refuse", request))
        const first = yield* rooms.get("two").fetch(new Request(request))
        const second = yield* rooms.get("three").fetch(request)
        first.headers.set("x-statuses", [refused, first, second].map(({ status }) => status).join())
        return first
      })
    )
    const { headers, received } = yield* App.enter(app, "/")
    assert.strictEqual(headers["x-statuses"], "403,101,409")
    yield* App.pass
    assert.deepStrictEqual(received, ["nobody in two"])
    // Its handler has ended, so the token that it came with is none.
    assert.match(kept[0]!.headers.get("x-dormouse-upgrade") ?? "", /^[0-9a-f-]{36}$/)
    const late = yield* app.rooms.get("hall").fetch(kept[0]!)
    assert.strictEqual(late.status, 501)
    assert.deepInclude(yield* Effect.promise(() => late.json()), { title: "Not Implemented" })
    const foreign = new Request("http://hall.invalid/", { headers: handshake })
    assert.strictEqual((yield* app.rooms.get("hall").fetch(foreign)).status, 501)
    assert.strictEqual((yield* app.rooms.get("hall").fetch(new Request("http://hall.invalid/"))).status, 426)
  }))

it.effect("a handler that throws is answered with 500, and logged once (LS-12)", () =>
  Effect.gen(function*() {
    const app = yield* serveHalls((rooms, request) =>
      Effect.andThen(rooms.get("hall").fetch(request), Effect.die(new Error("the secret of the handler")))
    )
    for (const answered of [yield* App.enter(app, "/"), yield* ask(app, "/")]) {
      assert.strictEqual(answered.status, 500)
      assert.strictEqual(answered.headers["content-type"], "application/problem+json")
      assert.notInclude("body" in answered ? answered.body : answered.text, "secret")
    }
    yield* App.pass
    assert.strictEqual(app.logged.length, 2)
    assert.match(app.logged[0]!, /The handler failed to answer.*the secret of the handler/)
    assert.deepStrictEqual(yield* app.rooms.get("hall").connections(), [])
  }))

const ways = ["end", "destroy", "resetAndDestroy"] as const

it.effect.each(ways)(
  "a client that goes before its handler has ended leaves nothing behind: %s (LS-12)",
  (goes) =>
    Effect.gen(function*() {
      const asked: Array<Request> = []
      const app = yield* serveHalls((rooms, request) =>
        Effect.sync(() => asked.push(request)).pipe(
          Effect.andThen(rooms.get("hall").fetch(request)),
          Effect.andThen(Effect.never)
        )
      )
      const socket = net.connect(app.port, "127.0.0.1")
      const lines = Object.entries(handshake).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\n${lines.join("")}\r\n`)
      yield* App.pass
      assert.strictEqual((yield* app.rooms.get("hall").connections()).length, 1)
      socket[goes]()
      yield* App.pass
      assert.deepStrictEqual(yield* app.rooms.get("hall").connections(), [])
      assert.isTrue(asked[0]!.signal.aborted)
      assert.strictEqual((yield* app.rooms.get("hall").fetch(asked[0]!)).status, 501)

      const request = http.get({ port: app.port, path: "/", agent: false }).on("error", () => {})
      yield* App.pass
      assert.isFalse(asked[1]!.signal.aborted)
      request.destroy()
      yield* App.pass
      assert.isTrue(asked[1]!.signal.aborted)
      assert.deepStrictEqual(app.logged, [])
    })
)

it.effect("at the end of its rooms whoever waits for a handler is refused (LS-5, LS-12)", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const left: Array<number> = []
    const live = Hall.toLayer(Effect.succeed({ close: (_, { code }) => Effect.sync(() => left.push(code)) }))
    const { rooms } = yield* Scope.provide(NodeRooms.make(Hall, live), scope)
    const door = yield* Deferred.make<void>()
    const runPromise = Effect.runPromiseWith(yield* Effect.context())
    const app = yield* App.serve((request) =>
      runPromise(Effect.tap(rooms.get("hall").fetch(request), () => Deferred.await(door)))
    )
    const waiting = yield* Effect.forkChild(App.enter(app, "/"), { startImmediately: true })
    yield* App.pass
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
    assert.deepStrictEqual(left, [1001])
    // What the handler answers after that is for nobody.
    yield* Deferred.succeed(door, undefined)
    yield* App.pass
    assert.deepStrictEqual(app.logged, [])
  }))

it.effect("a 101 that is no room's is a fault of the handler (LS-12)", () =>
  Effect.gen(function*() {
    const app = yield* App.serve(async () => Object.defineProperty(new Response(null), "status", { value: 101 }))
    assert.strictEqual((yield* App.enter(app, "/")).status, 500)
    assert.match(app.logged.join(), /The handler answered 101 for no room/)
  }))

it.effect("bodies are streamed both ways, as far as anybody reads (LS-10)", () =>
  Effect.gen(function*() {
    let cancelled = false
    const app = yield* App.serve(async (request) => {
      const { pathname } = new URL(request.url)
      if (pathname === "/echo") return new Response(request.body, { headers: { "x-method": request.method } })
      if (pathname === "/unread") return new Response("no", { status: 413 })
      if (pathname === "/cookies") {
        return new Response(null, { status: 204, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] })
      }
      if (pathname === "/breaks") {
        return new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("out of paper")) }))
      }
      const endless = new ReadableStream({
        pull: async (controller) => {
          await new Promise((done) => setTimeout(done, 5))
          controller.enqueue(new Uint8Array(10))
        },
        cancel: () => {
          cancelled = true
        }
      })
      return new Response(endless, { headers: { "x-path": pathname } })
    })
    const large = "é".repeat(500_000)
    const echoed = yield* ask(app, "/echo", { method: "POST" }, large)
    assert.isTrue(echoed.text === large)
    assert.strictEqual(echoed.headers["x-method"], "POST")
    assert.strictEqual((yield* ask(app, "/unread", { method: "POST" }, large)).text, "no")
    assert.deepStrictEqual((yield* ask(app, "/cookies")).headers["set-cookie"], ["a=1", "b=2"])
    const head = yield* ask(app, "/endless", { method: "HEAD" })
    assert.deepStrictEqual([head.text, head.headers["x-path"], cancelled], ["", "/endless", true])
    cancelled = false
    const request = http.get({ port: app.port, path: "/endless", agent: false })
    const [response] = (yield* Effect.promise(() => once(request, "response"))) as [http.IncomingMessage]
    response.on("error", () => {})
    yield* Effect.promise(() => once(response, "data"))
    assert.isFalse(cancelled)
    request.destroy()
    yield* App.pass
    assert.isTrue(cancelled)
    assert.deepStrictEqual(app.logged, [])
    yield* Effect.promise(() => fetch(`http://127.0.0.1:${app.port}/breaks`).then((r) => r.text()).catch(() => {}))
    assert.match(app.logged.join(), /A response broke off.*out of paper/)
  }))

it.effect("a body that the handler has not read to its end ends its connection, behind the answer (LS-10)", () =>
  Effect.gen(function*() {
    const app = yield* App.serve(async ({ body }) => {
      for await (const _ of body ?? []) return new Response("too much", { status: 413 })
      return new Response("nothing")
    })
    const socket = net.connect(app.port, "127.0.0.1").on("error", () => {})
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    let received = ""
    socket.setEncoding("utf8").on("data", (text) => received += text)
    socket.write("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20000000\r\n\r\n")
    socket.write(Buffer.alloc(20_000_000))
    yield* Effect.promise(() => new Promise((done) => socket.once("close", done)))
    assert.match(received, /^HTTP\/1\.1 413 /)
    assert.match(received, /^connection: close\r$/im)
    assert.include(received, "too much")
    // What has been read to its end leaves the connection to the next request.
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
    assert.strictEqual((yield* ask(app, "/", { agent })).headers.connection, "keep-alive")
    assert.deepStrictEqual(app.logged, [])
  }))

it.effect("what is no request is refused before the handler hears of it (LS-10)", () =>
  Effect.gen(function*() {
    let asked = 0
    const app = yield* App.serve(async ({ url }) => {
      asked++
      return new Response(url)
    })
    assert.strictEqual((yield* ask(app, "http://other.invalid/")).status, 400)
    assert.strictEqual((yield* ask(app, "/", { method: "TRACE" })).status, 400)
    const post = yield* ask(app, "/", { method: "POST", headers: handshake })
    assert.deepStrictEqual([post.status, post.headers.allow], [405, "GET"])
    assert.strictEqual(asked, 0)
    // An upgrade of another kind is answered like a request.
    const other = yield* ask(app, "//x/?y", {
      headers: { connection: "Upgrade", upgrade: "h2c", host: "hall.invalid" }
    })
    assert.deepStrictEqual([other.status, other.text], [200, "http://hall.invalid//x/?y"])
  }))

it.effect("only what asks for a WebSocket is taken from the ordinary way (LS-10)", () =>
  Effect.gen(function*() {
    const app = yield* App.serve(async (request) => new Response(await request.text()), {
      shouldUpgradeCallback: NodeServer.isWebSocket
    })
    const headers = { connection: "Upgrade", upgrade: "h2c" }
    const { status, text } = yield* ask(app, "/", { method: "POST", headers }, "a body")
    assert.deepStrictEqual([status, text], [200, "a body"])
  }))

it.effect("the API for servers, and a method of the app's own, over TCP (AI-1, AI-2, AI-3, LS-10)", () =>
  Effect.gen(function*() {
    const lobbies = yield* Layer.build(NodeRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.layer)))
    const authorize = ApiToken.authorize(Redacted.make("the token"))
    const Earn = HttpRouter.use(Effect.fnUntraced(function*(router) {
      const rooms = yield* Rooms.key(Lobby)
      yield* router.add(
        "POST",
        "/earn",
        Effect.map(Effect.orDie(rooms.get("tea").earn({ coins: 7 })), (coins) => HttpServerResponse.text(`${coins}`))
      )
    }))
    const app = yield* App.serveRoutes(
      Layer.mergeAll(RoomRoutes.layer(Lobby), RoomsApiRoutes.layer(Lobby, { authorize }), Earn).pipe(
        Layer.provide(Layer.succeedContext(lobbies))
      )
    )
    const ada = yield* App.enter(app, "/rooms/tea?user=ada", { protocols: ["other", "ndjson"] })
    assert.strictEqual(ada.socket.protocol, "ndjson")
    const headers = { authorization: "Bearer the token", "content-type": "application/json" }
    const api = (method: string, path: string, body?: unknown) =>
      Effect.map(
        ask(app, `/api/rooms/tea${path}`, { method, headers }, body === undefined ? undefined : JSON.stringify(body)),
        ({ text }) => JSON.parse(text)
      )
    const published = yield* api("POST", "/publications", { message: { text: "hello" } })
    assert.deepStrictEqual(published, { delivered: 1, failed: 0 })
    assert.deepInclude((yield* api("GET", "/connections"))[0], { user: "ada" })
    assert.strictEqual((yield* ask(app, "/api/rooms/tea/connections")).status, 401)
    assert.strictEqual((yield* ask(app, "/earn", { method: "POST" })).text, "7")
    assert.deepStrictEqual(yield* api("DELETE", "/connections?user=ada&code=4001"), { closed: 1 })
    assert.strictEqual((yield* Effect.promise(() => ada.closed)).code, 4001)
    assert.deepStrictEqual(ada.received, [`{"text":"hello"}`])
  }))

it.effect("what waits for the handler counts: who lets too much wait is closed, the others feel nothing (LS-13, OB-5)", () =>
  Effect.gen(function*() {
    const door = yield* Deferred.make<void>()
    const app = yield* serveHalls(
      (rooms, request) =>
        rooms.get("hall").fetch(request, { user: request.url.includes("slow") ? "slow" : "ada" }).pipe(
          Effect.tap(() => request.url.includes("slow") ? Deferred.await(door) : Effect.void)
        ),
      { bufferBytes: 10_000 }
    )
    const stays = yield* App.enter(app, "/")
    const entering = yield* Effect.forkChild(App.enter(app, "/slow"), { startImmediately: true })
    yield* App.pass
    const room = app.rooms.get("hall")
    // Two bytes a character: 9,000 of 10,000, then 12,000.
    yield* room.broadcast("é".repeat(4_500))
    assert.strictEqual((yield* room.connections()).length, 2)
    yield* room.broadcast("é".repeat(1_500))
    assert.deepStrictEqual(yield* room.broadcast("too much"), { delivered: 1, failed: 1 })
    assert.strictEqual((yield* room.connections()).length, 1)
    yield* Deferred.succeed(door, undefined)
    const slow = yield* Fiber.join(entering)
    yield* App.pass
    assert.strictEqual((yield* Effect.promise(() => slow.closed)).code, 4008)
    assert.strictEqual(slow.received.length, 3)
    assert.deepStrictEqual(stays.received.slice(-2), ["too much", "slow left with 4008"])
  }))

it.effect("who asks for pongs and never reads is closed with 4008, and the others are served (LS-13, OB-5)", () =>
  Effect.gen(function*() {
    const app = yield* serveChatty
    const stays = yield* App.enter(app, "/rooms/tea")
    const socket = net.connect(app.port, "127.0.0.1").on("error", () => {})
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    const lines = Object.entries(handshake).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET /rooms/tea HTTP/1.1\r\nhost: localhost\r\n${lines.join("")}\r\n`)
    yield* App.pass
    socket.pause()
    // A masked ping, of the room and not of the protocol. Nobody reads its answers of a kilobyte.
    const ping = Buffer.from([0x81, 0x84, 0, 0, 0, 0, ...Buffer.from("ping")])
    const many = Buffer.concat(Array.from({ length: 20_000 }, () => ping))
    socket.write(many)
    yield* Effect.promise(() => vi.waitFor(() => assert.include(stays.received, "nobody left with 4008"), 10_000))
    stays.socket.send("ping")
    yield* App.pass
    assert.strictEqual(stays.received.at(-1)?.length, 1_024)
  }))

// Its halls answer a ping with a kilobyte.
const serveChatty = Effect.suspend(() => {
  const Chatty = Room.make("hall", {
    format: "text",
    receive: Schema.String,
    send: Schema.String,
    autoResponse: ["ping", "p".repeat(1_024)]
  })
  const ChattyLive = Chatty.toLayer(Effect.gen(function*() {
    const room = yield* Chatty
    return {
      connect: () => Effect.succeed({ user: "nobody" }),
      close: ({ user }, { code }) => room.broadcast(`${user} left with ${code}`)
    }
  }))
  return Effect.flatMap(
    Layer.build(NodeRooms.layer(Chatty, ChattyLive)),
    (halls) => App.serveRoutes(Layer.provide(RoomRoutes.layer(Chatty), Layer.succeedContext(halls)))
  )
})
