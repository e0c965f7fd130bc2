import { assert, it } from "@effect/vitest"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as jose from "jose"
import type * as Claims from "../../src/domain/Claims.ts"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Doors from "../../src/doors/Doors.ts"
import * as JwtAuthenticator from "../../src/doors/JwtAuthenticator.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DurableRates from "../../src/durable/DurableRates.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RequestClaims from "../../src/durable/RequestClaims.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Lobby } from "../contract/Lobby.ts"
import * as World from "./world.ts"

const RatesLive = DurableRates.layer({ connects: "CONNECTS", newRooms: "NEW_ROOMS" })

const withBindings = <A, E>(layer: Layer.Layer<A, E, Bindings.Bindings>) => Layer.provide(layer, Bindings.layer(env))

it.effect("Cloudflare's bindings count, each by itself and each address by itself (RA-4)", () =>
  Effect.gen(function*() {
    const rates = yield* Effect.provide(Rates.Rates, withBindings(RatesLive))
    const take = (what: Rates.What, address: string) => Effect.replicateEffect(rates.take(what, address), 5)
    assert.deepStrictEqual(yield* take("connects", "192.0.2.1"), [undefined, undefined, undefined, 60, 60])
    assert.deepStrictEqual(yield* take("newRooms", "192.0.2.1"), [undefined, 60, 60, 60, 60])
    assert.deepStrictEqual(yield* rates.take("connects", "2001:db8::/64"), undefined)
    const others = DurableRates.layer({ newRooms: "NEW_ROOMS", period: "10 seconds" })
    const partial = yield* Effect.provide(Rates.Rates, withBindings(others))
    assert.strictEqual(yield* partial.take("newRooms", "192.0.2.1"), 10)
    assert.strictEqual(yield* partial.take("connects", "192.0.2.1"), undefined)
  }))

it.effect("a binding that does not answer refuses nobody, and the log says so (RA-4)", () =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
    const broken = { limit: () => Promise.reject(new Error("the binding is away")) }
    const rates = yield* Effect.provide(
      Rates.Rates,
      Layer.provide(RatesLive, Bindings.layer({ ...env, CONNECTS: broken }))
    )
    assert.strictEqual(yield* Effect.provide(rates.take("connects", "192.0.2.9"), logger), undefined)
    assert.lengthOf(lines, 1)
    assert.include(lines[0], "the binding is away")
  }))

const secret = Redacted.make("a secret of at least thirty-two bytes")

const sign = (key: jose.CryptoKey | Uint8Array, alg: string) =>
  Effect.promise(() =>
    new jose.SignJWT({ sub: "ada", exp: 4_000_000_000, labels: ["admin"] }).setProtectedHeader({ alg, kid: alg }).sign(
      key
    )
  )

it.effect("the runtime verifies every algorithm (AU-4)", () =>
  Effect.gen(function*() {
    const verifying = (options: JwtAuthenticator.Options) =>
      Effect.provide(Authenticator.Authenticator, JwtAuthenticator.layer(options))
    const keys: Array<jose.JWK> = []
    const tokens: Array<string> = []
    for (const alg of ["RS256", "ES256", "EdDSA"]) {
      const { privateKey, publicKey } = yield* Effect.promise(() => jose.generateKeyPair(alg, { extractable: true }))
      keys.push({ ...(yield* Effect.promise(() => jose.exportJWK(publicKey))), kid: alg })
      tokens.push(yield* sign(privateKey, alg))
    }
    const { verify } = yield* verifying({ jwks: { keys } })
    for (const token of tokens) {
      assert.strictEqual((yield* verify(Redacted.make(token))).user, "ada")
      const forged = `${token.slice(0, -8)}AAAAAAAA`
      assert.strictEqual((yield* Effect.flip(verify(Redacted.make(forged)))).status, 401)
    }
    const away = yield* verifying({ jwks: new URL("http://127.0.0.1:1/jwks.json") })
    assert.strictEqual((yield* Effect.flip(away.verify(Redacted.make(tokens[0]!)))).status, 503)
  }))

it.effect("an object is entered through the doors, and its room is handed no token (AU-2, AU-3, HT-5)", () =>
  Effect.gen(function*() {
    const token = yield* sign(new TextEncoder().encode(Redacted.value(secret)), "HS256")
    const DoorsLive = Doors.layer().pipe(Layer.provide([JwtAuthenticator.layer({ secret }), RatesLive]))
    // The objects are reached as they are, and it is seen with what.
    const sent: Array<readonly [url: string, headers: Headers, claims: Claims.Claims]> = []
    const RoomsLive = Layer.succeed(Rooms.key(Lobby))(DurableRooms.make(Lobby, {
      getByName: (name: string): unknown => ({
        fetch: (request: Request) => {
          sent.push([request.url, request.headers, RequestClaims.of(request)])
          return env.LOBBY.getByName(name).fetch(request)
        }
      })
    }))
    const { handler } = HttpRouter.toWebHandler(
      RoomRoutes.layer(Lobby, { doors: Doors.Doors }).pipe(
        Layer.provide([DoorsLive, RoomsLive]),
        Layer.provide(Bindings.layer(env))
      ),
      { disableLogger: true }
    )
    const ask = (query: string, headers: Record<string, string>) =>
      Effect.promise(() =>
        handler(
          new Request(`https://app.invalid/rooms/doors${query}`, {
            headers: { upgrade: "websocket", "cf-connecting-ip": "192.0.2.7", ...headers }
          })
        )
      )
    for (
      const [query, headers, subprotocol] of [
        ["?user=ada", { "sec-websocket-protocol": `bearer, ${token}, plain` }, "plain"],
        [`?token=${token}&user=ada`, {}, null],
        ["?user=ada", { "sec-websocket-protocol": `bearer, ${token}`, authorization: `Bearer ${token}` }, null]
      ] as const
    ) {
      const response = yield* ask(query, headers)
      assert.strictEqual(response.status, 101)
      assert.strictEqual(response.headers.get("sec-websocket-protocol"), subprotocol)
      assert.isTrue(yield* World.isAlive(response))
      const [url, handed, claims] = sent.at(-1)!
      assert.strictEqual(url, "https://app.invalid/rooms/doors?user=ada")
      assert.notInclude(JSON.stringify([...handed]), token)
      assert.deepStrictEqual(claims, {
        user: "ada",
        labels: `["admin"]`,
        expiresAt: "4000000005000",
        address: "192.0.2.7"
      })
    }
    const limited = yield* ask("", {})
    assert.strictEqual(limited.status, 429)
    assert.strictEqual(limited.headers.get("retry-after"), "60")
    assert.strictEqual((yield* ask("", { origin: "https://evil.invalid" })).status, 403)
    assert.lengthOf(sent, 3)
  }))

it.effect("a binding that does not answer holds nobody up for more than a second (RA-4)", () =>
  Effect.gen(function*() {
    const { take } = DurableRates.make({ connects: { limit: () => new Promise(() => {}) } })
    const taking = yield* Effect.forkChild(take("connects", "192.0.2.1"), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    assert.isUndefined(yield* Fiber.join(taking))
  }))
