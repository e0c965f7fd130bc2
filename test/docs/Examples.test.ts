import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { globSync, readFileSync } from "node:fs"
import { Chat } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import * as RoomClient from "../../src/client/RoomClient.ts"
import * as Transport from "../../src/client/Transport.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Identity from "../../src/domain/Identity.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Broadcaster from "../../src/services/Broadcaster.ts"
import * as Directory from "../../src/services/Directory.ts"
import type * as Handlers from "../../src/services/Handlers.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as SqliteClient from "../../src/services/SqliteClient.ts"
import * as Storage from "../../src/services/Storage.ts"
import { pass } from "../client/world.ts"

const Counter = Room.make("counter", {
  receive: Schema.Struct({ add: Schema.Int }), // client → server; anything else is answered with an error
  send: Schema.Struct({ total: Schema.Int, people: Schema.Int }), // server → client
  state: Schema.Struct({ total: Schema.Int }) // of each connection; survives hibernation
})

const CounterLive = Counter.toLayer(Effect.gen(function*() {
  const room = yield* Counter
  return {
    connect: () => Effect.succeed({ state: { total: 0 } }),
    message: Effect.fnUntraced(function*({ id, state }, { add }) {
      const total = state.total + add
      yield* room.setState(id, { total })
      yield* room.broadcast({ total, people: yield* room.count() })
    }),
    close: ({ id }, { code }) => Effect.log(`${id} left with ${code}`)
  }
}))

it.effect("the README's room counts, and keeps counting after a sleep (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Counter, CounterLive)
    const ada = yield* room.connect()
    yield* ada.send({ add: 2 })
    yield* room.evict // the object sleeps; the connection stays
    yield* ada.send({ add: 3 })
    assert.deepStrictEqual(yield* ada.received, [{ total: 2, people: 1 }, { total: 5, people: 1 }])
  }))

it.effect("the README's client counts (EX-2, CC-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Counter, CounterLive)
    const program = Effect.gen(function*() {
      const client = yield* RoomClient.make(Counter, { url: "wss://example.com/counters/hall" })
      yield* client.send({ add: 2 })
      yield* client.messages.pipe(Stream.runForEach(({ total }) => Effect.log(`${total} so far`)))
    })
    const witness = yield* room.connect()
    yield* Effect.forkScoped(Effect.provideService(program, Transport.Transport, room.network.transport))
    yield* pass(10)
    assert.deepStrictEqual(yield* witness.received, [{ total: 2, people: 2 }])
  }))

class Notes extends Context.Service<Notes, {
  readonly count: Effect.Effect<number>
  readonly add: (note: string) => Effect.Effect<void>
}>()("effect-dormouse/test/docs/Examples.test/Notes") {}

class Full extends Schema.TaggedError<Full>()("Full", { limit: Schema.Int }) {}

const Wall = Room.make("wall", { receive: Schema.String, send: Schema.String, error: Full })

const WallLive = Wall.toLayer({
  message: Effect.fnUntraced(function*(_, note) {
    const room = yield* Wall
    const notes = yield* Notes // a database, say
    if ((yield* notes.count) === 100) return yield* new Full({ limit: 100 })
    yield* notes.add(note)
    yield* room.broadcast(note)
  })
})

it.effect("the README's wall takes a hundred notes, and then tells the sender that it is full (EX-2)", () =>
  Effect.gen(function*() {
    const written: Array<string> = []
    const NotesLive = Layer.succeed(Notes)({
      count: Effect.sync(() => written.length),
      add: (note) => Effect.sync(() => void written.push(note))
    })
    const room = yield* MemoryRoom.make(Wall, Layer.provide(WallLive, NotesLive))
    const ada = yield* room.connect()
    for (let note = 0; note < 100; note++) yield* ada.send(`${note}`)
    assert.strictEqual((yield* ada.received).length, 100)
    yield* ada.send("one more")
    const [refusal] = yield* ada.receivedFrames
    const { error, ...told } = JSON.parse(String(refusal))
    assert.deepStrictEqual(error, { _tag: "Full", limit: 100 })
    assert.deepInclude(told, { _tag: "Error", code: "Refused" })
    assert.strictEqual(yield* ada.closed, undefined)
  }))

it.effect("the counting broadcaster takes the place of the room's (EX-2)", () =>
  Effect.gen(function*() {
    const Counting = Layer.effect(
      Broadcaster.Broadcaster,
      Effect.gen(function*() {
        const broadcaster = yield* Broadcaster.Broadcaster
        return Broadcaster.Broadcaster.of({
          ...broadcaster,
          broadcast: (frame, options) =>
            Effect.tap(broadcaster.broadcast(frame, options), ({ delivered }) => Metric.update(frames, delivered))
        })
      })
    )
    const frames = Metric.counter("frames")
    const room = yield* MemoryRoom.make(Counter, Layer.provideMerge(CounterLive, Counting))
    const [ada, bob] = [yield* room.connect(), yield* room.connect()]
    yield* ada.send({ add: 1 })
    assert.deepStrictEqual(yield* bob.received, [{ total: 1, people: 2 }])
    assert.strictEqual((yield* Metric.value(frames)).count, 2)
  }))

it.effect("MemoryRoom's example announces who leaves (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const ada = yield* room.connect("/?name=Ada")
    const bob = yield* room.connect("/?name=Bob")
    yield* room.evict
    yield* bob.close(4000, "bye")
    const [, , left] = yield* ada.received // Welcome, Joined, Left
    assert.deepInclude(left, { _tag: "Left", name: "Bob", code: 4000, reason: "bye" })
  }))

it.effect("Room's example echoes to everybody (EX-2)", () =>
  Effect.gen(function*() {
    const Echo = Room.make("echo", { format: "text", receive: Schema.String, send: Schema.String })

    const EchoLive = Echo.toLayer(Effect.gen(function*() {
      const room = yield* Echo
      return { message: (_, text) => room.broadcast(text) }
    }))
    const room = yield* MemoryRoom.make(Echo, EchoLive)
    const [ada, bob] = [yield* room.connect(), yield* room.connect()]
    yield* ada.send("hi")
    assert.deepStrictEqual([yield* ada.received, yield* bob.received], [["hi"], ["hi"]])
  }))

it("Identity's example gives the tags that it says (EX-2)", () => {
  const id = ConnectionId.ConnectionId.make("0b0f6e3a-9f57-4c3a-8a55-2f3f6c3c9a10")
  const tags = Identity.toTags({ id, user: "ada", labels: ["admin"], protocol: "plain" })
  // Result.succeed([`c:${id}`, "p:plain", "u:ada", "l:admin"])
  assert.deepStrictEqual(tags, Result.succeed([`c:${id}`, "p:plain", "u:ada", "l:admin"]))
})

it.effect("RoomError's example goes on where nobody is (EX-2)", () =>
  Effect.gen(function*() {
    const Lobby = Room.make("lobby", { receive: Schema.Never, send: Schema.Struct({ text: Schema.String }) })
    const memory = yield* MemoryRoom.make(Lobby, Lobby.toLayer({}))
    const ada = yield* memory.connect()
    yield* memory.run(Effect.gen(function*() {
      const room = yield* Lobby
      const whisper = (id: ConnectionId.ConnectionId, text: string) =>
        room.send(id, { text }).pipe(
          Effect.catchReason("RoomError", "UnknownConnection", () => Effect.log("Nobody there"))
        )
      const [{ id }] = yield* room.connections()
      yield* whisper(id, "psst")
      yield* whisper(ConnectionId.ConnectionId.make("0b0f6e3a-9f57-4c3a-8a55-2f3f6c3c9a10"), "psst")
    }))
    assert.deepStrictEqual(yield* ada.received, [{ text: "psst" }])
  }))

it.effect("the examples of Rooms, RoomsError and MemoryRooms reach who is there (EX-2)", () => {
  const Lobby = Room.make("lobby", { receive: Schema.Never, send: Schema.Struct({ text: Schema.String }) })

  const announce = Effect.fnUntraced(function*(name: string, text: string) {
    const rooms = yield* Rooms.key(Lobby)
    const { delivered } = yield* rooms.get(name).broadcast({ text })
    return delivered
  })

  const hint = (name: string, text: string) =>
    announce(name, text).pipe(
      Effect.catchReason("RoomsError", "Overloaded", () => Effect.succeed(0))
    )
  return Effect.gen(function*() {
    const rooms = yield* MemoryRooms.key(Lobby)
    const ada = yield* (yield* rooms.room("lobby")).connect()
    assert.strictEqual(yield* announce("lobby", "tea is ready"), 1)
    assert.deepStrictEqual(yield* ada.received, [{ text: "tea is ready" }])
    assert.strictEqual(yield* hint("lobby", "there is cake, too"), 1)
  }).pipe(Effect.provide(MemoryRooms.layer(Lobby, Lobby.toLayer(Effect.succeed({})))))
})

it.effect("Storage's example counts what a room has stored (EX-2)", () =>
  Effect.gen(function*() {
    const count = Effect.gen(function*() {
      yield* Storage.exec("CREATE TABLE IF NOT EXISTS said (text TEXT)")
      yield* Storage.exec("INSERT INTO said VALUES (?)", "hello")
      const [row] = yield* Storage.exec<{ readonly n: number }>("SELECT count(*) AS n FROM said")
      return row?.n
    })
    const room = yield* MemoryRoom.make(Chat, ChatLive)
    assert.deepStrictEqual([yield* room.run(count), yield* room.run(count)], [1, 2])
  }))

it.effect("SqliteClient's examples write down what is said (EX-2)", () => {
  const Minutes = Room.make("minutes", { format: "text", receive: Schema.String, send: Schema.String })

  const MinutesLive = Minutes.toLayer(Effect.gen(function*() {
    const room = yield* Minutes
    const sql = yield* SqlClient.SqlClient
    return {
      message: Effect.fnUntraced(function*(_, text) {
        yield* sql`INSERT INTO minutes ${sql.insert({ text })}`
        const [row] = yield* sql<{ readonly n: number }>`SELECT count(*) AS n FROM minutes`
        yield* room.broadcast(`${row?.n}: ${text}`)
      })
    }
  }))

  const migrate = Migrator.make({})({
    loader: Migrator.fromRecord({
      "1_minutes": SqlClient.SqlClient.use((sql) => sql`CREATE TABLE minutes (id INTEGER PRIMARY KEY, text TEXT)`)
    })
  })

  const DatabaseLive = Layer.effectDiscard(migrate).pipe(Layer.provideMerge(SqliteClient.layer))

  return Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Minutes, Layer.provide(MinutesLive, DatabaseLive))
    const ada = yield* room.connect()
    yield* ada.send("hello")
    yield* room.evict
    yield* ada.send("bye")
    assert.deepStrictEqual(yield* ada.received, ["1: hello", "2: bye"])
  })
})

it.effect("Directory's example lists the lobbies in which somebody is (EX-2)", () => {
  const Lobby = Room.make("lobby", { receive: Schema.String, send: Schema.String, directory: true })

  const LobbyLive = Lobby.toLayer({}).pipe(Layer.provide(Directory.layer))

  const first = Effect.flatMap(Rooms.key(Lobby), (rooms) => rooms.list({ limit: 10 }))

  return Effect.gen(function*() {
    const { room } = yield* MemoryRooms.key(Lobby)
    yield* (yield* room("garden")).connect()
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* first, [{ name: "garden", since: 0, connections: 1 }])
  }).pipe(Effect.provide(MemoryRooms.layer(Lobby, LobbyLive)))
})

it.effect("Problem's example opens for members only (EX-2)", () =>
  Effect.gen(function*() {
    const Club = Room.make("club", { receive: Schema.String, send: Schema.String, state: Schema.Int })
    const state = 1
    const isMember = (request: Handlers.ConnectRequest) => request.headers.get("authorization") === "a member"
    const ClubLive = Club.toLayer(Effect.succeed({
      connect: (request) => isMember(request) ? Effect.succeed({ state }) : Problem.make(403, "Members only.")
    }))
    const room = yield* MemoryRoom.make(Club, ClubLive)
    yield* room.connect("/", { headers: { authorization: "a member" } })
    assert.strictEqual((yield* Effect.flip(room.connect())).status, 403)
  }))

it("every block of code in the documentation stands in a program that is run (EX-2)", () => {
  const root = new URL("../../", import.meta.url)
  const read = (path: string) => readFileSync(new URL(path, root), "utf8")
  const squeeze = (code: string) => code.replace(/\s+/g, " ").trim()
  const programs = ["src/**/*.ts", "examples/**/*.ts", "test/**/*.ts"]
    .flatMap((pattern) => globSync(pattern, { cwd: root.pathname, exclude: ["**/node_modules"] }))
    // A comment is no program.
    .map((path) => squeeze(read(path).replace(/\/\*\*[\s\S]*?\*\//g, "")))
  const documents = ["README.md", ...globSync(["docs/**/*.md", "src/**/*.ts"], { cwd: root.pathname })]
  const blocks = documents.flatMap((path) =>
    [...read(path).replace(/^ *\* ?/gm, "").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => ({
      path,
      code: code!
    }))
  )
  assert.isAbove(blocks.length, 8)
  for (const { code, path } of blocks) {
    assert.isTrue(programs.some((program) => program.includes(squeeze(code))), `${path}\n${code}`)
  }
})
