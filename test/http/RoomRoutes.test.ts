import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Claims from "../../src/domain/Claims.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as RoomsError from "../../src/services/RoomsError.ts"

const Lobby = Room.make("lobby", { receive: Schema.String, send: Schema.String })

const LobbyLive = Lobby.toLayer(Effect.gen(function*() {
  const room = yield* Lobby
  return {
    connect: (request) => Effect.succeed({ user: Claims.get(request, "user") }),
    open: ({ id, user }) => room.send(id, `${user} in ${room.name}`)
  }
}))

const Routes = RoomRoutes.layer(Lobby)

const GuardedRoutes = RoomRoutes.layer(Lobby, {
  path: "/lobbies/:room",
  authorize: ({ headers }) =>
    headers.authorization === "the password" ? Effect.succeed({ user: "ada" }) : Problem.make(401, "Who are you?")
})

// The app of the routes, and how a test looks at it.
const serve = Effect.fnUntraced(function*<E, R>(routes: Layer.Layer<never, E, R>) {
  const rooms = yield* Layer.build(MemoryRooms.layer(Lobby, LobbyLive))
  const { handler } = HttpRouter.toWebHandler(
    // SAFETY: the rooms are all that these routes need.
    Layer.provide(routes as Layer.Layer<never, E, HttpRouter.HttpRouter>, Layer.succeedContext(rooms)),
    { disableLogger: true, routerConfig: { maxParamLength: 128 } }
  )
  return {
    fetch: (path: string, headers: Record<string, string> = {}) =>
      Effect.promise(() => handler(new Request(`https://app.invalid${path}`, { headers }))),
    hears: (response: Response) => Context.get(rooms, MemoryRooms.key(Lobby)).client(response)!.received
  }
})

const upgrade = { upgrade: "websocket" }

it.effect("a room is served at its path, and its 101 passes as it is (HT-1)", () =>
  Effect.gen(function*() {
    const app = yield* serve(Routes)
    const response = yield* app.fetch("/rooms/tea%7Etime", { ...upgrade, "x-dormouse-user": "an impostor" })
    assert.strictEqual(response.status, 101)
    assert.deepStrictEqual(yield* app.hears(response), ["undefined in tea~time"])
    assert.strictEqual((yield* app.fetch("/rooms/tea")).status, 426)
    assert.strictEqual((yield* app.fetch("/rooms", upgrade)).status, 404)
    assert.strictEqual((yield* app.fetch(`/rooms/${"x".repeat(128)}`, upgrade)).status, 101)
    const problem = yield* app.fetch("/rooms/tea%20time", upgrade)
    assert.strictEqual(problem.status, 400)
    assert.strictEqual(problem.headers.get("content-type"), "application/problem+json")
  }))

it.effect("the app decides on the path, on who comes in, and on what the room learns (HT-2)", () =>
  Effect.gen(function*() {
    const app = yield* serve(GuardedRoutes)
    const refused = yield* app.fetch("/lobbies/tea", upgrade)
    assert.strictEqual(refused.status, 401)
    assert.include(yield* Effect.promise(() => refused.json()), { detail: "Who are you?" })
    const response = yield* app.fetch("/lobbies/tea", {
      ...upgrade,
      authorization: "the password",
      "x-dormouse-user": "an impostor"
    })
    assert.deepStrictEqual(yield* app.hears(response), ["ada in tea"])
  }))

it.effect("the routes stand behind the app's middleware (HT-3)", () =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    let isOpen = Effect.succeed(true)
    const Watch = HttpRouter.middleware(
      (handler) => Effect.tap(handler, (response) => Effect.sync(() => seen.push(String(response.status)))),
      { global: true }
    )
    const closed = HttpServerResponse.text("closed", { status: 418 })
    const Closed = HttpRouter.middleware(
      (handler) => Effect.flatMap(Effect.suspend(() => isOpen), (open) => open ? handler : Effect.succeed(closed)),
      { global: true }
    )
    const app = yield* serve(Layer.mergeAll(Routes, Watch, Closed))
    assert.deepStrictEqual(yield* app.hears(yield* app.fetch("/rooms/tea", upgrade)), ["undefined in tea"])
    isOpen = Effect.succeed(false)
    assert.strictEqual((yield* app.fetch("/rooms/tea", upgrade)).status, 418)
    assert.deepStrictEqual(seen, ["101", "418"])
  }))

it.effect("what a middleware adds to the 101 stands on it, also where no Response of it can be made (HT-1, HT-3)", () =>
  Effect.gen(function*() {
    const Signed = HttpRouter.middleware(
      (handler) =>
        Effect.map(
          handler,
          (response) =>
            HttpServerResponse.setCookieUnsafe(
              HttpServerResponse.setHeader(response, "x-signed", "yes"),
              "seen",
              "once"
            )
        ),
      { global: true }
    )
    const app = yield* serve(Layer.merge(Routes, Signed))
    const response = yield* app.fetch("/rooms/tea", upgrade)
    assert.strictEqual(response.status, 101)
    assert.strictEqual(response.headers.get("x-signed"), "yes")
    assert.deepStrictEqual(response.headers.getSetCookie(), ["seen=once"])
    assert.deepStrictEqual(yield* app.hears(response), ["undefined in tea"])
  }))

it.effect("a room that does not answer is told to the client as a problem, and to the log with its cause, once (HT-4)", () =>
  Effect.gen(function*() {
    const cause = new Error("the network is down")
    for (
      const [reason, status, why] of [
        [new RoomsError.Unreachable({ room: "tea", cause }), 503, "the network is down"],
        [new RoomsError.Overloaded({ room: "tea", cause }), 503, "the network is down"],
        [new RoomsError.InvalidReply({ method: "fetch", detail: "of another version" }), 500, "of another version"],
        [new RoomsError.InvalidRoomName({ name: "tea" }), 400, undefined]
      ] as const
    ) {
      const lines: Array<string> = []
      const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
      const failed = Effect.fail(new RoomsError.RoomsError({ reason }))
      const Down = Layer.succeed(
        Rooms.key(Lobby),
        Rooms.make(Lobby, () => ({ call: () => failed, fetch: () => failed }))
      )
      const { handler } = HttpRouter.toWebHandler(Layer.provideMerge(Layer.provide(Routes, Down), logger), {
        disableLogger: true
      })
      const response = yield* Effect.promise(() =>
        handler(new Request("https://app.invalid/rooms/tea", { headers: upgrade }))
      )
      assert.strictEqual(response.status, status)
      assert.strictEqual(response.headers.get("retry-after"), status === 503 ? "1" : null)
      assert.notInclude(yield* Effect.promise(() => response.text()), why ?? "the network")
      assert.strictEqual(lines.length, why === undefined ? 0 : 1)
      if (why !== undefined) assert.include(lines[0], why)
    }
  }))
