/**
 * A room in memory as the world of the contracts of stored things.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import type * as Room from "../../src/services/Room.ts"
import type { StoredWorld } from "../contract/StoredWorld.ts"

export const make = <R extends Room.Any, E>(
  room: R,
  live: Layer.Layer<never, E, MemoryRoom.Services<R>>
): Effect.Effect<StoredWorld<R>, never, Scope.Scope> =>
  Effect.map(MemoryRoom.make(room, live), ({ call, connect, crash, evict, run }) => ({
    run,
    connect: (query = "", claims) =>
      Effect.map(connect(`/${query}`, { claims }), (client) => ({
        send: (text) => client.sendFrame(JSON.stringify(text)),
        sendFrame: client.sendFrame,
        received: Effect.map(client.receivedFrames, (frames) => frames.map(String)),
        close: client.close(1000),
        drop: client.drop,
        closed: client.closed
      })),
    call: (method, payload = "") => call(method, payload),
    elapse: TestClock.adjust,
    evict,
    crash
  }))
