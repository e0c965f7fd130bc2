/**
 * The contract of `Rooms`: the same tests for every transport, each once with rooms that stay awake and, where rooms sleep,
 * once with rooms that sleep before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Audience from "../../src/domain/Audience.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Room from "../../src/services/Room.ts"
import type * as Rooms from "../../src/services/Rooms.ts"
import type * as RoomsError from "../../src/services/RoomsError.ts"
import { Lobby, NotEnough, since } from "./Lobby.ts"

export interface Client {
  readonly send: (frame: string) => Effect.Effect<void>
  /** What has arrived and was not taken, once everything that is under way has arrived. */
  readonly received: Effect.Effect<ReadonlyArray<unknown>>
  /** How the connection ended, waiting until it has. */
  readonly closed: Effect.Effect<{ readonly code: number; readonly reason: string }>
}

export interface World {
  /** The rooms of a definition, whose objects are lobbies. */
  readonly rooms: <R extends Room.Any>(room: R) => Rooms.Service<R>
  /** Lobbies whose app does not start. */
  readonly broken: Rooms.Service<typeof Lobby>
  /** The client that entered by a response. */
  readonly client: (response: Response) => Effect.Effect<Client, never, Scope.Scope>
  /** A name that no room has had. */
  readonly name: Effect.Effect<string>
  readonly evict: (name: string) => Effect.Effect<void>
}

const nobody = ConnectionId.ConnectionId.make("00000000-0000-4000-8000-000000000000")

const upgrade = (query = "") => new Request(`https://room.invalid/${query}`, { headers: { upgrade: "websocket" } })

export const contract = (
  title: string,
  makeWorld: Effect.Effect<World, never, Scope.Scope>,
  { sleeps: canSleep = true }: { readonly sleeps?: boolean } = {}
): void => {
  for (const sleeps of canSleep ? [false, true] : [false]) {
    const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(
        title,
        () => Effect.flatMap(makeWorld, (world) => body(sleeps ? world : { ...world, evict: () => Effect.void }))
      )

    const lobby = Effect.fnUntraced(function*(world: World) {
      const name = yield* world.name
      const room = world.rooms(Lobby).get(name)
      const connect = Effect.fnUntraced(function*(query?: string) {
        const response = yield* room.fetch(upgrade(query))
        assert.strictEqual(response.status, 101)
        return yield* world.client(response)
      })
      return { connect, name, room, sleep: world.evict(name) }
    })

    describe(`${title}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      test("a message from outside reaches everybody, or an audience, but for whom it leaves out (RO-1)", (world) =>
        Effect.gen(function*() {
          const { connect, room, sleep } = yield* lobby(world)
          const ada = yield* connect("?user=ada")
          const bob = yield* connect("?label=quiet")
          yield* sleep
          assert.deepStrictEqual(yield* room.broadcast({ text: "all", at: since }), { delivered: 2, failed: 0 })
          yield* sleep
          assert.deepStrictEqual(yield* room.broadcast({ text: "ada" }, { to: Audience.user("ada") }), {
            delivered: 1,
            failed: 0
          })
          const id = (yield* room.connections({ of: Audience.label("quiet") }))[0]!.id
          yield* sleep
          yield* room.broadcast({ text: "but bob" }, { except: id })
          yield* sleep
          yield* room.send(id, { text: "bob" })
          const all = { text: "all", at: since.toISOString() }
          assert.deepStrictEqual(yield* ada.received, [all, { text: "ada" }, { text: "but bob" }])
          assert.deepStrictEqual(yield* bob.received, [all, { text: "bob" }])
        }))

      test("the connections are those that are open, with their states (RO-2)", (world) =>
        Effect.gen(function*() {
          const { connect, room, sleep } = yield* lobby(world)
          assert.deepStrictEqual(yield* room.connections(), [])
          yield* connect("?user=ada&label=x")
          yield* connect()
          yield* sleep
          const [ada, other] = yield* room.connections()
          assert.deepInclude(ada, { user: "ada", labels: ["x"], protocol: "plain", state: { since } })
          assert.deepInclude(other, { user: undefined, labels: [] })
          assert.deepStrictEqual(yield* room.connections({ of: Audience.label("x") }), [ada])
        }))

      test("the connections come in pages (RO-13)", (world) =>
        Effect.gen(function*() {
          const { connect, room, sleep } = yield* lobby(world)
          for (const user of ["a", "b", "c"]) yield* connect(`?user=${user}`)
          yield* sleep
          const first = yield* room.connections({ limit: 2 })
          assert.deepStrictEqual(first.map(({ user }) => user), ["a", "b"])
          yield* sleep
          const second = yield* room.connections({ limit: 2, after: first[1]!.id })
          assert.deepStrictEqual(second.map(({ user }) => user), ["c"])
          yield* sleep
          const error = yield* Effect.flip(room.connections({ after: nobody }))
          assert.deepInclude(error.reason, { _tag: "UnknownConnection", connection: nobody })
        }))

      test("one, a user or a label is closed from outside (RO-3)", (world) =>
        Effect.gen(function*() {
          const { connect, room, sleep } = yield* lobby(world)
          const ada = yield* connect("?user=ada")
          const [first] = yield* room.connections()
          const others = [yield* connect("?user=ada"), yield* connect("?user=ada")]
          yield* sleep
          assert.strictEqual(yield* room.close(first!.id, { code: 4000, reason: "bye" }), 1)
          assert.deepStrictEqual(yield* ada.closed, { code: 4000, reason: "bye" })
          yield* sleep
          assert.strictEqual(yield* room.close(Audience.user("ada"), { code: 4001 }), 2)
          for (const client of others) assert.strictEqual((yield* client.closed).code, 4001)
          assert.strictEqual(yield* room.close(Audience.label("nobody")), 0)
          assert.deepStrictEqual(yield* room.connections(), [])
        }))

      test("what the caller gets wrong is a typed error, and nothing happens (RO-4)", (world) =>
        Effect.gen(function*() {
          const { connect, room, sleep } = yield* lobby(world)
          const ada = yield* connect()
          const id = (yield* room.connections())[0]!.id
          yield* sleep
          const reason = <A>(call: Effect.Effect<A, RoomsError.RoomsError>) =>
            Effect.map(Effect.flip(call), (error) => error.reason)
          const unknown = yield* reason(room.send(nobody, { text: "" }))
          assert.deepInclude(unknown, { _tag: "UnknownConnection", connection: nobody })
          assert.match(unknown.message, /No open connection/)
          assert.strictEqual((yield* reason(room.close(nobody)))._tag, "UnknownConnection")
          assert.deepInclude(yield* reason(room.close(id, { code: 1006, reason: "why" })), {
            _tag: "InvalidClose",
            code: 1006,
            reason: "why"
          })
          assert.strictEqual((yield* reason(room.close(Audience.all, { code: 1006 })))._tag, "InvalidClose")
          assert.strictEqual((yield* reason(room.close(id, { code: Number.NaN })))._tag, "InvalidClose")
          assert.strictEqual((yield* reason(room.broadcast({ text: "x".repeat(65) })))._tag, "InvalidMessage")
          assert.strictEqual((yield* reason(room.earn({ coins: 1.5 })))._tag, "InvalidPayload")
          for (const name of ["", "a/b", "é", "x".repeat(129)]) {
            const { broadcast, fetch } = world.rooms(Lobby).get(name)
            assert.deepInclude(yield* reason(broadcast({ text: "" })), { _tag: "InvalidRoomName", name })
            assert.strictEqual((yield* reason(fetch(upgrade())))._tag, "InvalidRoomName")
          }
          assert.deepStrictEqual(yield* ada.received, [])
          assert.strictEqual((yield* room.connections()).length, 1)
        }))

      test("a method takes and gives what its schemas say, and fails with its own error (RO-5)", (world) =>
        Effect.gen(function*() {
          const { name, room, sleep } = yield* lobby(world)
          assert.deepStrictEqual(yield* room.tomorrow(since), new Date(Date.UTC(2026, 0, 2)))
          yield* sleep
          assert.strictEqual(yield* room.whoAmI(), name)
          yield* sleep
          const error = yield* Effect.flip(room.spend({ coins: 3 }))
          assert.instanceOf(error, NotEnough)
          assert.strictEqual(error.missing, 3)
        }))

      test("what the layer provides beside the room is there while handlers run (AP-3)", (world) =>
        Effect.gen(function*() {
          const { connect, room, sleep } = yield* lobby(world)
          const ada = yield* connect()
          yield* sleep
          yield* ada.send(JSON.stringify({ text: "I am" }))
          assert.deepStrictEqual(yield* ada.received, [{ text: "I am merry" }])
          assert.strictEqual(yield* room.mood(), "merry")
        }))

      test("two rooms share nothing, their app's services neither (RM-1)", (world) =>
        Effect.gen(function*() {
          const one = yield* lobby(world)
          const two = yield* lobby(world)
          const client = yield* one.connect()
          assert.strictEqual(yield* one.room.earn({ coins: 5 }), 5)
          assert.strictEqual(yield* two.room.earn({ coins: 1 }), 1)
          assert.deepStrictEqual(yield* two.room.broadcast({ text: "two" }), { delivered: 0, failed: 0 })
          assert.strictEqual(yield* one.room.spend({ coins: 5 }), 0)
          assert.deepStrictEqual(yield* client.received, [])
        }))

      test("a method that dies is a failed call, of which the caller learns no more (RO-6)", (world) =>
        Effect.gen(function*() {
          const { room, sleep } = yield* lobby(world)
          const error = yield* Effect.flip(room.explode())
          if (error._tag !== "RoomsError") return assert.fail(error._tag)
          assert.strictEqual(error.reason._tag, "CallFailed")
          assert.notInclude(error.message, "secret")
          yield* sleep
          assert.strictEqual(yield* room.earn({ coins: 1 }), 1)
        }))

      test("a room of another version is told by typed errors (RO-7)", (world) =>
        Effect.gen(function*() {
          const name = yield* world.name
          const method = (
            _tag: string,
            payloadSchema: Schema.Codec<any, any>,
            successSchema: Schema.Codec<any, any>
          ) => ({
            _tag,
            payloadSchema,
            successSchema,
            errorSchema: Schema.Never
          })
          const Newer = Room.make("lobby", {
            receive: Schema.String,
            send: Schema.Finite,
            state: Schema.String,
            methods: [
              method("teleport", Schema.Void, Schema.Void),
              method("earn", Schema.String, Schema.Int),
              method("whoAmI", Schema.Void, Schema.Int),
              method("spend", Schema.Struct({ coins: Schema.Int }), Schema.Int)
            ]
          })
          const room = world.rooms(Newer).get(name) as any
          const reason = (call: Effect.Effect<unknown, RoomsError.RoomsError>) =>
            Effect.map(Effect.flip(call), (error) => error.reason._tag)
          assert.strictEqual(yield* reason(room.teleport()), "UnknownMethod")
          assert.strictEqual(yield* reason(room.earn("five")), "InvalidPayload")
          assert.strictEqual(yield* reason(room.whoAmI()), "InvalidReply")
          assert.strictEqual(yield* reason(room.spend({ coins: 1 })), "InvalidReply")
          assert.strictEqual(yield* reason(room.broadcast(1)), "InvalidMessage")
          yield* world.rooms(Lobby).get(name).fetch(upgrade())
          assert.strictEqual(yield* reason(room.connections()), "InvalidReply")
        }))

      test("a room whose app does not start refuses newcomers and its methods, and answers the rest (LC-5, RO-8)", (world) =>
        Effect.gen(function*() {
          const room = world.broken.get(yield* world.name)
          assert.strictEqual((yield* room.fetch(upgrade())).status, 503)
          const error = yield* Effect.flip(room.earn({ coins: 1 }))
          assert.strictEqual(error.reason._tag, "NotReady")
          assert.deepStrictEqual(yield* room.connections(), [])
        }))

      test("a call can be interrupted (RO-9)", (world) =>
        Effect.gen(function*() {
          const { room } = yield* lobby(world)
          const call = yield* Effect.forkChild(room.sleep({ milliseconds: 600_000 }), { startImmediately: true })
          yield* Effect.promise(() => new Promise((done) => setTimeout(done, 20)))
          const interrupted = Fiber.interrupt(call).pipe(Effect.timeoutOption("1 second"))
          assert.isTrue(Option.isSome(yield* TestClock.withLive(interrupted)))
        }))
    })
  }
}
