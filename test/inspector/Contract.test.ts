import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as InspectorRoom from "../../src/inspector/InspectorRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Glass, GlassLive } from "../contract/Glass.ts"
import { contract } from "../contract/inspector.ts"

const macrotasks = Effect.replicateEffect(
  Effect.promise(() => new Promise((resume) => setImmediate(resume))),
  5
)

contract(
  "in memory",
  Effect.gen(function*() {
    const services = yield* Layer.build(
      MemoryRooms.layer(Glass, GlassLive).pipe(
        Layer.provideMerge(MemoryRooms.layer(InspectorRoom.InspectorRoom, InspectorRoom.layer))
      )
    )
    const glasses = Context.get(services, MemoryRooms.key(Glass))
    const inspectors = Context.get(services, MemoryRooms.key(InspectorRoom.InspectorRoom))
    const name = "glass"
    return {
      rooms: Context.get(services, Rooms.key(Glass)),
      room: name,
      enter: (query) =>
        Effect.gen(function*() {
          const client = yield* (yield* glasses.room(name)).connect(`/${query}`)
          return {
            send: client.sendFrame,
            close: client.close
          }
        }),
      watch: Effect.gen(function*() {
        const client = yield* Effect.orDie((yield* inspectors.room(name)).connect())
        return {
          taken: Effect.andThen(macrotasks, Effect.orDie(client.received)),
          leave: client.close(1000, "")
        }
      }),
      sleep: Effect.andThen(macrotasks, Effect.flatMap(glasses.room(name), ({ evict }) => evict)),
      sleepInspector: Effect.andThen(macrotasks, Effect.flatMap(inspectors.room(name), ({ evict }) => evict)),
      elapse: TestClock.adjust,
      now: Clock.currentTimeMillis
    }
  })
)
