import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Lobby, LobbyLive, Mood, MoodLive, Purse } from "../contract/Lobby.ts"
import { contract } from "../contract/rooms.ts"
import * as App from "./app.ts"

const serve = Effect.fnUntraced(function*(
  rooms: Layer.Layer<Rooms.Rooms<"lobby"> | NodeRooms.NodeRooms<"lobby">>
) {
  const services = yield* Layer.build(rooms)
  const app = yield* App.serveRoutes(Layer.provide(RoomRoutes.layer(Lobby), Layer.succeedContext(services)))
  return { app, node: Context.get(services, NodeRooms.key(Lobby)) }
})

contract(
  "rooms in Node",
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const clients = new WeakMap<Response, App.Entered>()
    const open = ({ app, node }: Effect.Success<ReturnType<typeof serve>>) => (name: string): Rooms.Link => ({
      call: node.open(name).call,
      fetch: Effect.fnUntraced(function*({ url }) {
        const entered = yield* Scope.provide(App.enter(app, `/rooms/${name}${new URL(url).search}`), scope)
        const response = Object.defineProperty(new Response(entered.body), "status", { value: entered.status })
        clients.set(response, entered)
        return response
      })
    })
    const lobbies = yield* serve(
      NodeRooms.layer(Lobby, LobbyLive.pipe(Layer.provide(Purse.layer), Layer.merge(MoodLive)))
    )
    const broken = yield* serve(NodeRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.broken)))
    let names = 0
    return {
      // SAFETY: the service is that of the definition.
      rooms: (room: Room.Any) => Rooms.make(room, open(lobbies)) as any,
      broken: Rooms.make(Lobby, open(broken)),
      client: (response) => {
        const { closed, received, socket } = clients.get(response)!
        return Effect.succeed({
          send: (frame) => Effect.sync(() => socket.send(frame)),
          received: Effect.map(App.pass, () => received.splice(0).map((frame) => JSON.parse(frame))),
          closed: Effect.promise(() => closed)
        })
      },
      name: Effect.sync(() => `lobby-${names++}`),
      evict: () => Effect.die(new Error("Nothing sleeps here"))
    }
  }),
  { sleeps: false }
)

it.effect("what the rooms need beside the room is built once, and what each provides is its own (LS-9)", () =>
  Effect.gen(function*() {
    let databases = 0
    const Counted = Layer.effect(Purse, Effect.sync(() => ({ coins: 100 * ++databases })))
    const rooms = Context.get(
      yield* Layer.build(Layer.provide(NodeRooms.layer(Lobby, LobbyLive), Counted)),
      Rooms.key(Lobby)
    )
    assert.strictEqual(yield* rooms.get("one").earn({ coins: 1 }), 101)
    assert.strictEqual(yield* rooms.get("two").earn({ coins: 1 }), 102)
    assert.strictEqual(databases, 1)
  }))

const Bell = Room.make("bell", {
  receive: Schema.String,
  send: Schema.String,
  methods: [Rpc.make("rest", { payload: { milliseconds: Schema.Int } }), Rpc.make("mood", { success: Schema.String })]
})

const makeBells = Effect.fnUntraced(function*() {
  const seen = { starts: 0, ends: 0 }
  const live = Layer.merge(
    Bell.toLayer(Effect.succeed({
      methods: { rest: ({ milliseconds }) => Effect.sleep(milliseconds), mood: () => Mood }
    })),
    Layer.effectDiscard(Effect.acquireRelease(Effect.sync(() => seen.starts++), () => Effect.sync(() => seen.ends++)))
  )
  const services = yield* Layer.build(NodeRooms.layer(Bell, live))
  return { rooms: Context.get(services, Rooms.key(Bell)), seen }
})

it.effect("a call starts its room, and holds it while it runs (LS-9, LS-6)", () =>
  Effect.gen(function*() {
    const { rooms, seen } = yield* makeBells()
    const call = yield* Effect.forkChild(rooms.get("bell").rest({ milliseconds: 3_600_000 }), {
      startImmediately: true
    })
    yield* App.pass
    yield* TestClock.adjust("30 minutes")
    assert.deepStrictEqual(seen, { starts: 1, ends: 0 })
    yield* TestClock.adjust("30 minutes")
    yield* Fiber.join(call)
    yield* TestClock.adjust("9 seconds")
    yield* rooms.get("bell").mood()
    assert.deepStrictEqual(seen, { starts: 1, ends: 0 })
    yield* TestClock.adjust("31 seconds")
    assert.deepStrictEqual(seen, { starts: 1, ends: 1 })
    yield* rooms.get("bell").mood()
    assert.deepStrictEqual(seen, { starts: 2, ends: 1 })
  }))

it.effect("a room runs in what its app was built in, whoever calls it first (LS-9, RM-1)", () =>
  Effect.gen(function*() {
    const { rooms } = yield* makeBells()
    const mood = rooms.get("bell").mood()
    assert.strictEqual(yield* Effect.provideService(mood, Mood, "the caller's"), "dull")
    assert.strictEqual(yield* mood, "dull")
  }))

it.effect("what a handler says to another room leaves at once, from its open too (LS-9, LC-7)", () =>
  Effect.gen(function*() {
    const heard: Array<unknown> = []
    const Door = Room.make("door", { receive: Schema.String, send: Schema.String })
    const { app: lobby, node } = yield* serve(NodeRooms.layer(Lobby, Layer.provide(LobbyLive, Purse.layer)))
    const doors = yield* NodeRooms.make(
      Door,
      Door.toLayer(Effect.succeed({
        open: () =>
          Effect.map(Effect.orDie(node.rooms.get("lobby").broadcast({ text: "ding" })), (told) => heard.push(told))
      }))
    )
    const listener = yield* App.enter(lobby, "/rooms/lobby")
    const routes = Layer.provide(RoomRoutes.layer(Door), Layer.succeed(Rooms.key(Door), doors.rooms))
    yield* App.enter(yield* App.serveRoutes(routes), "/rooms/door")
    yield* App.pass
    assert.deepStrictEqual(heard, [{ delivered: 1, failed: 0 }])
    assert.deepStrictEqual(listener.received, [`{"text":"ding"}`])
  }))

it.effect("after its end a call fails and a newcomer is refused (LS-5, LS-9)", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const { rooms } = yield* Scope.provide(makeBells(), scope)
    const room = rooms.get("bell")
    yield* room.mood()
    const call = yield* Effect.forkChild(Effect.flip(room.rest({ milliseconds: 600_000 })), { startImmediately: true })
    yield* App.pass
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual((yield* Fiber.join(call)).reason._tag, "Unreachable")
    assert.strictEqual((yield* Effect.flip(room.mood())).reason._tag, "Unreachable")
    assert.strictEqual((yield* room.fetch(new Request("http://room.invalid/"))).status, 503)
  }))
