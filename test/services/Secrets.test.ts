/**
 * What clients send stands in no log line, whichever handler fails with it.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import type * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as ApiToken from "../../src/http/ApiToken.ts"
import * as RoomsApiRoutes from "../../src/http/RoomsApiRoutes.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as LogLine from "../../src/services/LogLine.ts"
import * as Room from "../../src/services/Room.ts"
import * as SqliteClient from "../../src/services/SqliteClient.ts"
import { Ticker, TickerLive } from "../rpc/Ticker.ts"

const secret = "s3cr3t-s3cr3t-s3cr3t"

class Refused extends Schema.TaggedError<Refused>()("Refused", { text: Schema.String }) {}

class Broken extends Schema.TaggedError<Broken>()("Broken", { cause: Schema.Defect() }) {}

const Short = Schema.String.check(Schema.isMaxLength(12))

const Vault = Room.make("vault", {
  receive: Schema.Struct({ how: Schema.String, text: Schema.String }),
  send: Schema.Struct({ text: Short }),
  state: Schema.Struct({ note: Schema.String.check(Schema.isMaxLength(10_000)) }),
  deadlines: { later: Short },
  methods: [Rpc.make("put", { payload: { text: Short }, success: Short })]
})

/** The ways in which a handler fails with what a client has sent. */
const ways: Readonly<
  Record<
    string,
    (vault: typeof Vault.Service, id: ConnectionId.ConnectionId, text: string) => Effect.Effect<unknown, unknown>
  >
> = {
  decode: (_, __, text) => Schema.decodeEffect(Short)(text),
  json: (_, __, text) => Schema.decodeEffect(Schema.fromJsonString(Schema.Json))(text),
  send: (vault, _, text) => vault.broadcast({ text }),
  unfit: (vault, id, text) => vault.setState(id, { note: text.repeat(1_000) }),
  state: (vault, id, text) => vault.setState(id, { note: `${text}${"\u0416".repeat(9_900)}` }),
  close: (vault, id, text) => vault.close(id, { code: 4000, reason: text.repeat(10) }),
  typed: (_, __, text) => Effect.fail(new Refused({ text })),
  caused: (_, __, text) => Effect.fail(new Broken({ cause: new Refused({ text }) })),
  defect: (_, __, text) => Effect.die(new Refused({ text })),
  later: (vault, _, text) => vault.deadlines.later.set("x", "1 second", text.slice(0, 12)),
  unfitLater: (vault, _, text) => vault.deadlines.later.set("x", "1 second", text)
}

const VaultLive = Layer.provide(
  Vault.toLayer(Effect.gen(function*() {
    const room = yield* Vault
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE IF NOT EXISTS kept (text TEXT UNIQUE)`
    return {
      connect: ({ headers, url }) => {
        const query = new URL(url).searchParams
        const user = headers.get("x-user") ?? undefined
        return query.has("fail")
          ? Effect.die(new Refused({ text: query.get("fail")! }))
          : Effect.succeed({ state: { note: query.get("token") ?? "" }, user })
      },
      open: ({ state }) => state.note === "" ? Effect.void : Effect.fail(new Refused({ text: state.note })),
      message: Effect.fnUntraced(function*({ id }, { how, text }) {
        if (how === "sql") yield* Effect.replicateEffect(sql`INSERT INTO kept VALUES (${text})`, 2)
        else yield* ways[how]!(room, id, text)
      }),
      close: (_, { reason }) => reason === "" ? Effect.void : Effect.fail(new Refused({ text: reason })),
      deadlines: { later: (_, text) => Effect.fail(new Refused({ text })) },
      methods: { put: ({ text }) => Effect.die(new Refused({ text })) }
    }
  })).pipe(Layer.provide(Deadlines.layer)),
  SqliteClient.layer
)

const watch = () => {
  const lines: Array<string> = []
  return { lines, layer: Logger.layer([Logger.map(LogLine.format, (line) => void lines.push(line))]) }
}

/** That the lines tell of failures, and of nothing that a client has sent. */
const assertSilent = (lines: ReadonlyArray<string>, least: number) => {
  assert.isAtLeast(lines.length, least)
  for (const line of lines) assert.notMatch(line, /s3cr3t/, line.slice(0, 600))
}

const hows = [...Object.keys(ways), "sql"]

for (const isAsleep of [false, true]) {
  it.effect(`no message, query, header or reason of a close is logged: ${isAsleep ? "asleep" : "awake"} (LG-3)`, () => {
    const { layer, lines } = watch()
    return Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Vault, VaultLive)
      const sleep = isAsleep ? room.evict : Effect.void
      const headers = {
        authorization: `Bearer ${secret}`,
        cookie: `session=${secret}`,
        "sec-websocket-protocol": `bearer, ${secret}`,
        "user-agent": secret
      }
      const enter = room.connect(`/?x=${secret}`, { headers, claims: { user: secret } })
      for (const how of hows) {
        const client = yield* enter
        yield* sleep
        const before = lines.length
        yield* client.send({ how, text: secret })
        if (how === "later") yield* TestClock.adjust("1 second")
        assert.isAbove(lines.length, before, how)
        yield* client.close(1000)
      }
      const client = yield* enter
      yield* sleep
      const frames = [secret, `{"how":"${secret}`, `["${secret}"]`, `{"${secret}":1}`, `{"how":1,"text":"${secret}"}`]
      for (const frame of frames) yield* client.sendFrame(frame)
      yield* client.sendFrame(new TextEncoder().encode(secret).buffer)
      assert.lengthOf(yield* client.receivedFrames, frames.length + 1)
      const before = lines.length
      yield* client.close(4000, secret)
      assert.strictEqual(lines.length, before + 1)
      for (const query of [`fail=${secret}`, `token=${secret}`]) yield* Effect.flip(room.connect(`/?${query}`))
      yield* Effect.flip(room.connect("/", { headers: { "x-user": secret.repeat(20) } }))
      yield* room.call("put", JSON.stringify({ text: "s3cr3t" }))
      yield* room.call("put", JSON.stringify({ text: secret }))
      yield* room.call("broadcast", JSON.stringify({ message: { text: secret } }))
      yield* room.call(secret, "{}")
      assertSilent(lines, hows.length + 5)
    }).pipe(Effect.provide(layer))
  })
}

it.effect("no call of an RPC room is logged (LG-3)", () => {
  const { layer, lines } = watch()
  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
    const client = yield* room.connect(`/?note=${secret}&user=${secret}`, { headers: { cookie: secret } })
    const request = (id: string, tag: string, payload: unknown) =>
      JSON.stringify({ _tag: "Request", id, tag, payload, headers: [["authorization", secret]] })
    const frames = [
      secret,
      `{"_tag":"${secret}`,
      `{"_tag":"${secret}"}`,
      request("1", secret, {}),
      request("2", "Echo", { text: 1, [secret]: secret }),
      request("3", "Day", { day: secret }),
      request("4", "Die", { secret }),
      request("5", "Misfit", secret),
      request(secret, "Die", null)
    ]
    for (const frame of frames) yield* client.sendFrame(frame)
    yield* client.sendFrame(new TextEncoder().encode(secret).buffer)
    assert.isAtLeast((yield* client.receivedFrames).length, 6)
    yield* client.close(4000, secret)
    assertSilent(lines, 1)
  }).pipe(Effect.provide(layer))
})

it.effect("no token and no body of the API is logged (LG-3, AI-5)", () => {
  const { layer, lines } = watch()
  return Effect.gen(function*() {
    const vaults = yield* Layer.build(MemoryRooms.layer(Vault, VaultLive))
    const token = { token: Redacted.make(secret), scopes: ["publish", "list"] } as const
    const authorize = (request: Request, room: string, scope: ApiToken.Scope) =>
      room === "broken" ? Effect.die(new Error("It is broken")) : ApiToken.authorize([token])(request, room, scope)
    const handle = yield* Effect.provideContext(RoomsApiRoutes.make(Vault, { authorize }), vaults)
    const ask = (method: string, path: string, body?: string, given = secret) =>
      Effect.map(
        handle(
          new Request(`https://app.invalid/api/rooms/${path}`, {
            method,
            headers: { authorization: `Bearer ${given}`, cookie: secret, "content-type": "application/json" },
            ...(body !== undefined && { body })
          })
        ),
        ({ status }) => status
      )
    const asked = [
      [200, ask("GET", "lobby/connections")],
      [200, ask("POST", "lobby/publications", JSON.stringify({ message: { text: "s3cr3t" } }))],
      [400, ask("POST", "lobby/publications", JSON.stringify({ message: { text: secret } }))],
      [400, ask("POST", "lobby/publications", `{"message":${secret}`)],
      [400, ask("GET", `lobby/connections?${secret}=${secret}`)],
      [400, ask("GET", `%00${secret}/connections`)],
      [401, ask("GET", "lobby/connections", undefined, `${secret}-wrong`)],
      [403, ask("DELETE", `lobby/connections?user=${secret}`)],
      [404, ask("GET", secret)],
      [500, ask("POST", "broken/publications", JSON.stringify({ message: { text: secret } }))]
    ] as const
    for (const [status, asking] of asked) assert.strictEqual(yield* asking, status)
    assertSilent(lines, 1)
  }).pipe(Effect.provide(layer))
})
