/**
 * What one client does harms nobody: the same tests in every world, each once with an object that stays awake and, where
 * objects sleep, once with one that sleeps before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Problem from "../../src/domain/Problem.ts"
import type * as Protocol from "../../src/services/Protocol.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { Ask, own, recordsOf, since, Storm, Told } from "./Storm.ts"

const { Fail, Kick, Link, Measure, Release, Say, Shout, Spoil, Wait } = Ask.cases

/** A client, by its frames. A frame of several lines arrives as several. */
export interface Peer {
  readonly sendFrame: (frame: Protocol.Received) => Effect.Effect<void>
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** Takes a line or a frame of bytes, waiting until it has arrived. */
  readonly takeFrame: Effect.Effect<unknown>
  /** What has arrived and was not taken, once everything that is under way has arrived. */
  readonly rest: Effect.Effect<ReadonlyArray<unknown>>
  /** How the connection ended, waiting until it has. */
  readonly closed: Effect.Effect<{ readonly code: number; readonly reason: string }>
}

/** What a client sends along. */
export type Headers = Readonly<Record<string, string>>

export interface World {
  /** The room's own name. */
  readonly name: string
  readonly connect: (query: string, headers?: Headers) => Effect.Effect<Peer, Problem.Problem, Scope.Scope>
  /** Runs an effect inside the object. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, RoomRuntime.Services<typeof Storm>>) => Effect.Effect<A, E>
  /** Calls the room from outside, where this world can. */
  readonly call: ((method: string, payload: Schema.Json) => Effect.Effect<unknown>) | undefined
  /** Sends the object to sleep; its connections stay. */
  readonly evict: Effect.Effect<void>
}

export interface Suite {
  readonly name: string
  /** Whether objects of this world sleep; they do unless it says no. */
  readonly sleeps?: boolean
  readonly world: Effect.Effect<World, never, Scope.Scope>
}

const ndjson = { "sec-websocket-protocol": "ndjson" }

const decode = (frame: unknown): unknown => {
  if (typeof frame === "string") return JSON.parse(frame)
  return [...new Uint8Array(frame as ArrayBuffer)]
}

const encode = (message: typeof Ask.Type | string) => typeof message === "string" ? message : JSON.stringify(message)

const said = (name: string, text: string) => ({ _tag: "Said", name, text })

const left = (name: string, code: number, connections: number) => ({ _tag: "Left", name, code, connections })

const internal = { _tag: "Error", code: "Internal", message: "The room failed to handle this message." }

const codeOf = (answer: unknown) => (answer as { readonly code?: unknown }).code

export const contract = ({ name: title, sleeps: canSleep = true, world: makeWorld }: Suite): void => {
  for (const sleeps of canSleep ? [false, true] : [false]) {
    const join = Effect.fnUntraced(function*(world: World, name: string, headers?: Headers, more = "") {
      const peer = yield* world.connect(`?name=${name}${more}`, headers)
      assert.deepInclude(decode(yield* peer.takeFrame), { _tag: "Came", name })
      const asleep = <A, E>(step: Effect.Effect<A, E>) => sleeps ? Effect.andThen(world.evict, step) : step
      const frame = (messages: ReadonlyArray<typeof Ask.Type | string>) => messages.map(encode).join("\n")
      return {
        /** Sends messages, each of them in a frame of its own. */
        send: (...messages: ReadonlyArray<typeof Ask.Type | string>) =>
          Effect.forEach(messages, (message) => asleep(peer.sendFrame(encode(message))), { discard: true }),
        /** Sends messages in one frame. */
        sendLines: (...messages: ReadonlyArray<typeof Ask.Type | string>) => asleep(peer.sendFrame(frame(messages))),
        sendBytes: (...bytes: ReadonlyArray<number>) => asleep(peer.sendFrame(new Uint8Array(bytes).buffer)),
        close: (code?: number) => asleep(peer.close(code)),
        /** The same without a sleep before: for an object that a handler keeps awake. */
        now: {
          send: (...messages: ReadonlyArray<typeof Ask.Type>) =>
            Effect.forEach(messages, (message) => peer.sendFrame(encode(message)), { discard: true }),
          close: peer.close
        },
        hears: (...messages: ReadonlyArray<unknown>) =>
          Effect.map(
            Effect.replicateEffect(peer.takeFrame, messages.length),
            (frames) => assert.deepStrictEqual(frames.map(decode), messages)
          ),
        takes: Effect.map(peer.takeFrame, decode),
        hearsNoMore: Effect.map(peer.rest, (frames) => assert.deepStrictEqual(frames.map(decode), [])),
        closed: Effect.map(peer.closed, ({ code }) => code)
      }
    })

    const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(title, () => Effect.flatMap(makeWorld, body))

    const run = <A, E>(world: World, effect: Effect.Effect<A, E, RoomRuntime.Services<typeof Storm>>) =>
      sleeps ? Effect.andThen(world.evict, world.run(effect)) : world.run(effect)

    describe(`${title}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      test("however many lines of a frame are wrong, one error answers it, and the others are handled (NJ-2)", (world) =>
        Effect.gen(function*() {
          const ada = yield* join(world, "ada", ndjson)
          yield* ada.sendLines("x", Say.make({ text: "1" }), `{"_tag":"Say"}`, "", Say.make({ text: "2" }), "y")
          assert.strictEqual(codeOf(yield* ada.takes), "InvalidMessage")
          yield* ada.hears(said("ada", "1"), said("ada", "2"))
          yield* ada.sendLines(...Array.from({ length: 256 }, (_, index) => Say.make({ text: `${index}` })))
          yield* ada.hears(...Array.from({ length: 256 }, (_, index) => said("ada", `${index}`)))
          yield* ada.sendLines(...Array.from({ length: 257 }, () => Say.make({ text: "too many" })))
          const { code, message } = (yield* ada.takes) as { readonly code: string; readonly message: string }
          assert.deepStrictEqual([code, message], ["InvalidMessage", "A frame has at most 256 lines."])
          yield* ada.hearsNoMore
        }))

      test("ten malformed frames in a row close with 4509, and a well-formed one is forgiveness (PL-4)", (world) =>
        Effect.gen(function*() {
          const stays = yield* join(world, "stays")
          for (const headers of [{}, ndjson]) {
            const ada = yield* join(world, "ada", headers)
            const strikes = (count: number) =>
              Effect.gen(function*() {
                for (let strike = 0; strike < count; strike++) {
                  yield* ada.send("nonsense")
                  assert.strictEqual(codeOf(yield* ada.takes), "InvalidMessage")
                }
              })
            yield* strikes(9)
            yield* ada.send(Say.make({ text: "forgive me" }))
            yield* Effect.forEach([ada, stays], (client) => client.hears(said("ada", "forgive me")))
            yield* strikes(9)
            yield* stays.hearsNoMore
            yield* strikes(1)
            assert.strictEqual(yield* ada.closed, 4509)
            yield* stays.hears(left("ada", 4509, 1))
          }
          const lines = yield* join(world, "lines", ndjson)
          for (let frame = 0; frame < 10; frame++) {
            yield* lines.sendLines("x", Say.make({ text: "half" }), "y")
            assert.strictEqual(codeOf(yield* lines.takes), "InvalidMessage")
            // What follows the line that closes is not heard.
            if (frame < 9) yield* lines.hears(said("lines", "half"))
          }
          assert.strictEqual(yield* lines.closed, 4509)
          yield* stays.hears(...Array.from({ length: 9 }, () => said("lines", "half")), left("lines", 4509, 1))
          yield* stays.hearsNoMore
        }))

      test("whatever a message comes to, the next one is heard, and the close runs (LC-12)", (world) =>
        Effect.gen(function*() {
          const { logged } = recordsOf(world.name)
          const stays = yield* join(world, "stays")
          const ada = yield* join(world, "ada")
          const failures = [
            [Link.make({ url: "https://a.b" }), undefined],
            [`{"_tag":"Link","url":"no url"}`, "Invalid URL"],
            [Fail.make({ how: "fail" }), "the handler failed"],
            [Fail.make({ how: "die" }), "the handler died"],
            [Fail.make({ how: "throw" }), "thrown before any effect"],
            [Fail.make({ how: "interrupt" }), "interrupted"]
          ] as const
          for (const [message, why] of failures) {
            logged.length = 0
            yield* ada.send(message)
            yield* ada.hears(why === undefined ? said("ada", "https://a.b") : internal)
            assert.strictEqual(logged.length, why === undefined ? 0 : 1)
            if (why === undefined) continue
            assert.include(logged[0]?.cause, why)
            assert.strictEqual(logged[0]?.annotations["event"], "message")
            yield* ada.send(Say.make({ text: why }))
            yield* ada.hears(said("ada", why))
          }
          yield* ada.send(Fail.make({ how: "die" }))
          yield* ada.hears(internal)
          yield* ada.close(4000)
          assert.strictEqual(yield* ada.closed, 4000)
          yield* stays.hears(
            said("ada", "https://a.b"),
            ...failures.flatMap(([, why]) => why === undefined ? [] : [said("ada", why)]),
            left("ada", 4000, 1)
          )
          yield* stays.hearsNoMore
        }))

      test("what throws before its first effect is a failure like any other, and leaves nothing behind (LC-13)", (world) =>
        Effect.gen(function*() {
          const { logged } = recordsOf(world.name)
          const stays = yield* join(world, "stays")
          const report = (event: string) => {
            assert.deepStrictEqual(logged.map(({ annotations }) => annotations["event"]), [event])
            assert.include(logged[0]?.cause, "thrown before any effect")
            logged.length = 0
          }
          logged.length = 0
          for (const event of ["connect", "open"]) {
            const problem = yield* Effect.flip(world.connect(`?name=ada&throws=${event}`))
            assert.deepStrictEqual([problem.status, problem.detail], [500, "The room failed to let you in."])
            report(event)
          }
          assert.strictEqual(yield* run(world, Storm.use((room) => room.count())), 1)
          const ada = yield* join(world, "ada", {}, "&throws=close")
          yield* ada.close(4000)
          assert.strictEqual(yield* ada.closed, 4000)
          assert.strictEqual(yield* run(world, Storm.use((room) => room.count())), 1)
          report("close")
          if (world.call !== undefined) {
            const reply = yield* world.call("slip", null)
            assert.deepStrictEqual(reply, { _tag: "Refused", reason: { _tag: "CallFailed", method: "slip" } })
            report("call")
          }
          yield* stays.send(Say.make({ text: "I notice nothing" }))
          yield* stays.hears(said("stays", "I notice nothing"))
        }))

      test("once we have closed, nothing is heard but the close: not the rest of a frame (LC-14)", (world) =>
        Effect.gen(function*() {
          const stays = yield* join(world, "stays")
          const ada = yield* join(world, "ada", ndjson)
          yield* ada.sendLines(Say.make({ text: "1" }), Kick.make({ name: "ada" }), Say.make({ text: "2" }), "x")
          assert.strictEqual(yield* ada.closed, 4500)
          yield* ada.hears(said("ada", "1"))
          yield* stays.hears(said("ada", "1"), left("ada", 4500, 1))
          yield* ada.hearsNoMore
          yield* stays.hearsNoMore
        }))

      test("once we have closed, nothing is heard but the close: not what waited (LC-14)", (world) =>
        Effect.gen(function*() {
          const stays = yield* join(world, "stays")
          const ada = yield* join(world, "ada")
          yield* ada.send(Wait.make({}))
          yield* ada.now.send(Say.make({ text: "1" }), Say.make({ text: "2" }))
          // In workerd what another client says may arrive before.
          yield* stays.hearsNoMore
          yield* stays.now.send(Kick.make({ name: "ada" }), Say.make({ text: "they are out" }), Release.make({}))
          assert.strictEqual(yield* ada.closed, 4500)
          yield* stays.hears(said("stays", "they are out"), { _tag: "Woke", name: "ada" }, left("ada", 4500, 1))
          yield* stays.hearsNoMore
        }))

      test("what a peer said before its own close is heard (LC-14)", (world) =>
        Effect.gen(function*() {
          const stays = yield* join(world, "stays")
          const ada = yield* join(world, "ada")
          yield* ada.send(Wait.make({}))
          yield* ada.now.send(Say.make({ text: "1" }), Say.make({ text: "2" }))
          yield* ada.now.close(4000)
          assert.strictEqual(yield* ada.closed, 4000)
          yield* stays.now.send(Release.make({}))
          yield* stays.hears(
            { _tag: "Woke", name: "ada" },
            said("ada", "1"),
            said("ada", "2"),
            left("ada", 4000, 1)
          )
        }))

      test("who sends more than its box holds is closed with 4009, and the others are served (LC-15)", (world) =>
        Effect.gen(function*() {
          const stays = yield* join(world, "stays")
          const large = "x".repeat(600_000)
          for (
            const flood of [
              Array.from({ length: 257 }, () => Say.make({ text: "too much" })),
              [Measure.make({ text: large }), Measure.make({ text: large })]
            ]
          ) {
            const ada = yield* join(world, "ada")
            yield* ada.send(Wait.make({}))
            yield* ada.now.send(...flood.slice(1))
            yield* stays.hearsNoMore
            yield* stays.now.send(Say.make({ text: "I am served" }))
            yield* Effect.forEach([stays, ada], (client) => client.hears(said("stays", "I am served")))
            yield* ada.now.send(flood[0]!)
            assert.strictEqual(yield* ada.closed, 4009)
            yield* stays.hearsNoMore
            yield* stays.now.send(Release.make({}))
            yield* stays.hears({ _tag: "Woke", name: "ada" }, left("ada", 4009, 1))
            // A gate that was opened stays open until the object has slept.
            if (canSleep) yield* world.evict
            else break
          }
          yield* stays.hearsNoMore
        }))

      test("one message that is alone always fits (LC-15)", (world) =>
        Effect.gen(function*() {
          const ada = yield* join(world, "ada")
          yield* ada.send(Wait.make({}))
          yield* ada.now.send(Measure.make({ text: "x".repeat(1_500_000) }))
          const bob = yield* join(world, "bob")
          yield* bob.now.send(Release.make({}))
          yield* ada.hears({ _tag: "Woke", name: "ada" }, said("ada", "1500000"))
        }))

      test("a state is what its schema makes of it, at once and after a sleep, and no handler can spoil it (ST-4)", (world) =>
        Effect.gen(function*() {
          const ada = yield* world.connect("?name=ada")
          const state = { name: "ada", tags: [""], nick: undefined, since }
          assert.deepStrictEqual(decode(yield* ada.takeFrame), {
            _tag: "Came",
            name: "ada",
            state: JSON.stringify({ name: "ada", tags: [""], since })
          })
          const looks = Effect.gen(function*() {
            const [connection] = yield* run(world, Storm.use((room) => room.connections()))
            assert.deepStrictEqual({ nick: undefined, ...connection!.state }, state)
            assert.notProperty(connection!.state, "password")
            const alone = yield* run(world, Storm.use((room) => room.state(connection!.id)))
            assert.deepStrictEqual(alone, connection!.state)
            connection!.state.tags.push("spoilt by whoever listed")
            return connection!.id
          })
          yield* looks
          const id = yield* looks
          yield* ada.sendFrame(encode(Spoil.make({})))
          yield* ada.sendFrame(encode(Say.make({ text: "done" })))
          assert.deepStrictEqual(decode(yield* ada.takeFrame), said("ada", "done"))
          yield* run(
            world,
            Storm.use((room) =>
              Effect.map(room.state(id), (state) => {
                state.tags.push("spoilt by whoever looked")
              })
            )
          )
          yield* run(
            world,
            Storm.use((room) =>
              Effect.gen(function*() {
                const written = { name: "ada", tags: [""], nick: undefined, since, password: "again" }
                yield* room.setState(id, written)
                written.tags.push("spoilt after it was written")
              })
            )
          )
          yield* looks
        }))

      test("a handler refuses with an error that the room declares: its sender is told, and nobody else (PL-5)", (world) =>
        Effect.gen(function*() {
          const { logged } = recordsOf(world.name)
          const stays = yield* join(world, "stays")
          const ada = yield* join(world, "ada")
          logged.length = 0
          yield* ada.send(`{"_tag":"Refuse","until":"${since.toISOString()}"}`)
          yield* ada.hears({
            _tag: "Error",
            code: "Refused",
            message: "The room refused this message.",
            error: { _tag: "Banned", until: since.toISOString(), strikes: "3" }
          })
          assert.deepStrictEqual(logged, [])
          yield* ada.send(Fail.make({ how: "fail" }))
          yield* ada.hears(internal)
          assert.strictEqual(logged.length, 1)
          yield* stays.hearsNoMore
        }))

      test("a JSON room speaks bytes beside, in order with what is joined (PL-6)", (world) =>
        Effect.gen(function*() {
          const plain = yield* join(world, "plain")
          const joins = yield* join(world, "joins", ndjson)
          yield* joins.sendBytes(1, 2, 3)
          yield* Effect.forEach([plain, joins], (client) => client.hears([3, 2, 1]))
          yield* run(
            world,
            Storm.use((room) =>
              Effect.forEach(["1", "2", new Uint8Array([7]), "3", new Uint8Array([8]), "4"], (message) =>
                room.broadcast(typeof message === "string" ? { _tag: "Said", name: "", text: message } : message))
            )
          )
          for (const client of [plain, joins]) {
            yield* client.hears(said("", "1"), said("", "2"), [7], said("", "3"), [8], said("", "4"))
          }
          yield* plain.sendBytes(1, 2, 3, 4, 5)
          assert.strictEqual(codeOf(yield* plain.takes), "InvalidMessage")
          yield* joins.hearsNoMore
        }))

      test("a frame above the bound of what waits, to clients that read, closes nobody (OB-7)", (world) =>
        Effect.gen(function*() {
          const plain = yield* join(world, "plain")
          const joins = yield* join(world, "joins", ndjson)
          const large = said("", "x".repeat(3_000_000))
          yield* run(world, Storm.use((room) => room.broadcast(Told.cases.Said.make({ name: "", text: large.text }))))
          for (const client of [plain, joins]) yield* client.hears(large)
          for (const client of [plain, joins]) yield* client.send(Say.make({ text: "still here" }))
          for (const client of [plain, joins]) {
            yield* client.hears(said("plain", "still here"), said("joins", "still here"))
          }
        }))

      test("what handlers and methods need, the room's layer gives (AP-4)", (world) =>
        Effect.gen(function*() {
          const ada = yield* join(world, "ada")
          yield* ada.send(Shout.make({ text: "hello" }))
          yield* ada.hears(said("ada", "HELLO"))
          if (world.call === undefined) return
          assert.deepStrictEqual(yield* world.call("shout", { text: "hello" }), { _tag: "Success", value: "HELLO" })
        }))

      test("a service that the room's layer brings takes the place of the house's (AP-5)", (world) =>
        Effect.gen(function*() {
          const { used } = recordsOf(world.name)
          used.clear()
          const ada = yield* join(world, "ada")
          yield* ada.send(Say.make({ text: "hello" }))
          yield* ada.hears(said("ada", "hello"))
          assert.deepStrictEqual(Object.fromEntries(used), Object.fromEntries(own.map((key) => [key, 1])))
        }))

      test("what a client claims counts for nothing (ID-6)", (world) =>
        Effect.gen(function*() {
          const claims = { user: "admin", claims: `{"user":"admin"}` }
          const headers = Object.fromEntries(
            Object.entries(claims).flatMap(([name, value]) => [
              [`x-dormouse-${name}`, value],
              [`X-Dormouse-Claim-${name}`, encodeURIComponent(value)],
              [`cf-${name}`, value]
            ])
          )
          yield* join(world, "ada", { ...headers, cf: `{"dormouse":{"user":"admin"}}` }, "&user=admin&dormouse=admin")
          const users = yield* run(
            world,
            Storm.use((room) => Effect.map(room.connections(), (all) => all.map(({ user }) => user)))
          )
          assert.deepStrictEqual(users, [undefined])
        }))
    })
  }
}
