// A Worker with one class of rooms.
import * as RoomName from "effect-dormouse/RoomName"
import * as RoomObject from "effect-dormouse/RoomObject"
import * as Effect from "effect/Effect"
import { Counter, CounterLive } from "./counter.ts"

export class CounterRoom extends RoomObject.make(Counter, CounterLive) {
  people(): Promise<number> {
    return this.run(Effect.flatMap(Counter, (room) => room.count()))
  }
}

interface Env {
  readonly ROOM: DurableObjectNamespace<CounterRoom>
}

export default {
  async fetch(request, env) {
    const name = RoomName.fromPathSegment(new URL(request.url).pathname.slice(1))
    if (name === undefined) return new Response("There is no such room.", { status: 404 })
    const room = env.ROOM.getByName(name)
    return request.headers.has("upgrade") ? room.fetch(request) : Response.json({ people: await room.people() })
  }
} satisfies ExportedHandler<Env>
