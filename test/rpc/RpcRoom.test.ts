import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Lifecycle from "../../src/services/Lifecycle.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract } from "./suite.ts"
import { Ticker, TickerLive } from "./Ticker.ts"
import type { World } from "./World.ts"

const world = Effect.gen(function*(): Effect.fn.Return<World, never, Scope.Scope> {
  const room = yield* MemoryRoom.make(Ticker.room, TickerLive)
  return {
    connect: Effect.fnUntraced(function*(query = "") {
      const client = yield* room.connect(`/${query}`)
      const inbox: Array<string> = []
      const arrived = Effect.map(client.receivedFrames, (frames) => inbox.push(...frames.map(String)))
      const take: Effect.Effect<string, number> = Effect.gen(function*() {
        while (true) {
          yield* arrived
          const frame = inbox.shift()
          if (frame !== undefined) return frame
          const close = yield* client.closed
          if (close !== undefined) return yield* Effect.fail(close.code)
          yield* Effect.sleep(1)
        }
      })
      const scope = yield* Effect.scope
      return {
        // The room has handled a request when it has answered it, and nobody waits for that before the next.
        send: (frame) => Effect.asVoid(Effect.forkIn(client.sendFrame(frame), scope, { startImmediately: true })),
        take,
        rest: Effect.andThen(
          Effect.sleep(5),
          Effect.map(arrived, () => inbox.splice(0).map((frame) => JSON.parse(frame)))
        ),
        close: client.close(1000)
      }
    }),
    run: room.run,
    ring: Effect.ignore(room.run(Lifecycle.Lifecycle.use((lifecycle) => lifecycle.alarm))),
    evict: room.evict
  }
})

contract("in memory", world)

it.effect("a room is called from outside, and pushes what it is told (RP-5)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Ticker.room)
    const watcher = yield* (yield* (yield* MemoryRooms.key(Ticker.room)).room("far")).connect()
    yield* watcher.send({ _tag: "Request", id: 1, tag: "Watch", payload: {}, headers: [] })
    assert.strictEqual(yield* rooms.get("far").tick({ value: 7 }), 1)
    assert.deepStrictEqual(yield* watcher.received, [{ _tag: "Chunk", requestId: 1, values: [7] }])
  }).pipe(Effect.provide(MemoryRooms.layer(Ticker.room, TickerLive))))
