/**
 * Rooms in memory whose clients are `RoomClient`s.
 */
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Transport from "../../src/client/Transport.ts"
import type * as MemoryRoom from "../../src/memory/MemoryRoom.ts"

const macrotask = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Lets everything happen that needs no time. */
export const settle = Effect.andThen(TestClock.adjust(0), Effect.replicateEffect(macrotask, 4))

/** Lets so much time pass, with all that happens in it. */
export const pass = (millis: number) => Effect.andThen(Effect.andThen(settle, TestClock.adjust(millis)), settle)

/** Runs it in the background, from now on. */
export const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkScoped(effect, { startImmediately: true })

/** Runs clients on the network of a room. */
export const on = ({ network }: Pick<MemoryRoom.MemoryRoom<any>, "network">) =>
  Effect.provideService(Transport.Transport, network.transport)
