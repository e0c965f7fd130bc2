import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract, type World } from "../contract/hostile.ts"
import { Storm, StormLive } from "../contract/Storm.ts"

let rooms = 0

// What is under way has arrived some macrotasks later.
const macrotask = Effect.promise(() => new Promise((done) => setImmediate(done)))

const world = Effect.gen(function*() {
  const name = `memory-${rooms++}`
  const room = yield* MemoryRoom.make(Storm, StormLive, { name })
  const made: World = {
    name,
    connect: Effect.fnUntraced(function*(query, headers) {
      const client = yield* room.connect(`/${query}`, { headers })
      const scope = yield* Effect.scope
      const inbox: Array<unknown> = []
      const arrived = Effect.map(client.receivedFrames, (frames) => {
        for (const frame of frames) inbox.push(...(typeof frame === "string" ? frame.split("\n") : [frame]))
        return inbox
      })
      const until = Effect.fnUntraced(function*<A>(look: Effect.Effect<A | undefined>) {
        while (true) {
          const found = yield* look
          if (found !== undefined) return found
          yield* macrotask
        }
      })
      // The room has handled a message when this ends, and a client does not wait for that.
      const fork = (effect: Effect.Effect<void>) =>
        Effect.asVoid(Effect.forkIn(effect, scope, { startImmediately: true }))
      return {
        sendFrame: (frame) => fork(client.sendFrame(frame)),
        close: (code, reason) => fork(client.close(code, reason)),
        takeFrame: until(Effect.map(arrived, (frames) => frames.shift())),
        rest: Effect.andThen(
          Effect.replicateEffect(macrotask, 3),
          Effect.map(arrived, (frames) => frames.splice(0))
        ),
        closed: until(client.closed)
      }
    }),
    run: room.run,
    call: (method, payload) => Effect.map(room.call(method, JSON.stringify(payload)), (reply) => JSON.parse(reply)),
    evict: room.evict
  }
  return made
})

contract({ name: "a storm in memory", world })

it.effect("what the app says about a client reaches the room, and what the client says does not (ID-6)", () =>
  Effect.gen(function*() {
    const room = yield* MemoryRoom.make(Storm, StormLive, { name: "memory-claims" })
    const headers = { "x-dormouse-user": "admin" }
    yield* room.connect("/?user=admin", { headers, claims: { user: "100 % ada" } })
    yield* room.connect("/?user=admin", { headers })
    const connections = yield* room.run(Storm.use((room) => room.connections()))
    assert.deepStrictEqual(connections.map(({ user }) => user), ["100 % ada", undefined])
  }))

it.effect("what is sent from outside may be bytes, where the room speaks them (RO-1, PL-6)", () =>
  Effect.gen(function*() {
    const remote = (yield* Rooms.key(Storm)).get("memory-bytes")
    const client = yield* (yield* (yield* MemoryRooms.key(Storm)).room("memory-bytes")).connect("/?name=ada")
    yield* client.received
    const [connection] = yield* remote.connections()
    assert.deepStrictEqual(yield* remote.broadcast(new Uint8Array([0, 255])), { delivered: 1, failed: 0 })
    yield* remote.send(connection!.id, new Uint8Array([]))
    yield* remote.broadcast({ _tag: "Said", name: "", text: "and text" })
    assert.deepStrictEqual(yield* client.received, [
      new Uint8Array([0, 255]),
      new Uint8Array([]),
      { _tag: "Said", name: "", text: "and text" }
    ])
  }).pipe(Effect.provide(MemoryRooms.layer(Storm, StormLive))))
