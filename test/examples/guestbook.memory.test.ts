import * as D1Client from "@effect/sql-d1/D1Client"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as ObjectApp from "../../examples/guestbook-object/src/App.ts"
import * as ObjectEntries from "../../examples/guestbook-object/src/Entries.ts"
import { Routes } from "../../examples/guestbook/src/App.ts"
import { Entries, EntriesError } from "../../examples/guestbook/src/Entries.ts"
import { Guestbook, GuestbookLive } from "../../examples/guestbook/src/Guestbook.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"

const schema = readFileSync(new URL("../../examples/guestbook/migrations/0001_entries.sql", import.meta.url), "utf8")

// What the client needs of a D1 database, over SQLite in memory.
const DatabaseLive = Layer.unwrap(Effect.sync(() => {
  const database = new DatabaseSync(":memory:")
  database.exec(schema)
  const prepare = (sql: string) => ({
    bind: (...values: Array<string>) => ({ all: async () => ({ results: database.prepare(sql).all(...values) }) })
  })
  // SAFETY: the statements of the guestbook use no more.
  return D1Client.layer({ db: { prepare } as never })
}))

const EntriesLive = Layer.provide(Entries.layer, DatabaseLive)
const RoomsLive = MemoryRooms.layer(Guestbook, GuestbookLive)

// The rooms write to the database that the routes read.
const World = Layer.provideMerge(RoomsLive, EntriesLive)

// Each room writes to the database of its own object.
const ObjectWorld = MemoryRooms.layer(Guestbook, Layer.provide(GuestbookLive, ObjectEntries.EntriesLive))

// The same visit to each of the apps.
const visit = Effect.fnUntraced(function*(handler: (request: Request) => Promise<Response>) {
  const fetch = (path: string, init?: RequestInit) =>
    Effect.promise(() => handler(new Request(`https://guestbook.invalid${path}`, init)))
  const json = (response: Response) => Effect.promise(() => response.json())
  const books = yield* MemoryRooms.key(Guestbook)

  const looked = yield* fetch("/books/hut", { headers: { upgrade: "websocket", cookie: "name=Ada" } })
  assert.strictEqual(looked.status, 101)
  const ada = books.client(looked)!
  assert.strictEqual((yield* fetch("/books/hut", { headers: { upgrade: "websocket" } })).status, 401)

  const elsewhere = { upgrade: "websocket", cookie: "name=Ada", origin: "https://elsewhere.invalid" }
  assert.strictEqual((yield* fetch("/books/hut", { headers: elsewhere })).status, 403)

  yield* ada.send({ sign: "It was lovely." })
  yield* (yield* books.room("hut")).evict
  yield* ada.send({ sign: "And it still is." })
  assert.deepStrictEqual(yield* json(yield* fetch("/books/hut/entries")), [
    { name: "Ada", text: "And it still is." },
    { name: "Ada", text: "It was lovely." }
  ])
  assert.deepStrictEqual(yield* json(yield* fetch("/books/other/entries")), [])

  const announced = yield* fetch("/books/hut/announcements", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: "The hut closes at six." })
  })
  assert.deepStrictEqual(yield* json(announced), { delivered: 1 })
  assert.deepStrictEqual(yield* json(yield* fetch("/books/hut/looking")), ["Ada"])
  const heard = yield* ada.received
  assert.deepStrictEqual(heard.map((message) => message._tag), ["Signed", "Signed", "Announced"])
})

const quiet = { disableLogger: true }

it.effect("what is signed in a room stands in the database that the app reads, also after a sleep (EX-3)", () =>
  Effect.gen(function*() {
    const services = yield* Effect.context<Layer.Success<typeof World>>()
    const { handler } = HttpRouter.toWebHandler(Layer.provide(Routes, Layer.succeedContext(services)), quiet)
    yield* visit(handler)
  }).pipe(Effect.provide(World)))

it.effect("what is signed in a room is kept in the room's own database, also after a sleep (EX-8)", () =>
  Effect.gen(function*() {
    const services = yield* Effect.context<Layer.Success<typeof ObjectWorld>>()
    const { handler } = HttpRouter.toWebHandler(Layer.provide(ObjectApp.Routes, Layer.succeedContext(services)), quiet)
    yield* visit(handler)
  }).pipe(Effect.provide(ObjectWorld)))

it.effect("ten guests sign, with a fake database (EX-4)", () =>
  Effect.gen(function*() {
    const written: Array<string> = []
    const Fake = Layer.succeed(Entries, {
      add: (_, { text }) =>
        text === "!" ? Effect.fail(new EntriesError({ cause: "full" })) : Effect.sync(() => void written.push(text)),
      list: () => Effect.succeed([])
    })
    const room = yield* MemoryRoom.make(Guestbook, Layer.provide(GuestbookLive, Fake))
    const guests = yield* Effect.replicateEffect(room.connect(), 10)
    for (const [index, guest] of guests.entries()) {
      yield* room.evict
      yield* guest.send({ sign: `Guest ${index}` })
    }
    yield* guests[0]!.send({ sign: "!" })
    assert.strictEqual(written.length, 10)
    for (const guest of guests.slice(1)) assert.strictEqual((yield* guest.received).length, 10)
  }))
