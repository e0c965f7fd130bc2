import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Room from "../../src/services/Room.ts"

/** A room that sets many deadlines in one event, and tells when all of them have fired. */
const Timed = Room.make("timed", {
  receive: Schema.TaggedUnion({
    /** Those with the numbers from `first` to before `end`, one each `step` milliseconds. */
    Set: { first: Schema.Int, end: Schema.Int, at: Schema.Finite, step: Schema.Finite }
  }),
  send: Schema.TaggedUnion({ Set: {}, Fired: {} }),
  deadlines: { moment: Schema.Struct({ n: Schema.Int }) }
})

const TimedLive = Timed.toLayer(Effect.gen(function*() {
  const room = yield* Timed
  let left = 0
  return {
    message: Effect.fnUntraced(function*({ id }, { at, end, first, step }) {
      left = end - first
      for (let n = first; n < end; n++) {
        const when = DateTime.makeUnsafe(at + (n - first) * step)
        yield* room.deadlines.moment.set(String(n), when, { n })
      }
      yield* room.send(id, { _tag: "Set" })
    }),
    deadlines: {
      moment: () => Effect.suspend(() => --left === 0 ? room.broadcast({ _tag: "Fired" }) : Effect.void)
    }
  }
})).pipe(Layer.provide(Deadlines.layer))

export { Instance as Room }

class Instance extends RoomObject.make(Timed, TimedLive) {}

export default {
  fetch: (request, env) => env.ROOM.getByName(new URL(request.url).pathname).fetch(request)
} satisfies ExportedHandler<{ readonly ROOM: DurableObjectNamespace }>
