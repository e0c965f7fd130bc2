// The test of a room, in Node.
import * as MemoryRoom from "effect-dormouse/MemoryRoom"
import * as Effect from "effect/Effect"
import { Counter, CounterLive } from "./counter.ts"

const program = Effect.gen(function*() {
  const room = yield* MemoryRoom.make(Counter, CounterLive)
  const ada = yield* room.connect()
  yield* ada.send({ add: 2 })
  yield* room.evict
  yield* ada.send({ add: 3 })
  return yield* ada.received
})

process.stdout.write(JSON.stringify(await Effect.runPromise(Effect.scoped(program))))
