import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { globSync, readFileSync } from "node:fs"
import { Chat, ChatLive } from "../../src/Chat.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Identity from "../../src/domain/Identity.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import type * as Handlers from "../../src/services/Handlers.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"

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

it.effect("the examples of Rooms and MemoryRooms reach who is there (EX-2)", () => {
  const Lobby = Room.make("lobby", { receive: Schema.Never, send: Schema.Struct({ text: Schema.String }) })

  const announce = Effect.fnUntraced(function*(name: string, text: string) {
    const rooms = yield* Rooms.key(Lobby)
    const { delivered } = yield* rooms.get(name).broadcast({ text })
    return delivered
  })
  return Effect.gen(function*() {
    const rooms = yield* MemoryRooms.key(Lobby)
    const ada = yield* (yield* rooms.room("lobby")).connect()
    assert.strictEqual(yield* announce("lobby", "tea is ready"), 1)
    assert.deepStrictEqual(yield* ada.received, [{ text: "tea is ready" }])
  }).pipe(Effect.provide(MemoryRooms.layer(Lobby, Lobby.toLayer(Effect.succeed({})))))
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
