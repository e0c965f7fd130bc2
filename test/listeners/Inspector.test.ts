import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Problem from "../../src/domain/Problem.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as InspectorRoom from "../../src/inspector/InspectorRoom.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { Glass, GlassLive } from "../contract/Glass.ts"
import { contract } from "../contract/inspector.ts"
import * as App from "./app.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(InspectorRoom.InspectorRoom.send))

const pass = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))

contract(
  "in Node",
  Effect.gen(function*() {
    const services = yield* Layer.build(
      NodeRooms.layer(Glass, GlassLive).pipe(
        Layer.provideMerge(NodeRooms.layer(InspectorRoom.InspectorRoom, InspectorRoom.layer))
      )
    )
    const app = yield* App.serveRoutes(
      Layer.merge(
        RoomRoutes.layer(Glass),
        RoomRoutes.layer(InspectorRoom.InspectorRoom, { path: "/inspectors/:room" })
      ).pipe(Layer.provide(Layer.succeedContext(services)))
    )
    return {
      rooms: Context.get(services, Rooms.key(Glass)),
      room: "glass",
      enter: Effect.fnUntraced(function*(query) {
        const { socket, status } = yield* App.enter(app, `/rooms/glass${query}`)
        if (status !== 101) return yield* Problem.make(status, "It was refused.")
        return {
          send: (frame) => Effect.andThen(Effect.sync(() => socket.send(frame)), pass(20)),
          close: (code, reason) => Effect.andThen(Effect.sync(() => socket.close(code, reason)), pass(20))
        }
      }),
      watch: Effect.gen(function*() {
        const { socket } = yield* App.enter(app, "/inspectors/glass")
        const texts: Array<string> = []
        socket.on("message", (data) => texts.push(String(data)))
        return {
          taken: Effect.andThen(pass(20), Effect.sync(() => texts.splice(0).map((text) => decode(text)))),
          leave: Effect.andThen(Effect.sync(() => socket.close(1000)), pass(20))
        }
      }),
      sleep: Effect.void,
      sleepInspector: Effect.void,
      elapse: (millis) => Effect.andThen(TestClock.adjust(millis), pass(5)),
      now: Clock.currentTimeMillis
    }
  }),
  { sleeps: false }
)
