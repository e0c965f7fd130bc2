import * as Effect from "effect/Effect"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { contract } from "../contract/sleep.ts"
import { Sleeper, SleeperLive } from "../contract/Sleeper.ts"

contract(
  "sleep in memory",
  Effect.fnUntraced(function*(name) {
    const room = yield* MemoryRoom.make(Sleeper, SleeperLive, { name })
    return {
      touch: Effect.void,
      say: Effect.fnUntraced(function*(text) {
        const client = yield* room.connect()
        yield* Effect.forkScoped(client.send(text), { startImmediately: true })
      }),
      assertSleeps: room.assertSleeps
    }
  })
)
