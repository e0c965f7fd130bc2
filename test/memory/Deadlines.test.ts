import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { contract } from "../contract/deadlines.ts"
import { Diary, DiaryLive } from "../contract/Diary.ts"

const makeRoom = MemoryRoom.make(Diary, DiaryLive)

contract(
  "in memory",
  Effect.map(makeRoom, (room) => ({
    run: room.run,
    connect: Effect.map(room.connect(), (client) => ({
      send: (text: string) => Effect.orDie(client.send(text)),
      close: client.close(1000)
    })),
    elapse: (millis) => TestClock.adjust(millis),
    evict: room.evict,
    crash: room.crash
  }))
)
