import { assert, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as RoomName from "../../src/domain/RoomName.ts"
import * as ApiToken from "../../src/http/ApiToken.ts"
import * as RoomsApi from "../../src/http/RoomsApi.ts"
import * as RoomsApiRoutes from "../../src/http/RoomsApiRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import { type Fate, fated, Hall, HallLive } from "../contract/Hall.ts"

const read = (API_TOKEN: unknown) =>
  Effect.provideService(
    ApiToken.configured,
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown(API_TOKEN === undefined ? {} : { API_TOKEN })
  )

const token = (letter: string) => letter.repeat(16)

const entry = (letter: string, ...scopes: ReadonlyArray<ApiToken.Scope>) => ({ token: token(letter), scopes })

const nobody = "00000000-0000-4000-8000-000000000000"

// Each endpoint, and the scope that it needs.
const endpoints = [
  ["publish", "POST", "/api/rooms/lobby/publications", { message: "hi" }],
  ["list", "GET", "/api/rooms", undefined],
  ["list", "GET", "/api/rooms/lobby/connections", undefined],
  ["list", "HEAD", "/api/rooms/lobby/connections", undefined],
  ["disconnect", "DELETE", `/api/rooms/lobby/connections/${nobody}`, undefined],
  ["disconnect", "DELETE", "/api/rooms/lobby/connections?user=ada", undefined],
  ["disconnect", "POST", "/api/rooms/lobby/drain", { over: 0 }]
] as const

const halls = Effect.suspend(() => {
  const fate: Fate = { isAway: false, writes: [] }
  return Layer.build(Layer.provide(MemoryRooms.layer(Hall, HallLive), fated(fate)))
})

const serve = Effect.fnUntraced(function*(tokens: ReadonlyArray<ApiToken.ApiToken>) {
  const routes = RoomsApiRoutes.make(Hall, { authorize: ApiToken.authorize(tokens) })
  const handle = yield* Effect.provideContext(routes, yield* halls)
  return (letter: string, method: string, path: string, body?: unknown) =>
    handle(
      new Request(`https://app.invalid${path}`, {
        method,
        headers: { authorization: `Bearer ${token(letter)}`, "content-type": "application/json" },
        ...(body !== undefined && { body: JSON.stringify(body) })
      })
    )
})

it.effect("a plain text is one token, for everything (AI-5, AI-12)", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* read(undefined), [])
    assert.deepStrictEqual(yield* read(""), [])
    for (const text of ["secret", "a [token]", "\"quoted\"", "null", "0"]) {
      const [one, ...others] = yield* read(text)
      assert.deepStrictEqual([one && Redacted.value(one.token), others], [text, []])
      assert.sameMembers([...one!.scopes], ["publish", "list", "disconnect"])
    }
  }))

it.effect("of several tokens each may do what its scopes say, and a plain 403 tells what it lacks (AI-12)", () =>
  Effect.gen(function*() {
    const tokens = yield* read(
      JSON.stringify([
        entry("p", "publish"),
        entry("l", "list"),
        entry("d", "disconnect"),
        entry("b", "list", "publish")
      ])
    )
    const ask = yield* serve(tokens)
    const given = { p: ["publish"], l: ["list"], d: ["disconnect"], b: ["publish", "list"], x: undefined }
    for (const [letter, scopes] of Object.entries<ReadonlyArray<string> | undefined>(given)) {
      for (const [scope, method, path, body] of endpoints) {
        const response = yield* ask(letter, method, path, body)
        const what = `${letter} ${method} ${path}`
        if (scopes?.includes(scope)) {
          assert.strictEqual(response.status, path.endsWith(nobody) ? 404 : 200, what)
          continue
        }
        assert.strictEqual(response.status, scopes === undefined ? 401 : 403, what)
        assert.strictEqual(
          response.headers.get("www-authenticate"),
          scopes === undefined ? "Bearer" : `Bearer error="insufficient_scope", scope="${scope}"`
        )
        assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
        const { detail, ...problem } = yield* Effect.promise(() => response.json() as Promise<Record<string, unknown>>)
        assert.deepStrictEqual(
          problem,
          scopes === undefined
            ? { type: "about:blank", title: "Unauthorized", status: 401 }
            : { type: "about:blank", title: "Forbidden", status: 403 }
        )
        assert.notInclude(String(detail), token(letter))
      }
    }
  }))

it.effect("a token is replaced without a gap: the old and the new one are both let in (AI-12)", () =>
  Effect.gen(function*() {
    const ask = yield* serve(yield* read(JSON.stringify([entry("o", "list"), entry("n", "list")])))
    for (const letter of ["o", "n"]) assert.strictEqual((yield* ask(letter, "GET", "/api/rooms")).status, 200)
    const later = yield* serve(yield* read(JSON.stringify([entry("n", "list")])))
    assert.strictEqual((yield* later("o", "GET", "/api/rooms")).status, 401)
  }))

it.effect("an empty token lets nobody in, whatever its scopes (AI-5)", () =>
  Effect.gen(function*() {
    const authorize = ApiToken.authorize([{ token: Redacted.make(""), scopes: ["list"] }])
    for (const authorization of ["", "Bearer", "Bearer ", "Bearer  "]) {
      const request = new Request("https://app.invalid", { headers: { authorization } })
      assert.strictEqual((yield* Effect.flip(authorize(request, "lobby", "list"))).status, 401)
    }
  }))

it.effect("what is wrong with the tokens is told, and no token is (AI-13)", () =>
  Effect.gen(function*() {
    const secret = "s3cr3t-s3cr3t-s3cr3t"
    const one = { token: secret, scopes: ["list"] }
    const wrong = [
      [`[${secret}`, /JSON[^]*API_TOKEN/],
      [`  {"token": "${secret}", "scopes": ["list"]}`, /array[^]*API_TOKEN/],
      ["[]", /API_TOKEN"\]\[0\]/],
      [[secret], /object[^]*\[0\]/],
      [[{ [secret]: ["list"] }], /`token` and `scopes`[^]*\[0\]/],
      [[{ ...one, until: 0 }], /`token` and `scopes`[^]*\[0\]/],
      [[{ scopes: ["list"] }], /\[0\]\["token"\]/],
      [[{ token: secret }], /\[0\]\["scopes"\]/],
      [[one, { ...one, token: "" }], /16 visible[^]*\[1\]\["token"\]/],
      [[{ ...one, token: "s3cr3t-s3cr3t-s" }], /16 visible[^]*\["token"\]/],
      [[{ ...one, token: `${secret} ` }], /16 visible[^]*\["token"\]/],
      [[{ ...one, token: `${secret}\n` }], /16 visible[^]*\["token"\]/],
      [[{ ...one, token: `${secret}é` }], /16 visible[^]*\["token"\]/],
      [[{ ...one, token: 3 }], /string[^]*\["token"\]/],
      [[{ ...one, scopes: [] }], /\["scopes"\]/],
      [[{ ...one, scopes: "list" }], /array[^]*\["scopes"\]/],
      [[{ ...one, scopes: ["list", secret] }], /"publish" \| "list" \| "disconnect"[^]*\["scopes"\]\[1\]/],
      [[one, one], /each token once/]
    ] as const
    for (const [value, expected] of wrong) {
      const error = yield* Effect.flip(read(typeof value === "string" ? value : JSON.stringify(value)))
      assert.match(error.message, expected, JSON.stringify(value))
      assert.notInclude(error.message, "s3cr3t")
    }
    assert.strictEqual((yield* read(JSON.stringify([one]))).length, 1)
  }))

it.effect("a client learns that its token lacks the scope (AI-12, AI-7)", () =>
  Effect.gen(function*() {
    const authorize = ApiToken.authorize(yield* read(JSON.stringify([entry("p", "publish")])))
    const handle = yield* Effect.provideContext(RoomsApiRoutes.make(Hall, { authorize }), yield* halls)
    const run = Effect.runPromiseWith(yield* Effect.context<never>())
    const HttpClientLive = FetchHttpClient.layer.pipe(
      Layer.provide(
        Layer.succeed(FetchHttpClient.Fetch, (input, init) => run(handle(new Request(input, init))))
      )
    )
    const { rooms } = yield* HttpApiClient.make(RoomsApi.make(Hall), { baseUrl: "https://app.invalid" }).pipe(
      Effect.provide(Layer.merge(HttpClientLive, RoomsApi.layerClient(Redacted.make(token("p")))))
    )
    const params = { room: RoomName.RoomName.make("lobby") }
    assert.deepStrictEqual(yield* rooms.publish({ params, payload: { message: "hi" } }), { delivered: 0, failed: 0 })
    const refused = yield* Effect.flip(rooms.list({ query: {} }))
    if (refused._tag !== "Forbidden") return assert.fail(refused._tag)
    assert.include(refused.detail, "`list`")
  }))
