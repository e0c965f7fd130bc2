import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Claims from "../../src/domain/Claims.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as SqliteStorage from "../../src/memory/SqliteStorage.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"
import { Probe, ProbeLive } from "../contract/Probe.ts"
import { contract } from "../contract/storage.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dormouse-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

// The rooms of a process, and what ends it.
const start = Effect.fnUntraced(function*(directory: string | undefined) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const rooms = yield* Scope.provide(NodeRooms.make(Probe, ProbeLive, { directory }), scope)
  return { rooms, end: Scope.close(scope, Exit.void) }
})

const bound = (run: <A, E>(effect: Effect.Effect<A, E, Storage.Storage>) => Effect.Effect<A, E>) => (pages: number) =>
  run(Effect.orDie(Storage.exec(`PRAGMA max_page_count = ${pages}`)))

contract(
  "in Node, in memory",
  Effect.map(start(undefined), ({ rooms }) => {
    const run = <A, E>(effect: Effect.Effect<A, E, Storage.Storage>) => rooms.run("room", effect)
    return { run, bound: bound(run), restarts: { "the end of a room": TestClock.adjust("1 minute") } }
  }),
  ["the end of a room"]
)

contract(
  "in Node, in files",
  Effect.gen(function*() {
    const directory = yield* folder
    let process = yield* start(directory)
    const run = <A, E>(effect: Effect.Effect<A, E, Storage.Storage>) =>
      Effect.suspend(() => process.rooms.run("room", effect))
    const scope = yield* Effect.scope
    const restart = Effect.gen(function*() {
      yield* process.end
      process = yield* Scope.provide(start(directory), scope)
    })
    return {
      run,
      bound: bound(run),
      restarts: { "the end of a room": TestClock.adjust("1 minute"), "a restart of the process": restart }
    }
  }),
  ["the end of a room", "a restart of the process"]
)

// Files in a directory that this process holds open, as Linux tells.
const held = (directory: string): number =>
  (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd") : []).filter((handle) => {
    try {
      return readlinkSync(`/proc/self/fd/${handle}`).startsWith(directory)
    } catch {
      return false
    }
  }).length

for (const place of ["memory", "a directory"]) {
  it.effect(`what still runs of a room that has ended stores nothing, in ${place} (SG-5)`, () =>
    Effect.gen(function*() {
      const directory = place === "memory" ? undefined : yield* folder
      const { rooms } = yield* start(directory)
      const written: Array<string> = []
      yield* rooms.run(
        "room",
        Storage.exec("CREATE TABLE t (a)").pipe(
          Effect.andThen(Effect.sync(() => void written.push("t"))),
          Effect.andThen(Alarm.Alarm.use((alarm) => alarm.set(1))),
          Effect.delay("2 minutes"),
          Effect.forkDetach
        )
      )
      yield* TestClock.adjust("1 minute")
      if (directory !== undefined) assert.strictEqual(held(directory), 0)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(written, [])
      if (directory !== undefined) assert.strictEqual(held(directory), 0)
      assert.deepStrictEqual(yield* rooms.run("room", Storage.exec("SELECT name FROM sqlite_master")), [])
    }))
}

it.effect("a file that is no database is closed again (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    const path = join(directory, "broken.sqlite")
    writeFileSync(path, "this is no database, and long enough to be read as one".repeat(50))
    const { exec } = SqliteStorage.make(path)
    for (let time = 0; time < 3; time++) assert.throws(() => exec("SELECT 1"), /not a database/)
    assert.strictEqual(held(directory), 0)
  }))

it.effect("a room that stores nothing and removes its alarm has no file (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    const { rooms } = yield* start(directory)
    yield* rooms.run("room", Alarm.Alarm.use((alarm) => alarm.clear))
    assert.deepStrictEqual(readdirSync(directory, { recursive: true }).filter((file) => String(file).includes(".")), [])
  }))

it.effect("rooms whose names differ in case alone store apart (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    const { rooms } = yield* start(directory)
    for (const name of ["lobby", "Lobby", "LOBBY", "..", "a~b"]) {
      yield* rooms.run(name, Storage.exec("CREATE TABLE t (a)"))
      yield* rooms.run(name, Storage.exec("INSERT INTO t VALUES (?)", name))
    }
    for (const name of ["lobby", "Lobby", "LOBBY", "..", "a~b"]) {
      assert.deepStrictEqual(yield* rooms.run(name, Storage.exec("SELECT a FROM t")), [{ a: name }])
    }
    const files = readdirSync(join(directory, "probe")).filter((file) => file.endsWith(".sqlite"))
    assert.strictEqual(new Set(files.map((file) => file.toLowerCase())).size, 5)
  }))

it.effect("an alarm rings after a restart of the process, in a room that nobody has called (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    const now = yield* Effect.clockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
    const before = yield* start(directory)
    yield* before.rooms.run("Sleeper", Alarm.Alarm.use((alarm) => alarm.set(now + 60_000)))
    yield* before.rooms.run("other", Storage.exec("CREATE TABLE t (a)"))
    yield* before.end
    const after = yield* start(directory)
    yield* TestClock.adjust("59 seconds")
    assert.deepStrictEqual(yield* after.rooms.run("other", Storage.exec("SELECT name FROM sqlite_master")), [
      { name: "t" }
    ])
    const alarm = after.rooms.run("Sleeper", Alarm.Alarm.use((alarm) => alarm.get))
    assert.strictEqual((yield* alarm)._tag, "Some")
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual((yield* alarm)._tag, "None")
    yield* after.end
    const last = yield* start(directory)
    assert.strictEqual(
      (yield* last.rooms.run("Sleeper", Alarm.Alarm.use((alarm) => alarm.get)))._tag,
      "None"
    )
  }))

const Bell = Room.make("Bell", { receive: Schema.String, send: Schema.String })

// The rooms of a process whose alarms are written down.
const bells = Effect.fnUntraced(function*(directory: string, rang: Array<string>) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const live = Bell.toLayer({ alarm: Effect.sync(() => void rang.push("rang")) })
  const rooms = yield* Scope.provide(NodeRooms.make(Bell, live, { directory }), scope)
  return { rooms, end: Scope.close(scope, Exit.void) }
})

// A room with an alarm in a minute, of a process that has ended, and a fault of its file that passes.
const faulty = Effect.fnUntraced(function*(rang: Array<string>) {
  const directory = yield* folder
  const { end, rooms } = yield* bells(directory, rang)
  const now = yield* Clock.currentTimeMillis
  yield* rooms.run("lobby", Alarm.Alarm.use((alarm) => alarm.set(now + 60_000)))
  yield* end
  const path = join(
    directory,
    readdirSync(directory, { recursive: true }).map(String).find((file) => file.endsWith(".sqlite"))!
  )
  return {
    directory,
    fault: Effect.sync(() => {
      renameSync(path, `${path}.good`)
      writeFileSync(path, "this is no database, and long enough to be read as one".repeat(50))
    }),
    pass: Effect.sync(() => renameSync(`${path}.good`, path))
  }
})

const quiet = Effect.provide(Logger.layer([]))

it.effect("a room whose file cannot be opened is refused with 503, and is there once it can (SG-7)", () =>
  Effect.gen(function*() {
    const rang: Array<string> = []
    const { directory, fault, pass } = yield* faulty(rang)
    const { rooms } = yield* bells(directory, rang)
    yield* fault
    const { call, fetch } = rooms.open("lobby")
    const ask = fetch(new Request("https://room.invalid/"), Claims.none)
    const response = yield* ask
    assert.deepStrictEqual([response.status, response.headers.get("retry-after")], [503, "2"])
    assert.strictEqual((yield* Effect.flip(call("connections", "{}"))).reason._tag, "Unreachable")
    assert.strictEqual((yield* Effect.exit(rooms.run("lobby", Effect.void)))._tag, "Failure")
    yield* pass
    // For a second nobody tries again.
    assert.strictEqual((yield* ask).status, 503)
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* ask).status, 426)
    yield* rooms.run("lobby", Effect.void)
  }).pipe(quiet))

it.effect("an alarm that finds a file that cannot be opened rings once it can (SG-7)", () =>
  Effect.gen(function*() {
    const rang: Array<string> = []
    const { directory, fault, pass } = yield* faulty(rang)
    yield* bells(directory, rang)
    yield* fault
    for (let second = 0; second < 70; second++) yield* TestClock.adjust("1 second")
    yield* pass
    assert.deepStrictEqual(rang, [])
    for (let second = 0; second < 70; second++) yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(rang, ["rang"])
  }).pipe(quiet))

it.effect("a file that cannot be read at the start is read later, for its alarm (SG-7)", () =>
  Effect.gen(function*() {
    const rang: Array<string> = []
    const { directory, fault, pass } = yield* faulty(rang)
    yield* fault
    yield* bells(directory, rang)
    for (let minute = 0; minute < 5; minute++) yield* TestClock.adjust("1 minute")
    yield* pass
    assert.deepStrictEqual(rang, [])
    yield* TestClock.adjust("1 minute")
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(rang, ["rang"])
  }).pipe(quiet))

it.effect("rooms of two definitions share a directory, and nothing in it (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    for (const { rooms } of [yield* start(directory), yield* bells(directory, [])]) {
      yield* rooms.run("lobby", Storage.exec("CREATE TABLE t (a)"))
    }
    const Strange = Room.make("../..", { receive: Schema.String, send: Schema.String })
    const rooms = yield* NodeRooms.make(Strange, Strange.toLayer({}), { directory: join(directory, "a", "b") })
    yield* rooms.run("lobby", Storage.exec("CREATE TABLE t (a)"))
    assert.strictEqual(readdirSync(directory).length, 3)
  }))

it.effect("a file that cannot be read is told, and the other rooms run (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    mkdirSync(join(directory, "probe"))
    writeFileSync(
      join(directory, "probe", "broken.sqlite"),
      "this is no database, and long enough to be read as one".repeat(50)
    )
    mkdirSync(join(directory, "probe", "folder.sqlite"))
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    yield* Effect.gen(function*() {
      const { rooms } = yield* start(directory)
      yield* rooms.run("fine", Storage.exec("CREATE TABLE t (a)"))
      yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
    }).pipe(Effect.provide(Logger.layer([logger])))
    assert.strictEqual(lines.filter((line) => line.startsWith("What a room has stored cannot be read")).length, 2)
  }))

it.effect("whatever name a room is run by, it stores in the directory (SG-7)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    const { rooms } = yield* start(join(directory, "rooms"))
    for (const name of ["../evil", "a/b", "x".repeat(300), "", "\0"]) {
      yield* rooms.run(name, Storage.exec("CREATE TABLE t (a)"))
    }
    assert.deepStrictEqual(readdirSync(directory), ["rooms"])
    assert.strictEqual(
      readdirSync(join(directory, "rooms", "probe")).filter((file) => file.endsWith(".sqlite")).length,
      5
    )
  }))

it.effect("a room that was destroyed before its kept alarm was due does not start for it (SG-7, LT-5)", () =>
  Effect.gen(function*() {
    const directory = yield* folder
    const told: Array<string> = []
    const Bells = Room.make("bells", {
      receive: Schema.String,
      send: Schema.String,
      deadlines: { bell: Schema.String }
    })
    const live = Bells.toLayer(Effect.sync(() => {
      told.push("start")
      return { deadlines: { bell: () => Effect.sync(() => void told.push("bell")) } }
    })).pipe(Layer.provide(Lifetime.layer))
    const start = Effect.gen(function*() {
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      return { scope, rooms: yield* Scope.provide(NodeRooms.make(Bells, live, { directory }), scope) }
    })
    const before = yield* start
    const set = Bells.use(({ deadlines }) => deadlines.bell.set("a", "1 hour", ""))
    for (const name of ["one", "two"]) yield* before.rooms.run(name, set)
    yield* Effect.promise(() => new Promise((resume) => setTimeout(resume, 5)))
    yield* Scope.close(before.scope, Exit.void)
    const { rooms } = yield* start
    yield* rooms.rooms.destroy("one")
    assert.deepStrictEqual(told, ["start", "start", "start"])
    for (let minute = 0; minute < 61; minute++) yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(told, ["start", "start", "start", "start", "bell"])
    assert.deepStrictEqual(readdirSync(join(directory, "bells")).filter((file) => file.endsWith(".sqlite")), [
      "two.sqlite"
    ])
  }))
