/**
 * The service of a room, as its handlers use it, over the parts of a room.
 *
 * It is apart from the definition, which the two ends share: a client carries none of this.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Audience from "../domain/Audience.ts"
import * as RoomError from "../domain/RoomError.ts"
import type { Assembly } from "./Assembly.ts"
import type * as Protocol from "./Protocol.ts"
import type * as Room from "./Room.ts"

/**
 * Makes the service of a room.
 *
 * @internal
 */
export const make = (assembly: Assembly): Room.Service<any, any, any> => {
  // One step and not two: this runs for every message.
  const encoded = <A>(message: unknown, use: (frame: Protocol.Frame) => Effect.Effect<A, RoomError.RoomError>) =>
    Effect.suspend(() => {
      const frame = assembly.protocol.encode(message)
      return Result.isSuccess(frame)
        ? use(frame.success)
        : Effect.fail(RoomError.make(new RoomError.InvalidMessage({ detail: frame.failure.message })))
    })

  return {
    name: assembly.name,
    send: (id, message) => encoded(message, (frame) => assembly.broadcaster.send(id, frame)),
    broadcast: (message, options) => encoded(message, (frame) => assembly.broadcaster.broadcast(frame, options)),
    connections: (options) => assembly.registry.list(options),
    count: (audience = Audience.all) => assembly.registry.count(audience),
    state: (id) => assembly.registry.state(id),
    setState: (id, state) => assembly.registry.setState(id, state),
    close: (id, options) => assembly.lifecycle.disconnect(id, options),
    // The type says that they are there.
    drain: (options) => Effect.suspend(() => assembly.deadlines!.drain(options)),
    get deadlines() {
      return assembly.deadlines?.named ?? {}
    }
  }
}
