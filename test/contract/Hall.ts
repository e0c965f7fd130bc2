/**
 * Two definitions of rooms that stand in one directory, and a directory that is away as long as it is told to be.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as DirectoryUnavailable from "../../src/domain/DirectoryUnavailable.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as Directory from "../../src/services/Directory.ts"
import * as Entries from "../../src/services/Entries.ts"
import * as Room from "../../src/services/Room.ts"

export const Hall = Room.make("hall", { receive: Schema.String, send: Schema.String, directory: true })

export const Court = Room.make("court", { receive: Schema.String, send: Schema.String, directory: true })

/** Refuses who calls itself nobody, once it is about to enter. */
export const HallLive = Hall.toLayer(Effect.gen(function*() {
  const room = yield* Hall
  return {
    connect: ({ url }) =>
      Effect.succeed({ state: undefined, user: new URL(url).searchParams.get("user") ?? "somebody" }),
    open: ({ user }) => user === "nobody" ? Problem.make(403, "Nobody comes in.") : Effect.void,
    message: (_, text) => room.broadcast(text)
  }
})).pipe(Layer.provide(Directory.layer))

export const CourtLive = Court.toLayer({}).pipe(Layer.provide(Directory.layer))

/** What a directory has been told, and whether it is away. */
export interface Fate {
  isAway: boolean
  readonly writes: Array<readonly [what: "put" | "remove", room: string]>
}

/** Entries in memory that meet a fate. */
export const fated = (fate: Fate): Layer.Layer<Entries.Entries> =>
  Layer.sync(Entries.Entries)(() => {
    const memory = Entries.makeMemory()
    const here = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.suspend((): Effect.Effect<A, E | DirectoryUnavailable.DirectoryUnavailable> =>
        fate.isAway ? Effect.fail(new DirectoryUnavailable.DirectoryUnavailable({ cause: "away" })) : effect
      )
    const written = (what: "put" | "remove", room: string, write: Effect.Effect<void, any>) =>
      here(Effect.andThen(Effect.sync(() => void fate.writes.push([what, room])), write))
    return Entries.make({
      put: (definition, room, since) => written("put", room, memory.put(definition, room, since)),
      remove: (definition, room, since) => written("remove", room, memory.remove(definition, room, since)),
      page: (definition, options) => here(memory.page(definition, options))
    })
  })
