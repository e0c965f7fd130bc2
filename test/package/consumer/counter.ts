import * as Room from "effect-dormouse/Room"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const Counter = Room.make("counter", {
  receive: Schema.Struct({ add: Schema.Int }),
  send: Schema.Struct({ total: Schema.Int, people: Schema.Int }),
  state: Schema.Struct({ total: Schema.Int })
})

export const CounterLive = Counter.toLayer(Effect.gen(function*() {
  const room = yield* Counter
  return {
    connect: () => Effect.succeed({ state: { total: 0 } }),
    message: Effect.fnUntraced(function*({ id, state }, { add }) {
      const total = state.total + add
      yield* room.setState(id, { total })
      yield* room.broadcast({ total, people: yield* room.count() })
    })
  }
}))
