/**
 * A storage that is away while a test says so. The layer belongs below those of the room that use the storage.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Inside } from "../../src/services/Assembly.ts"

export const layer = (isAway: (statement: string) => boolean): Layer.Layer<never, never, Inside> =>
  Layer.effectDiscard(Effect.map(Inside, (assembly) => {
    const { clear, exec, transaction } = assembly.storage
    const use = <A>(statement: string, then: () => A) => {
      if (isAway(statement)) throw new Error("The disk is away.")
      return then()
    }
    Object.assign(assembly, {
      storage: {
        exec: (...statement: Parameters<typeof exec>) => use(statement[0], () => exec(...statement)),
        transaction: <A>(body: () => A) => use("", () => transaction(body)),
        clear: Effect.suspend(() => use("clear", () => clear))
      }
    })
  }))
