import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Bearer from "../../src/doors/Bearer.ts"
import * as Doors from "../../src/doors/Doors.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Room from "../../src/services/Room.ts"

const Lobby = Room.make("lobby", { receive: Schema.String, send: Schema.String })

it.effect("no token stands in the log or in a trace of an app that redacts them (AU-8)", () =>
  Effect.gen(function*() {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(line))])
    const everyHeader = Layer.succeed(HttpMiddleware.TracerHeaderFilter)(() => true)
    const DoorsLive = Doors.layer().pipe(Layer.provide([Authenticator.layerAnonymous, Rates.layerMemory()]))
    const Routes = RoomRoutes.layer(Lobby, { doors: Doors.Doors }).pipe(
      Layer.provide(DoorsLive),
      Layer.provide(MemoryRooms.layer(Lobby, Lobby.toLayer({})))
    )
    const { handler } = HttpRouter.toWebHandler(
      Routes.pipe(
        Layer.provideMerge(Layer.mergeAll(Bearer.redacted, logger, everyHeader, Layer.succeed(Tracer.Tracer)(tracer)))
      )
    )
    const response = yield* Effect.promise(() =>
      handler(
        new Request("https://app.invalid/rooms/tea?token=t0k3n&name=Ada", {
          headers: {
            upgrade: "websocket",
            authorization: "Bearer t0k3n",
            "sec-websocket-protocol": "bearer, t0k3n, plain"
          }
        })
      )
    )
    assert.strictEqual(response.status, 101)
    assert.isAbove(lines.length, 0)
    assert.isAbove(spans.length, 0)
    const told = JSON.stringify([lines, spans.map(({ attributes }) => [...attributes])])
    assert.include(told, "name=Ada")
    assert.include(told, "sec-websocket-protocol")
    assert.notInclude(told, "t0k3n")
  }))
