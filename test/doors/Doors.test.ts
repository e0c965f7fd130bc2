import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Problem from "../../src/domain/Problem.ts"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Doors from "../../src/doors/Doors.ts"
import { InvalidOption } from "../../src/doors/InvalidOption.ts"
import * as Permissions from "../../src/doors/Permissions.ts"
import * as Principal from "../../src/doors/Principal.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Room from "../../src/services/Room.ts"

const url = "https://rooms.example/rooms/tea"

const asking = (headers: Record<string, string> = {}, at = url) => new Request(at, { headers })

const make = (options?: Doors.Options, rates: Rates.Limits = {}, authenticator = Authenticator.layerAnonymous) =>
  Effect.provide(
    Doors.Doors,
    Doors.layer(options).pipe(Layer.provide([authenticator, Rates.layerMemory(rates)]))
  )

// The status of the refusal; 101 where there was none.
const entering = (doors: Doors.Doors["Service"], request: Request, room = "tea") =>
  Effect.match(doors.enter(request, room), { onFailure: ({ status }) => status, onSuccess: () => 101 })

const from = (doors: Doors.Doors["Service"], origin: string, at?: string) => entering(doors, asking({ origin }, at))

it.effect("only pages of the same origin may enter, and who is no browser (OR-1, OR-3)", () =>
  Effect.gen(function*() {
    const doors = yield* make()
    assert.strictEqual(yield* entering(doors, asking()), 101)
    assert.strictEqual(yield* from(doors, "https://rooms.example"), 101)
    assert.strictEqual(yield* from(doors, "http://localhost:8787", "http://localhost:8787/rooms/tea"), 101)
    for (
      const origin of [
        "http://rooms.example",
        "https://rooms.example:8443",
        "https://rooms.example.evil.invalid",
        "https://evil-rooms.example",
        "https://rooms.example.",
        "https://sub.rooms.example",
        "null",
        "same",
        "any",
        "*"
      ]
    ) {
      assert.strictEqual(yield* from(doors, origin), 403, origin)
    }
    const strict = yield* make({ requireOrigin: true })
    assert.strictEqual(yield* entering(strict, asking()), 403)
    assert.strictEqual(yield* from(strict, "https://rooms.example"), 101)
  }))

it.effect("other origins are listed, as a whole, in whatever form a URL may have (OR-1, OR-2)", () =>
  Effect.gen(function*() {
    const doors = yield* make({
      origins: ["HTTPS://App.Example:443", "https://bücher.example", "http://[::1]:80", "capacitor://LocalHost"]
    })
    for (
      const origin of [
        "https://app.example",
        "https://APP.example:443",
        "https://xn--bcher-kva.example",
        "http://[0:0::1]",
        "capacitor://localhost"
      ]
    ) {
      assert.strictEqual(yield* from(doors, origin), 101, origin)
    }
    for (
      const origin of [
        "https://rooms.example",
        "https://app.example:444",
        "http://app.example",
        "https://app.example.evil.invalid",
        "https://evilapp.example",
        "capacitor://localhost.evil.invalid",
        "null"
      ]
    ) {
      assert.strictEqual(yield* from(doors, origin), 403, origin)
    }
    const both = yield* make({ origins: ["same", "null"] })
    assert.strictEqual(yield* from(both, "https://rooms.example"), 101)
    assert.strictEqual(yield* from(both, "null"), 101)
    assert.strictEqual(yield* from(both, "https://app.example"), 403)
    const nobody = yield* make({ origins: [] })
    assert.strictEqual(yield* from(nobody, "https://rooms.example"), 403)
    const anybody = yield* make({ origins: "any" })
    assert.strictEqual(yield* from(anybody, "https://evil.invalid"), 101)
  }))

it.effect("what is no origin is refused, in a request and in the options (OR-2)", () =>
  Effect.gen(function*() {
    const doors = yield* make({ origins: ["https://app.example"] })
    for (
      const origin of [
        "",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?",
        "https://app.example#x",
        "https://ada@app.example",
        "https://app.example\\@evil.invalid",
        "https://app.example, https://app.example",
        "https://app.example https://evil.invalid",
        "//app.example",
        "app.example",
        "https:app.example",
        "https://",
        "https://app.example:99999",
        "Null"
      ]
    ) {
      assert.strictEqual(yield* from(doors, origin), 403, origin)
      const error = yield* Effect.flip(make({ origins: ["same", origin] }))
      assert.instanceOf(error, InvalidOption)
      assert.strictEqual(error.option, "origins")
    }
  }))

it.effect("a refusal is a problem that repeats nothing (OR-1)", () =>
  Effect.gen(function*() {
    const doors = yield* make()
    const problem = yield* Effect.flip(doors.enter(asking({ origin: "https://evil.invalid" }), "tea"))
    assert.deepStrictEqual(problem.toJSON(), {
      type: "about:blank",
      title: "Forbidden",
      status: 403,
      detail: "Pages of this origin may not enter."
    })
  }))

const byAddress = (address: string, header = "cf-connecting-ip") => asking({ [header]: address })

it.effect("an address that connects too often is told when to come back, before it is asked who it is (RA-1)", () =>
  Effect.gen(function*() {
    let asked = 0
    const Counting = Layer.succeed(Authenticator.Authenticator)({
      authenticate: () => Effect.suspend(() => (asked++, Authenticator.unauthorized("No."))),
      verify: () => Authenticator.unauthorized("No.")
    })
    const doors = yield* make({}, { connects: 2 }, Counting)
    for (const status of [401, 401, 429, 429]) {
      assert.strictEqual(yield* entering(doors, byAddress("192.0.2.1")), status)
    }
    assert.strictEqual(asked, 2)
    const problem = yield* Effect.flip(doors.enter(byAddress("192.0.2.1"), "tea"))
    assert.deepStrictEqual({ ...problem.headers }, { "retry-after": "60" })
    assert.strictEqual(yield* entering(doors, byAddress("192.0.2.2")), 401)
    // A page that may not enter does not count, and a request without an address is not counted.
    const foreign = asking({ origin: "https://evil.invalid", "cf-connecting-ip": "192.0.2.3" })
    for (let time = 0; time < 3; time++) assert.strictEqual(yield* entering(doors, foreign), 403)
    assert.strictEqual(yield* entering(doors, byAddress("192.0.2.3")), 401)
    for (let time = 0; time < 3; time++) assert.strictEqual(yield* entering(doors, asking()), 401)
  }))

it.effect("an address is one of IPv4, or a network of IPv6, and the room learns it (RA-2, AU-9)", () =>
  Effect.gen(function*() {
    const doors = yield* make()
    for (
      const [text, address] of [
        ["192.0.2.1", "192.0.2.1"],
        ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
        ["2001:0DB8:1:2::ffff", "2001:db8:1:2::/64"],
        ["::1", "0:0:0:0::/64"],
        ["::ffff:192.0.2.1", "192.0.2.1"],
        ["::ffff:c000:201", "192.0.2.1"]
      ] as const
    ) {
      assert.deepStrictEqual(yield* doors.enter(byAddress(text), "tea"), { address })
    }
    for (const text of ["192.0.2.1, 192.0.2.2", "", "x", "192.0.2.256", "192.0.2.1:80", "[::1]", "1".repeat(5_000)]) {
      assert.strictEqual(yield* entering(doors, byAddress(text)), 400, text)
    }
    assert.deepStrictEqual(yield* doors.enter(asking(), "tea"), {})
  }))

it.effect("an option says in which header the address stands, or in none (RA-2)", () =>
  Effect.gen(function*() {
    const proxied = yield* make({ addressHeader: "x-real-ip" }, { connects: 1 })
    const both = asking({ "cf-connecting-ip": "192.0.2.1", "x-real-ip": "192.0.2.2" })
    assert.deepStrictEqual(yield* proxied.enter(both, "tea"), { address: "192.0.2.2" })
    assert.deepStrictEqual(yield* proxied.enter(byAddress("192.0.2.2"), "tea"), {})
    const none = yield* make({ addressHeader: false }, { connects: 1 })
    for (let time = 0; time < 3; time++) assert.deepStrictEqual(yield* none.enter(both, "tea"), {})
  }))

const Known = (principal: Partial<Principal.Principal>) =>
  Layer.succeed(Authenticator.Authenticator)({
    authenticate: () => Effect.succeed({ ...Principal.anonymous, ...principal }),
    verify: () => Authenticator.unauthorized("No.")
  })

it.effect("a token is good for the rooms that it names (PM-1)", () =>
  Effect.gen(function*() {
    const doors = yield* make({}, {}, Known({ user: "ada", labels: ["red"], rooms: ["tea", "team-*"], expiresAt: 7 }))
    assert.deepStrictEqual(yield* doors.enter(asking(), "team-red"), {
      user: "ada",
      labels: `["red"]`,
      expiresAt: "7"
    })
    assert.strictEqual(yield* entering(doors, asking(), "tea"), 101)
    const problem = yield* Effect.flip(doors.enter(asking(), "coffee"))
    assert.strictEqual(problem.status, 403)
    assert.notInclude(problem.detail, "coffee")
  }))

const PermissionsLive = Layer.succeed(Permissions.Permissions)(({ labels, user }, room) => ({
  join: !room.startsWith("~") || room === `~${user}`,
  speak: labels.includes("writer"),
  see: user !== undefined
}))

it.effect("who may join is decided by one function; everybody, unless there is one (PM-2, EX-2)", () =>
  Effect.gen(function*() {
    const open = yield* make({}, {}, Known({ user: "ada" }))
    assert.strictEqual(yield* entering(open, asking(), "~bob"), 101)
    const doors = yield* Effect.provide(make({}, {}, Known({ user: "ada" })), PermissionsLive)
    assert.strictEqual(yield* entering(doors, asking(), "tea"), 101)
    assert.strictEqual(yield* entering(doors, asking(), "~ada"), 101)
    assert.strictEqual(yield* entering(doors, asking(), "~bob"), 403)
    const permissions = yield* Effect.provide(Permissions.Permissions, PermissionsLive)
    assert.deepStrictEqual(permissions({ user: undefined, labels: ["writer"] }, "tea"), {
      join: true,
      speak: true,
      see: false
    })
  }))

it.effect("nobody has a token where nobody is known (AU-1)", () =>
  Effect.gen(function*() {
    const { authenticate, verify } = yield* Effect.provide(Authenticator.Authenticator, Authenticator.layerAnonymous)
    assert.deepStrictEqual(yield* authenticate(asking({ authorization: "Bearer x" })), Principal.anonymous)
    const { headers, status } = yield* Effect.flip(verify(Redacted.make("x")))
    assert.strictEqual(status, 401)
    assert.strictEqual(headers["www-authenticate"], `Bearer error="invalid_token"`)
  }))

class Sessions extends Context.Service<Sessions, {
  readonly userOf: (cookie: string | null) => Effect.Effect<string | undefined>
}>()("effect-dormouse/test/doors/Doors.test/Sessions") {}

const SessionLive = Layer.effect(
  Authenticator.Authenticator,
  Effect.map(Sessions, ({ userOf }) =>
    Authenticator.Authenticator.of({
      authenticate: ({ headers }) =>
        Effect.flatMap(userOf(headers.get("cookie")), (user) =>
          user === undefined
            ? Authenticator.unauthorized("Sign in first.")
            : Effect.succeed({ ...Principal.anonymous, user })),
      verify: () => Authenticator.unauthorized("There are no tokens here.")
    }))
)

const Lobby = Room.make("lobby", { receive: Schema.String, send: Schema.String })

const LobbyLive = Lobby.toLayer(Effect.gen(function*() {
  const room = yield* Lobby
  return {
    connect: ({ claims }) => {
      const { labels, user } = Principal.fromClaims(claims)
      return Effect.succeed({ user, labels })
    },
    open: ({ id, user }) => room.send(id, `${user} in ${room.name}`)
  }
}))

// The app of a room with doors, and what its room was asked.
const serve = Effect.fnUntraced(function*<E>(DoorsLive: Layer.Layer<Doors.Doors, E>, options = {}) {
  const asked: Array<Request> = []
  const rooms = yield* Layer.build(MemoryRooms.layer(Lobby, LobbyLive))
  const service = Context.get(rooms, MemoryRooms.key(Lobby))
  const Routes = RoomRoutes.layer(Lobby, { doors: Doors.Doors, ...options }).pipe(Layer.provide(DoorsLive))
  const { handler } = HttpRouter.toWebHandler(Layer.provide(Routes, Layer.succeedContext(rooms)), {
    disableLogger: true
  })
  return {
    asked,
    fetch: (headers: Record<string, string>) =>
      Effect.promise(() => handler(asking({ upgrade: "websocket", ...headers }))),
    hears: (response: Response) => service.client(response)!.received
  }
})

it.effect("an app knows its clients in a way of its own (AU-1, HT-5, EX-2)", () =>
  Effect.gen(function*() {
    const SessionsLive = Layer.succeed(Sessions)({
      userOf: (cookie) => Effect.succeed(cookie === "session=7" ? "ada" : undefined)
    })
    const AuthenticatorLive = Layer.provide(SessionLive, SessionsLive)
    const DoorsLive = Doors.layer({ origins: ["same", "https://app.example"] }).pipe(
      Layer.provide([AuthenticatorLive, PermissionsLive, Rates.layerMemory()])
    )
    const Routes = RoomRoutes.layer(Lobby, { doors: Doors.Doors }).pipe(Layer.provide(DoorsLive))
    const rooms = yield* Layer.build(MemoryRooms.layer(Lobby, LobbyLive))
    const { handler } = HttpRouter.toWebHandler(Layer.provide(Routes, Layer.succeedContext(rooms)), {
      disableLogger: true
    })
    const ask = (headers: Record<string, string>) =>
      Effect.promise(() => handler(asking({ upgrade: "websocket", ...headers })))
    const response = yield* ask({ cookie: "session=7", origin: "https://app.example" })
    assert.strictEqual(response.status, 101)
    assert.deepStrictEqual(yield* Context.get(rooms, MemoryRooms.key(Lobby)).client(response)!.received, [
      "ada in tea"
    ])
    const refused = yield* ask({ cookie: "session=8", origin: "https://app.example" })
    assert.strictEqual(refused.status, 401)
    assert.strictEqual(refused.headers.get("content-type"), "application/problem+json")
    assert.strictEqual(refused.headers.get("www-authenticate"), "Bearer")
    assert.strictEqual((yield* ask({ cookie: "session=7", origin: "https://evil.invalid" })).status, 403)
  }))

it.effect("the room hears of nobody whom the doors refused, and what the app says is added (AU-1, HT-5)", () =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const doors = (user: string | undefined) =>
      Doors.layer().pipe(Layer.provide([
        user === undefined
          ? Layer.succeed(Authenticator.Authenticator)({
            authenticate: () => Authenticator.unauthorized("No."),
            verify: () => Authenticator.unauthorized("No.")
          })
          : Known({ user }),
        Rates.layerMemory()
      ]))
    const authorize = (_: unknown, room: string) =>
      Effect.sync(() => {
        seen.push(room)
        return { user: "mallory", labels: `["red"]` }
      })
    const refusing = yield* serve(doors(undefined), { authorize })
    assert.strictEqual((yield* refusing.fetch({})).status, 401)
    assert.deepStrictEqual(seen, [])
    const app = yield* serve(doors("ada"), { authorize })
    assert.deepStrictEqual(yield* app.hears(yield* app.fetch({})), ["ada in tea"])
    const no = yield* serve(doors("ada"), { authorize: () => Problem.make(403, "Not today.") })
    assert.strictEqual((yield* no.fetch({})).status, 403)
  }))
