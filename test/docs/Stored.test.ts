import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CloseCode from "../../src/domain/CloseCode.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as Storage from "../../src/services/Storage.ts"

const Reminders = Room.make("reminders", {
  receive: Schema.String,
  send: Schema.String,
  deadlines: { reminder: Schema.Struct({ text: Schema.String }) }
})

const RemindersLive = Reminders.toLayer(Effect.gen(function*() {
  const room = yield* Reminders
  return {
    message: ({ id }, text) => room.deadlines.reminder.set(id, "1 hour", { text }),
    deadlines: { reminder: (_, { text }) => room.broadcast(text) }
  }
})).pipe(Layer.provide(Deadlines.layer))

it.effect("the example of Deadlines reminds everybody after an hour (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Reminders, RemindersLive)
    const ada = yield* room.connect()
    yield* ada.send("tea")
    yield* TestClock.adjust("59 minutes")
    assert.deepStrictEqual(yield* ada.received, [])
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* ada.received, ["tea"])
  }))

const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  return Effect.as(Effect.provide(effect, Logger.layer([logger])), lines)
}

const Desk = Room.make("desk", { receive: Schema.String, send: Schema.String, journal: true })

const DeskLive = Desk.toLayer({
  close: ({ id }) => Effect.log(`${id} has left`)
}).pipe(Layer.provide(Journal.layer))

it.effect("the example of Journal tells who has left, after a crash (EX-2)", () =>
  Effect.gen(function*() {
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Desk, DeskLive)
      yield* room.connect()
      yield* room.crash
      yield* TestClock.adjust("1 second")
    }))
    assert.strictEqual(lines.length, 1)
    assert.match(lines[0]!, /has left$/)
  }))

const Wiki = Room.make("wiki", { receive: Schema.String, send: Schema.String, lifetime: { emptyFor: "30 days" } })

const WikiLive = Wiki.toLayer({
  retire: Effect.log("nobody has been here for a month")
}).pipe(Layer.provide(Lifetime.layer))

it.effect("the example of Lifetime retires after a month (EX-2)", () =>
  Effect.gen(function*() {
    const lines = yield* logged(Effect.gen(function*() {
      const room = yield* MemoryRoom.make(Wiki, WikiLive)
      yield* (yield* room.connect()).close()
      yield* TestClock.adjust("29 days")
      yield* (yield* room.connect()).close()
      yield* TestClock.adjust("29 days")
      yield* Effect.log("not yet")
      yield* TestClock.adjust("1 day")
    }))
    assert.deepStrictEqual(lines, ["not yet", "nobody has been here for a month"])
  }))

const Board = Room.make("board", { receive: Schema.String, send: Schema.String })

const BoardLive = Board.toLayer(Effect.gen(function*() {
  const room = yield* Board
  // Once for each life of the object, before its first event.
  yield* Storage.exec("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
  return {
    open: Effect.fnUntraced(function*({ id }) {
      for (const { text } of yield* Storage.exec<{ readonly text: string }>("SELECT text FROM notes ORDER BY id")) {
        yield* room.send(id, text)
      }
    }),
    message: Effect.fnUntraced(function*(_, text) {
      yield* Storage.exec("INSERT INTO notes (text) VALUES (?)", text)
      yield* room.broadcast(text)
    })
  }
}))

it.effect("the guide's board tells a newcomer what was written, after a crash and after a restart (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Board, BoardLive)
    const ada = yield* room.connect()
    yield* ada.send("hello")
    yield* room.crash
    const bob = yield* room.connect()
    assert.deepStrictEqual(yield* bob.received, ["hello"])
    const folder = mkdtempSync(join(tmpdir(), "dormouse-"))
    const write = Storage.exec("INSERT INTO notes (text) VALUES ('kept')")
    const read = Storage.exec("SELECT text FROM notes")
    const inNode = <A, E>(effect: Effect.Effect<A, E, Storage.Storage>) =>
      Effect.flatMap(NodeRooms.key(Board), (rooms) => rooms.run("wall", effect)).pipe(
        Effect.provide(NodeRooms.layer(Board, BoardLive, { directory: folder }))
      )
    yield* inNode(write)
    assert.deepStrictEqual(yield* inNode(read), [{ text: "kept" }])
    rmSync(folder, { recursive: true })
  }))

const Game = Room.make("game", {
  receive: Schema.Literals(["start", "move"]),
  send: Schema.String,
  deadlines: { turn: Schema.Struct({ player: Schema.String }) }
})

const GameLive = Game.toLayer(Effect.gen(function*() {
  const room = yield* Game
  return {
    // The same key moves it. It goes with the connection.
    message: ({ id }) => room.deadlines.turn.set(id, "30 seconds", { player: id }, { connection: id }),
    deadlines: {
      turn: (_, { player }) => room.broadcast(`${player} is out of time`)
    }
  }
})).pipe(Layer.provide(Deadlines.layer))

it.effect("the guide's game ends a turn after thirty seconds (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Game, GameLive)
    const ada = yield* room.connect()
    yield* ada.send("move")
    yield* room.evict
    yield* TestClock.adjust("30 seconds")
    assert.strictEqual((yield* ada.received).length, 1)
  }))

const empty = Effect.fnUntraced(function*(name: string) {
  const games = yield* Rooms.key(Game)
  return yield* games.get(name).drain({ over: "30 seconds" })
})

it.effect("the guide's drain empties a room (EX-2)", () =>
  Effect.gen(function*() {
    const room = yield* Effect.flatMap(MemoryRooms.key(Game), (rooms) => rooms.room("chess"))
    const clients = yield* Effect.replicateEffect(room.connect(), 10)
    assert.strictEqual(yield* empty("chess"), 10)
    yield* TestClock.adjust("30 seconds")
    const windows = yield* Effect.forEach(clients, ({ closed }) =>
      Effect.map(closed, (close) => close && CloseCode.drainWindow(close)))
    assert.deepStrictEqual(
      windows,
      Array.from({ length: 10 }, () =>
        1_000)
    )
  }).pipe(Effect.provide(MemoryRooms.layer(Game, GameLive))))

const Cinema = Room.make("cinema", {
  receive: Schema.Never,
  send: Schema.Never,
  state: Schema.Struct({ seat: Schema.Int }),
  journal: true
})

it.effect("the guide's cinema knows whose seats are free after a crash (EX-2)", () =>
  Effect.gen(function*() {
    const free: Array<number> = []
    let seats = 0
    const CinemaLive = Cinema.toLayer({
      connect: () => Effect.succeed({ state: { seat: ++seats } }),
      close: ({ state: { seat } }) => Effect.sync(() => void free.push(seat))
    })
    const room = yield* MemoryRoom.make(Cinema, Layer.provide(CinemaLive, Journal.layer))
    yield* Effect.replicateEffect(room.connect(), 3)
    yield* room.crash
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(free, [1, 2, 3])
  }))

const Party = Room.make("party", {
  receive: Schema.String,
  send: Schema.String,
  lifetime: { emptyFor: "1 hour" }
})

const PartyLive = Party.toLayer({
  retire: Effect.log("everybody has gone home")
}).pipe(Layer.provide(Lifetime.layer))

it.effect("the guide's party ends an hour after the last guest, or at once (EX-2)", () =>
  Effect.gen(function*() {
    const lines = yield* logged(
      Effect.gen(function*() {
        const rooms = yield* Rooms.key(Party)
        const room = yield* Effect.flatMap(MemoryRooms.key(Party), (rooms) => rooms.room("loft"))
        yield* (yield* room.connect()).close()
        yield* TestClock.adjust("59 minutes")
        yield* Effect.log("not yet")
        yield* TestClock.adjust("1 minute")
        const guest = yield* room.connect()
        yield* rooms.destroy("loft")
        assert.strictEqual((yield* guest.closed)?.code, 4500)
      }).pipe(Effect.provide(MemoryRooms.layer(Party, PartyLive)))
    )
    assert.deepStrictEqual(lines, ["not yet", "everybody has gone home", "everybody has gone home"])
  }))
