/**
 * The examples of `WorkerRoom`.
 */
import { DurableObject } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as WorkerRoom from "../../src/listeners/WorkerRoom.ts"
import * as Room from "../../src/services/Room.ts"

const Echo = Room.make("echo", { format: "text", receive: Schema.String, send: Schema.String })

const EchoLive = Echo.toLayer(Effect.gen(function*() {
  const room = yield* Echo
  return { message: (_, text) => room.broadcast(text) }
}))

export class EchoRoom extends DurableObject {
  readonly #room = Effect.runPromise(WorkerRoom.make(Echo, EchoLive).pipe(Scope.provide(Scope.makeUnsafe())))

  override async fetch(request: Request) {
    return Effect.runPromise((await this.#room).fetch(request))
  }
}

export default {
  fetch: (request) =>
    WorkerRoom.make(Echo, EchoLive).pipe(
      Effect.flatMap((room) => room.fetch(request)),
      Scope.provide(Scope.makeUnsafe()),
      Effect.runPromise
    )
} satisfies ExportedHandler
