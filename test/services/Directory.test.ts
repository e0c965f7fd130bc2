import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import { Inside } from "../../src/services/Assembly.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Directory from "../../src/services/Directory.ts"
import * as Entries from "../../src/services/Entries.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as Storage from "../../src/services/Storage.ts"
import { type Fate, fated, Hall, HallLive } from "../contract/Hall.ts"
import * as Looks from "./Looks.ts"
import * as Outage from "./Outage.ts"

const make = Effect.fnUntraced(function*(entries: Layer.Layer<Entries.Entries>) {
  const services = yield* Layer.build(Layer.provide(MemoryRooms.layer(Hall, HallLive), entries))
  const rooms = Context.get(services, Rooms.key(Hall))
  return {
    hall: yield* Context.get(services, MemoryRooms.key(Hall)).room("a"),
    list: Effect.map(rooms.list(), (rooms) => rooms.map(({ connections, name }) => `${name}: ${connections}`))
  }
})

it.effect("a directory that was away for long, or hangs, is told once it is back (DR-3)", () =>
  Effect.gen(function*() {
    const fate: Fate = { isAway: true, writes: [] }
    let hangs = false
    const Hanging = Layer.effect(
      Entries.Entries,
      Effect.map(Entries.Entries, (entries) => ({
        ...entries,
        put: (...entry: Parameters<typeof entries.put>) =>
          Effect.suspend(() => hangs ? Effect.never : entries.put(...entry))
      }))
    )
    const { hall, list } = yield* make(Layer.provide(Hanging, fated(fate)))
    yield* hall.connect()
    for (let minute = 0; minute < 30; minute++) {
      if (minute === 15) {
        fate.isAway = false
        hangs = true
      }
      for (let step = 0; step < 6; step++) yield* TestClock.adjust("10 seconds")
    }
    hangs = false
    for (let step = 0; step < 20; step++) yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(yield* list, ["a: 1"])
    yield* TestClock.adjust("1 hour")
    assert.deepStrictEqual(fate.writes, [["put", "a"]])
    yield* hall.assertSleeps
  }))

it.effect("a room whose storage was deleted is struck out by the next listing (DR-4)", () =>
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    const { hall, list } = yield* make(fated(fate))
    yield* hall.connect()
    yield* TestClock.adjust("1 second")
    yield* hall.run(Storage.Storage.use(({ clear }) => clear))
    yield* hall.crash
    assert.deepStrictEqual(yield* list, [])
    assert.deepStrictEqual(fate.writes, [["put", "a"], ["remove", "a"]])
  }))

it.effect("those who were there before the room had a directory are listed (DR-1)", () =>
  Effect.gen(function*() {
    const { hall, list } = yield* make(Entries.layerMemory)
    yield* hall.connect()
    yield* hall.connect()
    yield* TestClock.adjust("1 second")
    yield* hall.run(Storage.exec("DELETE FROM dormouse_directory"))
    yield* hall.evict
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* list, ["a: 2"])
  }))

it.effect("tables of newer code are left alone, and the room goes on (DR-8)", () =>
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    const { hall } = yield* make(fated(fate))
    yield* hall.run(Storage.exec("UPDATE dormouse_tables SET version = 99 WHERE part = 'directory'"))
    yield* hall.evict
    const ada = yield* hall.connect()
    yield* ada.send("hi")
    assert.deepStrictEqual(yield* ada.received, ["hi"])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(fate.writes, [])
  }))

it.effect("a room that starts anew after a failure writes once (DR-2)", () =>
  Effect.gen(function*() {
    let starts = 0
    const fate: Fate = { isAway: false, writes: [] }
    const Fragile = Room.make("fragile", { receive: Schema.String, send: Schema.String, directory: true })
    const live = Layer.unwrap(
      Effect.as(
        Directory.Directory,
        Layer.unwrap(
          Effect.suspend(() => ++starts < 3 ? Effect.fail("the database is away") : Effect.succeed(Fragile.toLayer({})))
        )
      )
    ).pipe(Layer.provide(Directory.layer))
    const entries = yield* Layer.build(fated(fate))
    const room = yield* Effect.provideContext(MemoryRoom.make(Fragile, live), entries)
    yield* Effect.flip(room.connect())
    yield* TestClock.adjust("10 seconds")
    yield* Effect.ignore(room.connect())
    yield* TestClock.adjust("10 seconds")
    const ada = yield* room.connect()
    yield* TestClock.adjust("1 second")
    yield* ada.close(1000)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(starts, 3)
    assert.deepStrictEqual(fate.writes, [["put", "memory"], ["remove", "memory"]])
  }))

it.effect("beside a room's own deadlines, and since when it is occupied is known inside (DR-1)", () =>
  Effect.gen(function*() {
    const rang: Array<string> = []
    const Clock = Room.make("clock", {
      receive: Schema.String,
      send: Schema.String,
      directory: true,
      deadlines: { bell: Schema.String }
    })
    const live = Clock.toLayer({ deadlines: { bell: (_, text) => Effect.sync(() => rang.push(text)) } }).pipe(
      Layer.provideMerge(Layer.merge(Deadlines.layer, Directory.layer))
    )
    const room = yield* MemoryRoom.make(Clock, live)
    assert.isUndefined(yield* room.run(Directory.Directory.useSync(({ since }) => since())))
    yield* TestClock.adjust("1 minute")
    const ada = yield* room.connect()
    yield* room.run(Clock.use(({ deadlines }) => deadlines.bell.set("a", "1 second", "ding")))
    yield* TestClock.adjust("1 minute")
    yield* room.evict
    assert.deepStrictEqual(rang, ["ding"])
    assert.strictEqual(yield* room.run(Directory.Directory.useSync(({ since }) => since())), 60_000)
    yield* ada.close(1000)
    assert.isUndefined(yield* room.run(Directory.Directory.useSync(({ since }) => since())))
  }))

it.effect("the last one leaves while another one is about to enter: the room stays occupied (DR-2, DR-3)", () =>
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    let isSlow = false
    const Slow = Layer.effectDiscard(Effect.map(Inside, (assembly) => {
      const entering = () => Effect.suspend(() => isSlow ? Effect.sleep("10 seconds") : Effect.void)
      assembly.keepers = [...assembly.keepers, { entering }]
    }))
    const live = Hall.toLayer({}).pipe(Layer.provide(Layer.provideMerge(Slow, Directory.layer)))
    const services = yield* Layer.build(Layer.provide(MemoryRooms.layer(Hall, live), fated(fate)))
    const hall = yield* Context.get(services, MemoryRooms.key(Hall)).room("a")
    const ada = yield* hall.connect()
    yield* TestClock.adjust("1 second")
    isSlow = true
    const bob = yield* Effect.forkChild(hall.connect(), { startImmediately: true })
    yield* ada.close(1000)
    yield* TestClock.adjust("5 seconds")
    const { list } = Context.get(services, Rooms.key(Hall))
    assert.deepStrictEqual(yield* list(), [])
    yield* TestClock.adjust("5 seconds")
    const { close } = yield* Fiber.join(bob)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual((yield* list()).map(({ connections }) => connections), [1])
    yield* close(1000)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(fate.writes, [["put", "a"], ["remove", "a"]])
  }))

it.effect("each time that a room is occupied is another one, also if the clock stands still (DR-3)", () =>
  Effect.gen(function*() {
    const live = Hall.toLayer({}).pipe(Layer.provideMerge(Directory.layer))
    const room = yield* MemoryRoom.make(Hall, live)
    const since = room.run(Directory.Directory.useSync(({ since }) => since()))
    const seen: Array<number | undefined> = []
    for (let step = 0; step < 3; step++) {
      const client = yield* room.connect()
      seen.push(yield* since)
      yield* client.close(1000)
      yield* room.evict
    }
    assert.strictEqual(new Set(seen).size, 3)
    assert.deepStrictEqual(seen.toSorted(), seen)
  }))

it.effect("a start that failed leaves nothing behind that touches the room's own deadlines (DR-3, DL-1)", () =>
  Effect.gen(function*() {
    let starts = 0
    const Alarmed = Room.make("alarmed", {
      receive: Schema.String,
      send: Schema.String,
      directory: true,
      deadlines: { bell: Schema.String }
    })
    const rang: Array<string> = []
    const Fragile = Layer.unwrap(Effect.suspend(() =>
      ++starts === 1
        ? Effect.fail("the database is away")
        : Effect.succeed(Alarmed.toLayer({ deadlines: { bell: (key) => Effect.sync(() => rang.push(key)) } }))
    ))
    const live = Layer.unwrap(Effect.as(Directory.Directory, Fragile)).pipe(
      Layer.provide(Layer.merge(Deadlines.layer, Directory.layer))
    )
    const room = yield* MemoryRoom.make(Alarmed, live)
    yield* Effect.flip(room.connect())
    yield* TestClock.adjust("10 seconds")
    for (const key of ["a", "b", "c"]) {
      yield* room.run(Alarmed.use(({ deadlines }) => deadlines.bell.set(key, "1 minute", "")))
    }
    yield* (yield* room.connect()).close(1000)
    yield* TestClock.adjust("2 minutes")
    assert.deepStrictEqual(rang, ["a", "b", "c"])
  }))

it.effect("who leaves costs no look at all the others (DR-2)", () =>
  Effect.gen(function*() {
    const all = Looks.make()
    const live = Layer.provideMerge(HallLive, all.layer)
    const room = yield* MemoryRoom.make(Hall, live)
    const early = yield* Effect.replicateEffect(room.connect(), 20)
    yield* room.evict
    const late = yield* Effect.replicateEffect(room.connect(), 20)
    yield* room.assertSleeps
    all.looks = 0
    for (const client of [...late, ...early]) yield* client.close(1000)
    assert.isAtMost(all.looks, 6)
  }))

it.effect("those who were there before a sleep leave while a newcomer is there: the room becomes empty (DR-2)", () =>
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    const { hall } = yield* make(fated(fate))
    const early = [yield* hall.connect(), yield* hall.connect()]
    yield* hall.evict
    const late = yield* hall.connect()
    for (const client of [...early, late]) yield* client.close(1000)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(fate.writes.at(-1), ["remove", "a"])
  }))

it.effect("a directory that dies is told once it is back (DR-3)", () =>
  Effect.gen(function*() {
    let dies = true
    const fate: Fate = { isAway: false, writes: [] }
    const Dying = Layer.effect(
      Entries.Entries,
      Effect.map(Entries.Entries, (entries) => ({
        ...entries,
        put: (...entry: Parameters<typeof entries.put>) =>
          Effect.suspend(() => {
            if (dies) throw new TypeError("There is no binding.")
            return entries.put(...entry)
          })
      }))
    )
    const { hall, list } = yield* make(Layer.provide(Dying, fated(fate)))
    yield* hall.connect()
    for (let minute = 0; minute < 5; minute++) yield* TestClock.adjust("1 minute")
    dies = false
    for (let minute = 0; minute < 2; minute++) yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* list, ["a: 1"])
  }))

it.effect("a room whose change cannot be kept tries again with the next one (DR-3)", () =>
  Effect.gen(function*() {
    let isAway = true
    const fate: Fate = { isAway: false, writes: [] }
    const live = Hall.toLayer({}).pipe(
      Layer.provide(Directory.layer),
      Layer.provide(Outage.layer((what) => isAway && what.startsWith("INSERT OR REPLACE INTO dormouse_d")))
    )
    const services = yield* Layer.build(Layer.provide(MemoryRooms.layer(Hall, live), fated(fate)))
    const hall = yield* Context.get(services, MemoryRooms.key(Hall)).room("a")
    yield* hall.connect()
    const { list } = Context.get(services, Rooms.key(Hall))
    yield* TestClock.adjust("1 second")
    isAway = false
    yield* hall.connect()
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual((yield* list()).map(({ connections }) => connections), [2])
  }))

it.effect("a room whose change cannot be kept tries again by itself, with how things are then (DR-3)", () =>
  Effect.gen(function*() {
    let isAway = false
    const fate: Fate = { isAway: false, writes: [] }
    const live = Hall.toLayer({}).pipe(
      Layer.provide(Directory.layer),
      Layer.provide(Outage.layer((what) => isAway && what.startsWith("INSERT OR REPLACE INTO dormouse_d")))
    )
    const services = yield* Layer.build(Layer.provide(MemoryRooms.layer(Hall, live), fated(fate)))
    const hall = yield* Context.get(services, MemoryRooms.key(Hall)).room("a")
    isAway = true
    const ada = yield* hall.connect()
    yield* TestClock.adjust("5 seconds")
    isAway = false
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(fate.writes, [["put", "a"]])
    isAway = true
    yield* ada.close()
    yield* TestClock.adjust("5 seconds")
    isAway = false
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(fate.writes, [["put", "a"], ["remove", "a"]])
  }))

it.effect("a directory that is away for some seconds when a room ends is told of it (DR-3)", () =>
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    const live = Hall.toLayer({}).pipe(Layer.provide([Directory.layer, Lifetime.layer]))
    const services = yield* Layer.build(Layer.provide(MemoryRooms.layer(Hall, live), fated(fate)))
    const rooms = Context.get(services, Rooms.key(Hall))
    const hall = yield* Context.get(services, MemoryRooms.key(Hall)).room("a")
    yield* hall.connect()
    yield* TestClock.adjust("1 second")
    fate.isAway = true
    const destroying = yield* Effect.forkChild(rooms.destroy("a"))
    yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 5)))
    yield* TestClock.adjust("2 seconds")
    fate.isAway = false
    yield* TestClock.adjust("8 seconds")
    yield* Fiber.join(destroying)
    assert.deepStrictEqual(fate.writes.at(-1), ["remove", "a"])
  }))
