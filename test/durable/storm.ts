/**
 * Storms in workerd: in an object that sleeps, and in one that stays awake.
 */
import { DurableObject } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as WorkerRoom from "../../src/listeners/WorkerRoom.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { Storm, StormLive } from "../contract/Storm.ts"

export class StormRoom extends RoomObject.make(Storm, StormLive) {}

export class AwakeStormRoom extends DurableObject {
  readonly #room = WorkerRoom.make(Storm, StormLive, { name: this.ctx.id.name }).pipe(
    Scope.provide(Scope.makeUnsafe()),
    Effect.runPromise
  )

  override async fetch(request: Request): Promise<Response> {
    return Effect.runPromise((await this.#room).fetch(request))
  }

  readonly run = async <A, E>(effect: Effect.Effect<A, E, RoomRuntime.Services<typeof Storm>>): Promise<A> =>
    Effect.runPromise((await this.#room).run(effect))
}
