import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Room from "../../src/services/Room.ts"

/** The same call through `Rooms`: its payload and its answer go through their schemas. */
const Sum = Room.make("sum", {
  receive: Schema.Never,
  send: Schema.Never,
  methods: [Rpc.make("add", { payload: { by: Schema.Int }, success: Schema.Int })]
})

const SumLive = Sum.toLayer(Effect.sync(() => {
  let total = 0
  return { methods: { add: ({ by }) => Effect.sync(() => total += by) } }
}))

export { Instance as Room }

class Instance extends RoomObject.make(Sum, SumLive) {}

export default {
  fetch: (request, env) => {
    const { pathname, searchParams } = new URL(request.url)
    const room = DurableRooms.make(Sum, env.ROOM).get(pathname.slice(1))
    const times = Number(searchParams.get("times"))
    return Effect.runPromise(Effect.gen(function*() {
      let total = 0
      for (let time = 0; time < times; time++) total = yield* room.add({ by: 1 })
      return Response.json(total)
    }))
  }
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace<Instance> }>
