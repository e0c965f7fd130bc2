import * as Effect from "effect/Effect"
import * as ObjectContext from "../../../src/durable/ObjectContext.ts"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import * as RpcRoom from "../../../src/rpc/RpcRoom.ts"
import { CounterRpcs } from "./Counter.ts"

const Counter = RpcRoom.make("counter", CounterRpcs)

const CounterLive = Counter.toLayer(Effect.gen(function*() {
  const room = yield* Counter
  const { storage } = yield* ObjectContext.ObjectContext
  const total = Effect.sync(() => storage.kv.get<number>("total") ?? 0)
  return {
    Add: Effect.fnUntraced(function*({ by }) {
      const sum = (yield* total) + by
      storage.kv.put("total", sum)
      yield* Effect.orDie(room.push("Watch", sum))
      return sum
    }),
    Watch: (_, request) => room.pushed(request, { first: Effect.map(total, Array.of) })
  }
}))

export class CounterRoom extends RoomObject.make(Counter.room, CounterLive) {}

export default {
  fetch: (request, env) => env.COUNTER.getByName("main").fetch(request)
} satisfies ExportedHandler<{ readonly COUNTER: DurableObjectNamespace }>
