import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Chat, Say } from "../src/Chat.ts"
import { ChatLive } from "../src/ChatLive.ts"
import * as Guard from "../src/doors/Guard.ts"
import * as Permissions from "../src/doors/Permissions.ts"
import * as Principal from "../src/doors/Principal.ts"
import * as MemoryRoom from "../src/memory/MemoryRoom.ts"

it.effect("people come, talk and go, and everybody is told (CH-2, CH-3)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const ada = yield* room.connect("/?name=Ada")
    const bob = yield* room.connect("/?name=%20Bob%20")
    yield* room.evict
    yield* bob.send(new Say({ text: "hi" }))
    yield* bob.close(4000, "bye")
    const [welcome, joined, said, left] = yield* ada.received
    const [bobs] = yield* bob.received
    assert.deepInclude(welcome, { _tag: "Welcome", name: "Ada", connections: 1 })
    assert.deepInclude(bobs, { _tag: "Welcome", name: "Bob", connections: 2 })
    const connection = bobs?.connection
    assert.deepInclude(joined, { _tag: "Joined", connection, name: "Bob", connections: 2 })
    assert.deepInclude(said, { _tag: "Said", connection, name: "Bob", text: "hi" })
    assert.deepInclude(left, { _tag: "Left", connection, name: "Bob", connections: 1, code: 4000, reason: "bye" })
  }))

it.effect("who may not see who is there hears what is said, and not who comes and leaves (PM-4)", () =>
  Effect.gen(function*() {
    const Rule = Layer.succeed(Permissions.Permissions)(({ labels }) => ({
      join: true,
      speak: true,
      see: !labels.includes("blind")
    }))
    const room = yield* MemoryRoom.make(Chat, Layer.merge(ChatLive, Guard.layer()).pipe(Layer.provide(Rule)))
    const connect = (labels: ReadonlyArray<string>) =>
      room.connect("/", { claims: Principal.toClaims({ ...Principal.anonymous, labels }) })
    const [blind, sees] = [yield* connect(["blind"]), yield* connect([])]
    const bob = yield* connect([])
    yield* bob.send(new Say({ text: "hi" }))
    yield* bob.close()
    const tags = (client: typeof bob) => Effect.map(client.received, (messages) => messages.map(({ _tag }) => _tag))
    assert.deepStrictEqual(yield* tags(blind), ["Welcome", "Said"])
    assert.deepStrictEqual(yield* tags(sees), ["Welcome", "Joined", "Said", "Left"])
  }))

it.effect("a name has 1 to 64 characters, and is anonymous where none is given (CH-1)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const nameOf = (query: string) =>
      Effect.flatMap(room.connect(query), (client) => Effect.map(client.received, ([welcome]) => welcome?.name))
    assert.strictEqual(yield* nameOf("/"), "anonymous")
    assert.strictEqual(yield* nameOf("/?name=%20%20"), "anonymous")
    assert.strictEqual(yield* nameOf(`/?name=${"x".repeat(64)}`), "x".repeat(64))
    assert.strictEqual(yield* nameOf(`/?name=${encodeURIComponent("🐭".repeat(64))}`), "🐭".repeat(64))
    for (const name of ["x".repeat(65), encodeURIComponent("🐭".repeat(65))]) {
      assert.strictEqual((yield* Effect.flip(room.connect(`/?name=${name}`))).status, 400)
    }
  }))

it.effect("a text has 1 to 4,096 characters (CH-2)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Chat, ChatLive)
    const ada = yield* room.connect()
    yield* ada.received
    const answer = (text: string) =>
      Effect.andThen(
        ada.sendFrame(JSON.stringify({ _tag: "Say", text })),
        Effect.map(ada.receivedFrames, ([frame]) => JSON.parse(String(frame))._tag)
      )
    for (const text of ["x", "x".repeat(4_096), "🐭".repeat(4_096)]) assert.strictEqual(yield* answer(text), "Said")
    for (const text of ["", "x".repeat(4_097), "🐭".repeat(4_097)]) assert.strictEqual(yield* answer(text), "Error")
  }))
