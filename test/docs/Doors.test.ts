/**
 * The guard of docs/doors.md, as it stands there.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Guard from "../../src/doors/Guard.ts"
import * as RoomLimits from "../../src/doors/RoomLimits.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"

const Square = Room.make("square", { receive: Schema.String, send: Schema.String })

const SquareLive = Square.toLayer(Effect.gen(function*() {
  const room = yield* Square
  return { message: (_, text) => room.broadcast(text) }
})).pipe(Layer.provide(Guard.layer({ messagesPerSecond: 10, idleSeconds: 600 })))

const ban = Effect.fnUntraced(function*(user: string) {
  const rooms = yield* Rooms.key(Square)
  return yield* rooms.get("lobby").closeUser(user)
})

it.effect("the guard limits what docs/doors.md says, and closes a user out (EX-2, LM-3, AU-14)", () =>
  Effect.gen(function*() {
    const room = yield* (yield* MemoryRooms.key(Square)).room("lobby")
    const enter = room.connect("/", { claims: { user: "ada", issuedAt: "0" } })
    const client = yield* enter
    for (let n = 0; n < 101; n++) yield* client.send("hello")
    assert.include(String((yield* client.receivedFrames).at(-1)), "RateLimited")
    assert.strictEqual(yield* ban("ada"), 1)
    assert.strictEqual((yield* Effect.flip(enter)).status, 401)
  }).pipe(Effect.provide(MemoryRooms.layer(Square, SquareLive))))

it("the limits of a variable are those that it names (LM-10)", () => {
  const limits = RoomLimits.parse(`{"connectionsPerAddress":1000,"idleSeconds":600}`)
  assert.strictEqual(limits._tag, "Success")
})

it("limits have defaults (LM-10)", () => {
  const limits = RoomLimits.make({ connectionsPerAddress: 1_000, connectionsPerUser: 3 })
  assert.strictEqual(limits.connections, 10_000)
})
