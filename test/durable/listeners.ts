/**
 * Rooms over standard WebSockets in workerd: in an object that does not hibernate, and in a plain Worker.
 */
import { DurableObject } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as WorkerRoom from "../../src/listeners/WorkerRoom.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { Probe, ProbeLive, Told } from "../contract/Probe.ts"
import echo from "./echo.ts"

export { EchoRoom } from "./echo.ts"

const start = () => WorkerRoom.make(Probe, ProbeLive).pipe(Scope.provide(Scope.makeUnsafe()), Effect.runPromise)

/** A probe's room in an object that stays awake. */
export class AwakeRoom extends DurableObject {
  readonly #room = start()

  override async fetch(request: Request): Promise<Response> {
    return Effect.runPromise((await this.#room).fetch(request))
  }

  readonly run = async <A, E>(effect: Effect.Effect<A, E, RoomRuntime.Services<typeof Probe>>): Promise<A> =>
    Effect.runPromise((await this.#room).run(effect))
}

let last: WorkerRoom.WorkerRoom<typeof Probe> | undefined

/** A plain Worker: `/own` is a room for the request alone, and `/reach` turns to the room of the request before. */
export const plain = async (request: Request<unknown, IncomingRequestCfProperties>): Promise<Response> => {
  const { pathname } = new URL(request.url)
  if (pathname === "/echo") return echo.fetch(request)
  if (pathname === "/own") {
    last = await start()
    return Effect.runPromise(last.fetch(request))
  }
  if (pathname !== "/reach" || last === undefined) return new Response(null, { status: 404 })
  return Response.json(
    await Effect.runPromise(last.run(Probe.use((room) => room.broadcast(Told.cases.Rang.make({})))))
  )
}
