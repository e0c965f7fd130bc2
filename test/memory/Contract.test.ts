import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRuntime from "../../src/memory/MemoryRuntime.ts"
import { Probe, ProbeLive, Told } from "../contract/Probe.ts"
import { contract } from "../contract/suite.ts"
import type { World } from "../contract/World.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Told))

const world: Effect.Effect<World, never, import("effect/Scope").Scope> = Effect.gen(function*() {
  const room = yield* MemoryRoom.make(Probe, ProbeLive)
  const runtime = yield* room.run(Effect.context<MemoryRuntime.MemoryRuntime>())
  return {
    connect: (query) =>
      Effect.map(room.connect(`/${query ?? ""}`), (client) => {
        const inbox: Array<unknown> = []
        const arrived = Effect.map(client.receivedFrames, (frames) => {
          inbox.push(...frames)
          return inbox
        })
        const takeFrames = (count: number) =>
          Effect.map(arrived, (frames) => {
            if (frames.length < count) throw new Error(`${frames.length} frames have arrived, not ${count}`)
            return frames.splice(0, count)
          })
        return {
          send: (message) => Effect.orDie(client.send(message)),
          sendFrame: client.sendFrame,
          close: client.close,
          take: (count) => Effect.map(takeFrames(count), (frames) => frames.map((frame) => decode(frame))),
          takeFrame: Effect.map(takeFrames(1), ([frame]) => frame),
          rest: Effect.map(arrived, (frames) => frames.splice(0)),
          closed: Effect.map(client.closed, (close) => {
            if (close === undefined) throw new Error("The connection lives")
            return { code: close.code, reason: close.reason }
          })
        }
      }),
    run: room.run,
    socket: Effect.sync(() => Context.get(runtime, MemoryRuntime.MemoryRuntime).connect()[1]),
    evict: room.evict
  }
})

contract({ name: "in memory", world })
