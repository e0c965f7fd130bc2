import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract } from "../contract/directory.ts"
import { Court, CourtLive, type Fate, fated, Hall, HallLive } from "../contract/Hall.ts"

contract(
  "in memory",
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    const services = yield* Layer.build(
      Layer.merge(MemoryRooms.layer(Hall, HallLive), MemoryRooms.layer(Court, CourtLive)).pipe(
        Layer.provide(fated(fate))
      )
    )
    const halls = Context.get(services, MemoryRooms.key(Hall))
    const courts = Context.get(services, MemoryRooms.key(Court))
    return {
      halls: Context.get(services, Rooms.key(Hall)),
      courts: Context.get(services, Rooms.key(Court)),
      enter: (rooms, name, user = "somebody") =>
        Effect.gen(function*() {
          const room = rooms === "halls" ? yield* halls.room(name) : yield* courts.room(name)
          const client = yield* Effect.result(room.connect(`/?user=${user}`))
          return client._tag === "Success" ? { leave: client.success.close(1000) } : undefined
        }),
      prefix: "t",
      now: Clock.currentTimeMillis,
      elapse: (millis) => TestClock.adjust(millis),
      evict: (name) => Effect.flatMap(halls.room(name), (room) => room.evict),
      crash: (name) => Effect.flatMap(halls.room(name), (room) => room.crash),
      crashDirectory: Effect.void,
      fate
    }
  })
)
