/**
 * A Worker whose room says whom it takes a client for. Below `/ada` the Worker knows who it is.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Claims from "../../../src/domain/Claims.ts"
import * as Problem from "../../../src/domain/Problem.ts"
import * as RequestClaims from "../../../src/durable/RequestClaims.ts"
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import * as Room from "../../../src/services/Room.ts"

const Door = Room.make("door", { format: "text", receive: Schema.String, send: Schema.String })

const DoorLive = Door.toLayer(Effect.succeed({
  connect: (request) => Problem.make(403, Claims.get(request, "user") ?? "nobody")
}))

export class DoorRoom extends RoomObject.make(Door, DoorLive) {}

export default {
  fetch: (request, env) =>
    env.DOOR.getByName("door").fetch(
      new URL(request.url).pathname === "/ada" ? RequestClaims.attach(request, { user: "ada" }) : request
    )
} satisfies ExportedHandler<{ readonly DOOR: DurableObjectNamespace<DoorRoom> }>
