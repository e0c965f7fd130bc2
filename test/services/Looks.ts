/**
 * How often a room looks at all its sockets. The layer belongs below the room's own.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Sockets from "../../src/services/Sockets.ts"

export const make = () => {
  const all = {
    looks: 0,
    layer: Layer.effect(
      Sockets.Sockets,
      Effect.map(Sockets.Sockets, (sockets) => ({
        ...sockets,
        list: (tag?: string) => {
          if (tag === undefined) all.looks++
          return sockets.list(tag)
        }
      }))
    )
  }
  return all
}
