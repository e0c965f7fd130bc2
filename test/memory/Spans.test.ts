import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract } from "../contract/spans.ts"
import { Traced, TracedLive, UntracedLive } from "../contract/Traced.ts"

let rooms = 0

contract(
  "traces in memory",
  Effect.gen(function*() {
    const traced = yield* Layer.build(MemoryRooms.layer(Traced, TracedLive))
    const untraced = yield* Layer.build(MemoryRooms.layer(Traced, UntracedLive))
    const clientOf = (response: Response) =>
      Context.get(traced, MemoryRooms.key(Traced)).client(response) ??
        Context.get(untraced, MemoryRooms.key(Traced)).client(response)!
    return {
      rooms: Context.get(traced, Rooms.key(Traced)),
      untraced: Context.get(untraced, Rooms.key(Traced)),
      client: (response) => {
        const { close, sendFrame } = clientOf(response)
        return Effect.succeed({ send: sendFrame, close: close(1000), settle: Effect.void })
      },
      name: Effect.sync(() => `traced-${rooms++}`),
      evict: (name) => Effect.flatMap(Context.get(traced, MemoryRooms.key(Traced)).room(name), (room) => room.evict),
      ring: () => TestClock.adjust("1 second")
    }
  })
)
