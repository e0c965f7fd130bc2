/**
 * A room that ends when nobody is there. Each time that it starts anew it has another number in its storage.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

export const Inn = Room.make("inn", {
  receive: Schema.String,
  send: Schema.String,
  deadlines: { wake: Schema.String },
  lifetime: { emptyFor: "1 second" }
})

/** What has happened, beside the storage that ends with a room: a room's name, and what. */
export const told: Array<readonly [room: string, what: string]> = []

/** How the `retire` handlers of rooms go, by their names: well, unless something is set here. */
export const retiring = new Map<string, Effect.Effect<void, string>>()

let guests = 0

/** The number of the room's storage. */
export const generation = Effect.map(
  Storage.exec<{ readonly n: number }>("SELECT n FROM generation"),
  ([row]) => row?.n
)

export const InnLive = Inn.toLayer(Effect.gen(function*() {
  const room = yield* Inn
  yield* Storage.exec("CREATE TABLE IF NOT EXISTS generation (n INTEGER)")
  if ((yield* generation) === undefined) yield* Storage.exec("INSERT INTO generation VALUES (?)", ++guests)
  const tell = (what: string) => Effect.sync(() => void told.push([room.name, what]))
  return {
    close: (_, { code }) => tell(`closed ${code}`),
    deadlines: { wake: (key: string) => tell(`woken ${key}`) },
    retire: Effect.gen(function*() {
      yield* tell(`retires with ${yield* room.count()}`)
      yield* retiring.get(room.name) ?? Effect.void
    })
  }
})).pipe(Layer.provide(Lifetime.layer))
