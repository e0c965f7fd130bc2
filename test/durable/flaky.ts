/**
 * A room whose layer and alarm fail as often as they are told.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as Room from "../../src/services/Room.ts"

export const Flaky = Room.make("flaky", { format: "text", receive: Schema.String, send: Schema.String })

/** What is to happen to the room of a name, and what has. */
export interface Fate {
  failingStarts: number
  failingRings: number
  starts: number
  rang: number
  readonly left: Array<number>
}

const fates = new Map<string, Fate>()

export const fateOf = (name: string): Fate => {
  const known = fates.get(name)
  if (known !== undefined) return known
  const made: Fate = { failingStarts: 0, failingRings: 0, starts: 0, rang: 0, left: [] }
  fates.set(name, made)
  return made
}

const FlakyLive = Layer.unwrap(Effect.gen(function*() {
  const room = yield* Flaky
  const fate = fateOf(room.name)
  fate.starts++
  if (fate.failingStarts-- > 0) return yield* Effect.fail("the database is away")
  return Flaky.toLayer({
    message: (_, text) => room.broadcast(text),
    close: (_, { code }) => Effect.sync(() => void fate.left.push(code)),
    alarm: Effect.suspend(() => {
      fate.rang++
      return fate.failingRings-- > 0 ? Effect.fail("not now") : Effect.orDie(room.broadcast("rang"))
    })
  })
}))

export class FlakyRoom extends RoomObject.make(Flaky, FlakyLive) {}
