// A library over the package: what it exports is written to declarations, and every type in them must have a name.
import * as Bindings from "effect-dormouse/Bindings"
import * as Broadcaster from "effect-dormouse/Broadcaster"
import * as DurableRooms from "effect-dormouse/DurableRooms"
import * as RoomObject from "effect-dormouse/RoomObject"
import * as RoomRoutes from "effect-dormouse/RoomRoutes"
import * as Rooms from "effect-dormouse/Rooms"
import * as RoomsApi from "effect-dormouse/RoomsApi"
import * as RoomsApiRoutes from "effect-dormouse/RoomsApiRoutes"
import * as RpcRoom from "effect-dormouse/RpcRoom"
import * as Sockets from "effect-dormouse/Sockets"
import * as WorkerRoom from "effect-dormouse/WorkerRoom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { Counter, CounterLive } from "./counter.ts"

declare global {
  namespace Cloudflare {
    interface Env {
      readonly COUNTERS: DurableObjectNamespace<CounterRoom>
    }
  }
}

export class CounterRoom extends RoomObject.make(Counter, CounterLive) {}

export const RoomsLive = DurableRooms.layer(Counter, "COUNTERS")
export const counters = Rooms.key(Counter)
export const people = Effect.flatMap(counters, (rooms) => rooms.get("one").connections({ limit: 10 }))
export const Routes = RoomRoutes.layer(Counter)
export const Api = RoomsApi.make(Counter)
export const ApiRoutes = RoomsApiRoutes.layer(Counter, { authorize: () => Effect.void })
export const worker = WorkerRoom.make(Counter, CounterLive)
export const bindings = Bindings.config

export const Ticks = RpcRoom.make("ticks", RpcGroup.make(Rpc.make("Watch", { success: Schema.Int, stream: true })))
export const TicksLive = Ticks.toLayer(Effect.gen(function*() {
  const room = yield* Ticks
  return { Watch: (_, request) => room.pushed(request) }
}))
export const room = Ticks.room
export class TicksRoom extends RoomObject.make(Ticks.room, TicksLive) {}
export const ticks = Rooms.key(Ticks.room)
export const tick = Effect.flatMap(Ticks, (room) => room.push("Watch", 1))

export const Own = Layer.effect(
  Broadcaster.Broadcaster,
  Effect.gen(function*() {
    const broadcaster = yield* Broadcaster.Broadcaster
    const sockets = yield* Sockets.Sockets
    return Broadcaster.Broadcaster.of({
      ...broadcaster,
      send: (id, frame) => Effect.suspend(() => sockets.list().length > 0 ? broadcaster.send(id, frame) : Effect.void)
    })
  })
)
