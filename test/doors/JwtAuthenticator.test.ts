import { assert, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as jose from "jose"
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as Problem from "../../src/domain/Problem.ts"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import { InvalidOption } from "../../src/doors/InvalidOption.ts"
import * as JwtAuthenticator from "../../src/doors/JwtAuthenticator.ts"

const secret = Redacted.make("a secret of at least thirty-two bytes")

// It is ten minutes past 1970.
const now = 600

const sign = (claims: jose.JWTPayload, key: jose.CryptoKey | Uint8Array, header: jose.JWTHeaderParameters) =>
  Effect.promise(() => new jose.SignJWT(claims).setProtectedHeader(header).sign(key))

const signed = (claims: jose.JWTPayload) =>
  sign(claims, new TextEncoder().encode(Redacted.value(secret)), { alg: "HS256" })

const ada = { sub: "ada", exp: now + 60 }

const authenticator = Effect.fnUntraced(function*(options: JwtAuthenticator.Options) {
  yield* TestClock.setTime(now * 1_000)
  return yield* Effect.provide(Authenticator.Authenticator, JwtAuthenticator.layer(options))
})

const verifying = (options: JwtAuthenticator.Options) =>
  Effect.map(authenticator(options), ({ verify }) => (token: string) => verify(Redacted.make(token)))

// A refusal is a whole problem, and repeats nothing.
const refused = Effect.fnUntraced(function*(
  verified: Effect.Effect<unknown, Problem.Problem>,
  token: string,
  why = ""
) {
  const problem = yield* Effect.flip(verified).pipe(Effect.catch(() => Effect.die(`It was let in: ${why}`)))
  assert.strictEqual(problem.status, 401, why)
  assert.strictEqual(problem.headers["www-authenticate"], `Bearer error="invalid_token"`)
  const response = Problem.toResponse(problem)
  assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
  const told = JSON.stringify([yield* Effect.promise(() => response.text()), [...response.headers]])
  for (const part of token.split(".")) if (part.length > 8) assert.notInclude(told, part)
  for (const word of ["ada", "mallory"]) assert.notInclude(told, word)
  return problem.detail
})

const pair = (alg: string) => Effect.promise(() => jose.generateKeyPair(alg, { extractable: true }))

const publicKeys = Effect.fnUntraced(function*(keys: Readonly<Record<string, jose.GenerateKeyPairResult>>) {
  return {
    keys: yield* Effect.promise(() =>
      Promise.all(
        Object.entries(keys).map(async ([kid, { publicKey }]) => ({ ...await jose.exportJWK(publicKey), kid }))
      )
    )
  }
})

it.effect("a token says who somebody is, with which labels, where and until when (AU-4, AU-6)", () =>
  Effect.gen(function*() {
    const verify = yield* verifying({ secret })
    const token = yield* signed({ ...ada, iat: now, labels: ["admin", "admin", "red"], rooms: ["tea", "team-*"] })
    assert.deepStrictEqual(yield* verify(token), {
      user: "ada",
      labels: ["admin", "red"],
      rooms: ["tea", "team-*"],
      expiresAt: (now + 65) * 1_000,
      issuedAt: now * 1_000
    })
    assert.deepStrictEqual(yield* verify(yield* signed(ada)), {
      user: "ada",
      labels: [],
      rooms: undefined,
      expiresAt: (now + 65) * 1_000,
      issuedAt: undefined
    })
    const named = yield* verifying({ secret, labels: "https://id.invalid/roles", rooms: "scope" })
    const others = { "https://id.invalid/roles": ["admin"], scope: [], labels: 7, rooms: 7 }
    assert.deepInclude(yield* named(yield* signed({ ...ada, ...others })), { labels: ["admin"], rooms: [] })
  }))

it.effect("a token is taken from a request; without one the answer says what is missing (AU-2, AU-8)", () =>
  Effect.gen(function*() {
    const { authenticate } = yield* authenticator({ secret })
    const token = yield* signed(ada)
    const request = (headers: Record<string, string>) => new Request("https://room.invalid/", { headers })
    for (const headers of [{ authorization: `Bearer ${token}` }, { "sec-websocket-protocol": `bearer, ${token}` }]) {
      assert.strictEqual((yield* authenticate(request(headers))).user, "ada")
    }
    for (const headers of [{}, { authorization: "Basic eA==" }]) {
      const problem = yield* Effect.flip(authenticate(request(headers)))
      assert.strictEqual(problem.status, 401)
      assert.deepStrictEqual({ ...problem.headers }, { "www-authenticate": "Bearer" })
    }
  }))

it.effect("a token is good between its times and for those whom it names, by the clock of the program (AU-5)", () =>
  Effect.gen(function*() {
    const verify = yield* verifying({ secret, issuer: "https://id.invalid", audience: ["tea", "coffee"] })
    const good = { ...ada, iss: "https://id.invalid", aud: "tea" }
    yield* verify(yield* signed(good))
    yield* verify(yield* signed({ ...good, aud: ["x", "coffee"] }))
    for (
      const wrong of [
        { iss: "https://id.invalid/" },
        { iss: undefined },
        { iss: ["https://id.invalid"] },
        { aud: "te" },
        { aud: ["x"] },
        { aud: undefined },
        { aud: { tea: 1 } },
        { nbf: now + 6 },
        { iat: now + 6 },
        { exp: now - 5 },
        { exp: 0 },
        { exp: undefined }
      ]
    ) {
      // SAFETY: what is wrong may be of a wrong type, too.
      const token = yield* signed({ ...good, ...wrong } as jose.JWTPayload)
      yield* refused(verify(token), token, JSON.stringify(wrong))
    }
    // Five seconds of difference are none.
    const token = yield* signed({ ...good, iat: now + 5, nbf: now + 5, exp: now - 4 })
    yield* verify(token)
    yield* TestClock.adjust("999 millis")
    yield* verify(token)
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(yield* refused(verify(token), token), "The token has expired.")
    const exact = yield* verifying({ secret, skew: 0 })
    const ended = yield* signed({ ...ada, exp: now })
    yield* refused(exact(ended), ended)
    assert.strictEqual((yield* exact(yield* signed({ ...ada, exp: now + 1 }))).expiresAt, (now + 1) * 1_000)
  }))

it.effect("a token that never expires is for those who want it (AU-5)", () =>
  Effect.gen(function*() {
    const endless = yield* signed({ sub: "ada" })
    assert.strictEqual(yield* refused((yield* verifying({ secret }))(endless), endless), "The token never expires.")
    const verify = yield* verifying({ secret, unexpiring: true })
    assert.isUndefined((yield* verify(endless)).expiresAt)
    const ended = yield* signed({ sub: "ada", exp: now - 60 })
    yield* refused(verify(ended), ended)
  }))

it.effect("claims of another form are refused, never a fault (AU-6)", () =>
  Effect.gen(function*() {
    const verify = yield* verifying({ secret, unexpiring: true })
    const list = (length: number) => Array.from({ length }, (_, index) => `label ${index}`)
    yield* verify(yield* signed({ ...ada, sub: "u".repeat(254), labels: ["ä".repeat(127), ...list(5)] }))
    for (
      const wrong of [
        { sub: undefined },
        { sub: "" },
        { sub: 7 },
        { sub: null },
        { sub: ["ada"] },
        { sub: { toString: "ada" } },
        { sub: "u".repeat(255) },
        { sub: "ü".repeat(128) },
        { sub: "\ud800" },
        { labels: "admin" },
        { labels: null },
        { labels: [7] },
        { labels: [""] },
        { labels: [["admin"]] },
        { labels: { 0: "admin", length: 1 } },
        { labels: list(7) },
        { labels: ["l".repeat(255)] },
        { labels: ["\udc00"] },
        { rooms: "tea" },
        { rooms: [7] },
        { rooms: null },
        { exp: "never" },
        { exp: null },
        { exp: -1 },
        { exp: 8_640_000_000_001 },
        { iat: "now" },
        { iat: -1 },
        { iat: [now] },
        { nbf: "now" }
      ]
    ) {
      // SAFETY: what is wrong may be of a wrong type, too.
      const token = yield* signed({ ...ada, ...wrong } as unknown as jose.JWTPayload)
      yield* refused(verify(token), token, JSON.stringify(wrong))
    }
    // What no program writes, but JSON can say.
    const key = new TextEncoder().encode(Redacted.value(secret))
    for (
      const payload of [
        `{"sub":"ada","exp":1e400}`,
        `{"sub":"ada","iat":1e400}`,
        `{"__proto__":{"sub":"ada"},"exp":1000}`,
        `{"sub":"ada","exp":1000,"labels":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
        `["ada"]`,
        `null`,
        `"ada"`,
        `{"sub":"ada"`,
        ``
      ]
    ) {
      const token = yield* Effect.promise(() =>
        new jose.CompactSign(new TextEncoder().encode(payload)).setProtectedHeader({ alg: "HS256" }).sign(key)
      )
      yield* refused(verify(token), token, payload)
    }
  }))

it.effect("tokens are signed with the algorithms and the keys that the options name (AU-4)", () =>
  Effect.gen(function*() {
    const algorithms = ["RS256", "ES256", "EdDSA"] as const
    const [rs, es, ed] = yield* Effect.forEach(algorithms, pair)
    const keys = { rs: rs!, es: es!, ed: ed! }
    const jwks = yield* publicKeys(keys)
    const verify = yield* verifying({ jwks })
    const onlyRsa = yield* verifying({ jwks, algorithms: ["RS256"] })
    for (const [index, { privateKey }] of Object.values(keys).entries()) {
      const alg = algorithms[index]!
      for (const header of [{ alg }, { alg, kid: Object.keys(keys)[index]! }]) {
        const token = yield* sign(ada, privateKey, header)
        assert.strictEqual((yield* verify(token)).user, "ada")
        if (alg === "RS256") yield* onlyRsa(token)
        else yield* refused(onlyRsa(token), token, alg)
      }
      const token = yield* sign(ada, privateKey, { alg, kid: "another" })
      yield* refused(verify(token), token, "an unknown key")
      const { privateKey: foreign } = yield* pair(alg)
      const forged = yield* sign(ada, foreign, { alg, kid: Object.keys(keys)[index]! })
      yield* refused(verify(forged), forged, "a foreign key")
    }
    const { privateKey: strong } = yield* pair("RS512")
    const token = yield* sign(ada, strong, { alg: "RS512" })
    yield* refused(verify(token), token, "RS512")
  }))

it.effect("no header makes a token good (AU-4)", () =>
  Effect.gen(function*() {
    const rs = yield* pair("RS256")
    const jwks = yield* publicKeys({ rs })
    const spki = yield* Effect.promise(() => jose.exportSPKI(rs.publicKey))
    const byKeys = yield* verifying({ jwks })
    const bySecret = yield* verifying({ secret })
    const encode = (value: unknown) => jose.base64url.encode(JSON.stringify(value))
    const payload = encode(ada)
    // A public key is no shared secret, neither as text nor as JSON.
    for (const text of [spki, spki.trim(), JSON.stringify(jwks.keys[0])]) {
      const token = yield* sign(ada, new TextEncoder().encode(text), { alg: "HS256", kid: "rs" })
      yield* refused(byKeys(token), token, "HS256 with the public key")
    }
    const foreign = yield* sign(ada, rs.privateKey, { alg: "RS256", kid: "rs" })
    yield* byKeys(foreign)
    yield* refused(bySecret(foreign), foreign, "RS256 for a secret")
    for (const alg of ["HS384", "HS512"]) {
      const token = yield* sign(ada, new Uint8Array(64), { alg })
      yield* refused(bySecret(token), token, alg)
    }
    const good = yield* signed(ada)
    const [head, , signature] = good.split(".")
    const own = yield* Effect.promise(() => jose.exportJWK(rs.publicKey))
    for (
      const token of [
        ...["none", "None", "NONE", "nOnE", "", "HS256 ", 7, null, ["HS256"]].map((alg) =>
          `${encode({ alg })}.${payload}.`
        ),
        `${encode({ alg: "none" })}.${payload}.${signature}`,
        `${encode({ alg: "HS256" })}.${payload}.`,
        `${head}.${encode({ ...ada, sub: "mallory" })}.${signature}`,
        `${encode({ alg: "HS256", jwk: own })}.${payload}.${signature}`,
        `${encode({ alg: "HS256", crit: ["exp"], exp: 1 })}.${payload}.${signature}`,
        `${encode({ alg: "HS256", b64: false, crit: ["b64"] })}.${payload}.${signature}`,
        `${good}.${signature}.${signature}`,
        ` ${good}`,
        `${good.slice(0, -4)}`,
        `${head}.${payload}`,
        "..",
        "a.b.c",
        ".".repeat(5_000),
        "x".repeat(100_000),
        `${"[".repeat(50_000)}.a.b`,
        `${jose.base64url.encode("[".repeat(20_000))}.${payload}.${signature}`,
        "\u0000",
        "ä.ö.ü",
        "\ud800.a.b"
      ]
    ) {
      yield* refused(bySecret(token), token, token.slice(0, 100))
      yield* refused(byKeys(token), token, token.slice(0, 100))
    }
  }))

it.effect("options that cannot be are told when the layer is built, without the secret (AU-10)", () =>
  Effect.gen(function*() {
    const failing = (options: JwtAuthenticator.Options) => Effect.flip(Layer.build(JwtAuthenticator.layer(options)))
    const short = yield* failing({ secret: Redacted.make("s3cr3t-".repeat(4)) })
    assert.instanceOf(short, InvalidOption)
    assert.strictEqual(short.message, "The option secret: It has less than 32 bytes.")
    // Bytes are counted, not characters.
    yield* Layer.build(JwtAuthenticator.layer({ secret: Redacted.make("ä".repeat(16)) }))
    assert.strictEqual((yield* failing({ secret: Redacted.make("") })).option, "secret")
    for (const jwks of [{}, { keys: {} }, { keys: [7] }]) {
      // SAFETY: this is what may stand in a variable.
      assert.strictEqual((yield* failing({ jwks: jwks as jose.JSONWebKeySet })).option, "jwks")
    }
    for (const skew of [Duration.infinity, "abc" as Duration.Input]) {
      assert.strictEqual((yield* failing({ secret, skew })).option, "skew")
    }
    // SAFETY: this is what may stand in a variable.
    assert.strictEqual((yield* failing({} as JwtAuthenticator.Options)).option, "jwks")
    for (const address of ["http://id.example/keys", "file:///keys", "ftp://id.example/keys"]) {
      assert.strictEqual((yield* failing({ jwks: new URL(address) })).option, "jwks", address)
    }
    assert.strictEqual((yield* failing({ jwks: { keys: [] } })).option, "jwks")
    for (const algorithms of [[], ["none"], ["RS256", "HS256"]]) {
      const jwks = new URL("https://id.example/keys")
      // SAFETY: as above.
      assert.strictEqual((yield* failing({ jwks, algorithms: algorithms as ["RS256"] })).option, "algorithms")
    }
  }))

// Serves a key set, as a test says.
const serveKeys = Effect.fnUntraced(function*(answer: (response: http.ServerResponse) => void) {
  const asked: Array<string> = []
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? "")
    answer(response)
  }).listen(0, "127.0.0.1")
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server, "listening")),
    () => Effect.sync(() => (server.close(), server.closeAllConnections()))
  )
  // SAFETY: it listens on TCP.
  const { port } = server.address() as AddressInfo
  return { asked, url: new URL(`http://127.0.0.1:${port}/jwks.json`) }
})

it.effect("keys are asked for once, and again when a token names an unknown one (AU-7)", () =>
  Effect.gen(function*() {
    const [rs, es] = [yield* pair("RS256"), yield* pair("ES256")]
    const jwks = yield* publicKeys({ rs, es })
    const { asked, url } = yield* serveKeys((response) => response.end(JSON.stringify(jwks)))
    const verify = yield* verifying({ jwks: url })
    assert.lengthOf(asked, 0)
    for (const [kid, alg, { privateKey }] of [["rs", "RS256", rs], ["es", "ES256", es]] as const) {
      assert.strictEqual((yield* verify(yield* sign(ada, privateKey, { alg, kid }))).user, "ada")
    }
    const forged = yield* sign(ada, rs.privateKey, { alg: "RS256", kid: "another" })
    for (let time = 0; time < 5; time++) yield* refused(verify(forged), forged)
    assert.lengthOf(asked, 1)
    // Nobody asks for a key for what can have none.
    const unasked = yield* serveKeys((response) => response.end(JSON.stringify(jwks)))
    yield* refused((yield* verifying({ jwks: unasked.url }))("a.b.c"), "a.b.c")
    const shared = yield* signed(ada)
    yield* refused((yield* verifying({ jwks: unasked.url }))(shared), shared)
    assert.lengthOf(unasked.asked, 0)
  }))

it.effect("where the keys do not come, the answer is 503, and the log says why (AU-7)", () =>
  Effect.gen(function*() {
    const rs = yield* pair("RS256")
    const token = yield* sign(ada, rs.privateKey, { alg: "RS256", kid: "rs" })
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
    let answer: (response: http.ServerResponse) => void = () => undefined
    const { url } = yield* serveKeys((response) => answer(response))
    const verify = yield* verifying({ jwks: url, timeout: "50 millis" })
    for (
      const failing of [
        (response: http.ServerResponse) => response.destroy(),
        () => undefined,
        (response: http.ServerResponse) => response.writeHead(500).end(),
        (response: http.ServerResponse) => response.writeHead(302, { location: "/elsewhere" }).end(),
        (response: http.ServerResponse) => response.end("<html>"),
        (response: http.ServerResponse) => response.end("{}"),
        // This is a set, but its key is none.
        (response: http.ServerResponse) => response.end(JSON.stringify({ keys: [{ kid: "rs", kty: "RSA", n: 7 }] }))
      ]
    ) {
      answer = failing
      const problem = yield* Effect.flip(verify(token)).pipe(Effect.provide(logger))
      assert.strictEqual(problem.status, 503)
      assert.strictEqual(problem.headers["retry-after"], "5")
      assert.notInclude(problem.detail, "127.0.0.1")
      assert.include(lines.at(-1), "The keys of tokens are unavailable")
      assert.notInclude(lines.at(-1), token)
    }
    assert.lengthOf(lines, 7)
  }))

it.effect("after an outage the keys come again (AU-7)", () =>
  Effect.gen(function*() {
    const rs = yield* pair("RS256")
    const jwks = yield* publicKeys({ rs })
    const token = yield* sign(ada, rs.privateKey, { alg: "RS256", kid: "rs" })
    let isAway = true
    const { url } = yield* serveKeys((response) => isAway ? response.destroy() : response.end(JSON.stringify(jwks)))
    const verify = yield* verifying({ jwks: url })
    assert.strictEqual((yield* Effect.flip(verify(token))).status, 503)
    isAway = false
    assert.strictEqual((yield* verify(token)).user, "ada")
  }))

it.effect("the examples take tokens of a secret from the environment, and of a provider (AU-4, EX-2)", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(now * 1_000)
    const AuthenticatorLive = Layer.unwrap(
      Effect.map(Config.Redacted("TOKEN_SECRET"), (secret) => JwtAuthenticator.layer({ secret, audience: "rooms" }))
    )
    const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ TOKEN_SECRET: Redacted.value(secret) }))
    const { verify } = yield* Effect.provide(
      Authenticator.Authenticator,
      Layer.provide(AuthenticatorLive, environment)
    )
    assert.strictEqual((yield* verify(Redacted.make(yield* signed({ ...ada, aud: "rooms" })))).user, "ada")
    const ProviderLive = JwtAuthenticator.layer({
      jwks: new URL("https://id.example/.well-known/jwks.json"),
      algorithms: ["RS256"],
      issuer: "https://id.example/",
      audience: "https://rooms.example",
      labels: "https://id.example/roles"
    })
    const provider = yield* Effect.provide(Authenticator.Authenticator, ProviderLive)
    assert.strictEqual((yield* Effect.flip(provider.verify(Redacted.make(yield* signed(ada))))).status, 401)
  }))
