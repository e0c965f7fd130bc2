/**
 * The contract of `Guard`: the same tests in every world, each once with a room that stays awake and, where rooms sleep,
 * once with one that sleeps before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Audience from "../../src/domain/Audience.ts"
import * as Principal from "../../src/doors/Principal.ts"
import { Gate, limits } from "./Gate.ts"
import { asleep, type StoredClient, type StoredWorld } from "./StoredWorld.ts"

const errorOf = (frame: string | undefined) => {
  const { _tag, code } = JSON.parse(frame ?? "{}")
  return [_tag, code]
}

export const contract = (
  title: string,
  makeWorld: Effect.Effect<StoredWorld<typeof Gate>, never, Scope.Scope>,
  { concurrent = false, sleeps: canSleep = true }: { readonly concurrent?: boolean; readonly sleeps?: boolean } = {}
): void => {
  const suite = concurrent ? describe.concurrent : describe
  for (const sleeps of canSleep ? [false, true] : [false]) {
    const test = (
      title: string,
      body: (
        world: StoredWorld<typeof Gate>,
        awake: StoredWorld<typeof Gate>
      ) => Effect.Effect<void, unknown, Scope.Scope>
    ) => it.effect(title, () => Effect.flatMap(makeWorld, (world) => body(sleeps ? asleep(world) : world, world)))

    const claims = (principal: Partial<Principal.Principal>, address?: string) =>
      Principal.toClaims({ ...Principal.anonymous, ...principal }, address)

    const now = (world: StoredWorld<typeof Gate>) => world.run(Clock.currentTimeMillis)

    const refusal = (world: StoredWorld<typeof Gate>, given = {}, query = "") =>
      Effect.map(Effect.flip(world.connect(query, given)), ({ status }) => status)

    const count = (world: StoredWorld<typeof Gate>) => world.run(Gate.use((room) => room.count()))

    suite(`Guard, ${title}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      test("a frame that is too long closes with 1009 before it is parsed, and its length is in bytes (LM-1)", (world) =>
        Effect.gen(function*() {
          const fits = yield* world.connect()
          yield* fits.send("é".repeat(limits.messageBytes / 2 - 1))
          assert.strictEqual((yield* fits.received).length, 1)
          yield* fits.sendFrame("[".repeat(limits.messageBytes / 2) + "é".repeat(limits.messageBytes / 4 + 1))
          assert.strictEqual((yield* fits.closed)?.code, 1009)
          assert.deepStrictEqual(yield* fits.received, [])
        }))

      test("JSON has so many levels and so many keys, and what has more is answered (LM-2)", (world) =>
        Effect.gen(function*() {
          const client = yield* world.connect()
          yield* client.sendFrame("[[[[1]]]]")
          assert.deepStrictEqual(yield* client.received, [`"a list"`])
          yield* client.sendFrame("[[[[[1]]]]]")
          assert.deepStrictEqual(errorOf((yield* client.received)[0]), ["Error", "InvalidMessage"])
          const keys = (count: number) => JSON.stringify(Array.from({ length: count }, (_, n) => ({ [`k${n}`]: n })))
          yield* client.sendFrame(keys(limits.jsonKeys))
          assert.deepStrictEqual(yield* client.received, [`"a list"`])
          yield* client.sendFrame(keys(limits.jsonKeys + 1))
          assert.deepStrictEqual(errorOf((yield* client.received)[0]), ["Error", "InvalidMessage"])
        }))

      test("what a client sends is data, whatever its keys (LM-5)", (world) =>
        Effect.gen(function*() {
          const client = yield* world.connect()
          const keys = ["__proto__", "constructor", "prototype"]
          for (const key of keys) yield* client.sendFrame(`[{"${key}":{"polluted":true,"${key}":{"polluted":true}}}]`)
          assert.deepStrictEqual(yield* client.received, keys.map(() => `"a list"`))
          yield* client.sendFrame(`{"_tag":"Refresh","token":"{\\"user\\":\\"x\\"}","__proto__":{"user":"x"}}`)
          yield* client.received
          const polluted = yield* world.run(
            Effect.sync(() => [{}, [], () => {}, ""].map((value: any) => value.polluted ?? value.constructor.polluted))
          )
          assert.deepStrictEqual(polluted, [undefined, undefined, undefined, undefined])
        }))

      // Says one thing after another until one is refused, or the connection ends; gives how many were heard.
      const sayUntilRefused = Effect.fnUntraced(function*(client: StoredClient) {
        for (let heard = 0;; heard++) {
          yield* client.send("x")
          const [frame] = yield* client.received
          if (frame !== `"x"`) return { heard, frame }
        }
      })

      // Where time is real, it goes on meanwhile.
      const earned = (from: number, to: number) => (to - from) / 1_000 * limits.messagesPerSecond

      test("a connection says so much at once and so much over time, and a sleep fills no more than time (LM-3)", (world) =>
        Effect.gen(function*() {
          const start = yield* now(world)
          const client = yield* world.connect()
          const first = yield* sayUntilRefused(client)
          const middle = yield* now(world)
          assert.deepStrictEqual(errorOf(first.frame), ["Error", "RateLimited"])
          assert.isAtLeast(first.heard, limits.messageBurst)
          assert.isAtMost(first.heard, limits.messageBurst + earned(start, middle))
          yield* world.elapse(1_000)
          const second = yield* sayUntilRefused(client)
          assert.isAtLeast(second.heard, limits.messagesPerSecond)
          assert.isAtMost(first.heard + second.heard, limits.messageBurst + earned(start, yield* now(world)))
          assert.isUndefined(yield* client.closed)
        }))

      test("who goes on is closed with 4013 (LM-4)", (world, awake) =>
        Effect.gen(function*() {
          const client = yield* awake.connect()
          // Faster than anybody may: what comes between two refusals begins the count anew.
          for (let n = 0; n < 40 && (yield* client.closed) === undefined; n++) {
            if (sleeps) yield* world.evict
            yield* Effect.forEach(Array.from({ length: 10 }, () => `"x"`), client.sendFrame, {
              concurrency: "unbounded",
              discard: true
            })
          }
          assert.strictEqual((yield* client.closed)?.code, 4013)
          assert.strictEqual(yield* count(world), 0)
        }))

      test("a room, a user and an address have so many connections (LM-6)", (world) =>
        Effect.gen(function*() {
          const ada = claims({ user: "ada" })
          const first = yield* world.connect("", ada)
          yield* world.connect("", ada)
          assert.strictEqual(yield* refusal(world, ada), 429)
          yield* first.close
          yield* world.connect("", ada)
          const near = claims({}, "192.0.2.1")
          for (let n = 0; n < limits.connectionsPerAddress; n++) yield* world.connect("", near)
          assert.strictEqual(yield* refusal(world, near), 429)
          yield* world.connect("", claims({}, "192.0.2.2"))
          assert.strictEqual(yield* refusal(world), 503)
          assert.strictEqual(yield* count(world), limits.connections)
        }))

      test("who is silent for too long is closed with 4012, and a ping that wakes nobody is a sign (LM-7)", (world) =>
        Effect.gen(function*() {
          const [silent, pings, speaks] = [yield* world.connect(), yield* world.connect(), yield* world.connect()]
          yield* world.elapse(1_500)
          yield* pings.sendFrame("ping")
          yield* speaks.send("I am here")
          assert.deepStrictEqual([yield* pings.received, yield* speaks.received], [["pong"], [`"I am here"`]])
          yield* world.elapse(1_000)
          assert.strictEqual((yield* silent.closed)?.code, 4012)
          assert.deepStrictEqual([yield* pings.closed, yield* speaks.closed], [undefined, undefined])
          yield* world.elapse(1_500)
          assert.deepStrictEqual(
            [(yield* pings.closed)?.code, (yield* speaks.closed)?.code, yield* count(world)],
            [4012, 4012, 0]
          )
        }))

      test("the state of a connection is bounded (LM-8)", (world) =>
        Effect.gen(function*() {
          yield* world.connect(`?note=${"x".repeat(limits.stateBytes - `{"note":""}`.length)}`)
          assert.strictEqual(yield* refusal(world, {}, `?note=${"x".repeat(limits.stateBytes)}`), 500)
          const failure = yield* world.run(Gate.use((room) =>
            Effect.flatMap(room.connections(), ([connection]) =>
              Effect.flip(room.setState(connection!.id, { note: "x".repeat(limits.stateBytes) })))
          ))
          assert.strictEqual(failure.reason._tag, "StateTooLarge")
        }))

      test("an address begins so many rooms, and enters as many as it likes (LM-9)", (world) =>
        Effect.gen(function*() {
          const many = claims({}, "begins too many")
          assert.strictEqual(yield* refusal(world, many), 429)
          const other = yield* world.connect("", claims({}, "192.0.2.1"))
          yield* other.close
          yield* world.connect("", many)
        }))

      test("who is verified is who the connection is, and its token stays at the door (AU-11)", (world) =>
        Effect.gen(function*() {
          yield* world.connect("?token=secret&note=a", claims({ user: "ada", labels: ["x", "own"] }))
          const [connection] = yield* world.run(Gate.use((room) => room.connections({ of: Audience.user("ada") })))
          assert.deepInclude(connection!, { labels: ["x", "own", "no authorization"], state: { note: "a" } })
        }))

      test("a token that expires closes its connection with 4003, awake and asleep (AU-12)", (world) =>
        Effect.gen(function*() {
          const expiresAt = (yield* now(world)) + 600
          const stays = yield* world.connect("", claims({ user: "bob", expiresAt: expiresAt + 60_000 }))
          const client = yield* world.connect("", claims({ user: "ada", expiresAt }))
          assert.isUndefined(yield* client.closed)
          yield* world.elapse(900)
          assert.strictEqual((yield* client.closed)?.code, 4003)
          assert.isUndefined(yield* stays.closed)
          assert.strictEqual(yield* refusal(world, claims({ user: "ada", expiresAt })), 401)
        }))

      test("a new token of the same user extends a connection, any other does not (AU-13)", (world) =>
        Effect.gen(function*() {
          const start = yield* now(world)
          const given = { user: "ada", labels: ["x"], expiresAt: start + 5_000, issuedAt: start }
          const client = yield* world.connect("", claims(given))
          const refresh = (token: unknown) =>
            Effect.andThen(
              client.sendFrame(
                JSON.stringify({ _tag: "Refresh", token: typeof token === "string" ? token : JSON.stringify(token) })
              ),
              Effect.map(client.received, ([frame]) => frame)
            )
          assert.deepStrictEqual(errorOf(yield* refresh({ ...given, user: "bob" })), ["Error", "Unauthorized"])
          assert.deepStrictEqual(errorOf(yield* refresh("nonsense")), ["Error", "Unauthorized"])
          yield* world.elapse(1_500)
          const expiresAt = start + 60_000
          assert.deepStrictEqual(JSON.parse((yield* refresh({ ...given, expiresAt }))!), {
            _tag: "Refreshed",
            expiresAt
          })
          for (let n = 0; n < 3; n++) {
            yield* world.elapse(1_000)
            yield* client.sendFrame("ping")
          }
          assert.isUndefined(yield* client.closed)
        }))

      test("a user who is closed out comes back with a newer token alone (AU-14)", (world) =>
        Effect.gen(function*() {
          const issuedAt = yield* now(world)
          const ada = claims({ user: "ada", issuedAt })
          const tabs = [yield* world.connect("", ada), yield* world.connect("", ada)]
          const bob = yield* world.connect("", claims({ user: "bob", issuedAt }))
          yield* world.elapse(5)
          const reply = yield* world.call("closeUser", JSON.stringify({ user: "ada" }))
          assert.deepStrictEqual(JSON.parse(reply), { _tag: "Success", value: 2 })
          for (const tab of tabs) assert.strictEqual((yield* tab.closed)?.code, 4501)
          assert.isUndefined(yield* bob.closed)
          assert.strictEqual(yield* refusal(world, ada), 401)
          assert.strictEqual(yield* refusal(world, claims({ user: "ada" })), 401)
          // By so much clocks may differ.
          yield* world.elapse(5_001)
          yield* world.connect("", claims({ user: "ada", issuedAt: yield* now(world) }))
        }))

      test("who may not speak is told so, and may send a new token (PM-3)", (world) =>
        Effect.gen(function*() {
          const given = { user: "ada", labels: ["mute"] }
          const client = yield* world.connect("", claims(given))
          yield* client.send("hello")
          assert.deepStrictEqual(errorOf((yield* client.received)[0]), ["Error", "Forbidden"])
          yield* client.sendFrame(JSON.stringify({ _tag: "Refresh", token: JSON.stringify(given) }))
          assert.deepStrictEqual(yield* client.received, [`{"_tag":"Refreshed"}`])
        }))
    })
  }
}
