/**
 * Starts a room, and runs effects in it.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Room from "./Room.ts"

/** Runs an effect in a room. */
export type Run<R> = <A, E>(effect: Effect.Effect<A, E, R>) => Promise<A>

/**
 * Starts a room on its services. What is to be run while its layer is still being built waits for that, for 20 seconds at
 * most. Where the layer does not build, effects run without what it would have provided.
 */
export const make = <App, Given, E>(
  live: Layer.Layer<App, E, Given>,
  services: Context.Context<Given>
): Run<App | Given> => {
  // SAFETY: the rest is there once the room has started.
  let run: Run<App | Given> = Effect.runPromiseWith(services as Context.Context<App | Given>)
  const starting = Effect.runForkWith(services)(
    Effect.map(Room.start(live, services, Scope.makeUnsafe()), (started) => {
      run = Effect.runPromiseWith(started)
    })
  )
  if (starting.pollUnsafe() !== undefined) return run
  let waiting: Promise<void> | undefined = new Promise<void>((resolve) => {
    const patience = setTimeout(resolve, 20_000)
    starting.addObserver(() => {
      clearTimeout(patience)
      resolve()
    })
  }).then(() => {
    waiting = undefined
  })
  return (effect) => waiting === undefined ? run(effect) : waiting.then(() => run(effect))
}
