import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as RoomRoutes from "../../src/http/RoomRoutes.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract } from "../contract/directory.ts"
import { Court, CourtLive, type Fate, fated, Hall, HallLive } from "../contract/Hall.ts"
import * as App from "./app.ts"

const start = Effect.fnUntraced(function*(
  halls: Layer.Layer<Rooms.Rooms<"hall"> | NodeRooms.NodeRooms<"hall">>,
  courts: Layer.Layer<Rooms.Rooms<"court"> | NodeRooms.NodeRooms<"court">>
) {
  const scope = yield* Effect.scope
  const services = yield* Layer.build(Layer.merge(halls, courts))
  const app = yield* App.serveRoutes(
    Layer.merge(RoomRoutes.layer(Hall, { path: "/halls/:room" }), RoomRoutes.layer(Court, { path: "/courts/:room" }))
      .pipe(Layer.provide(Layer.succeedContext(services)))
  )
  const enter = Effect.fnUntraced(function*(rooms: "halls" | "courts", name: string, user = "somebody") {
    const { closed, socket, status } = yield* Scope.provide(
      App.enter(app, `/${rooms}/${name}?user=${user}`),
      scope
    )
    if (status !== 101) return undefined
    return {
      leave: Effect.promise(async () => {
        socket.close(1000)
        await closed
      })
    }
  })
  return { halls: Context.get(services, Rooms.key(Hall)), courts: Context.get(services, Rooms.key(Court)), enter }
})

contract(
  "in Node",
  Effect.gen(function*() {
    const fate: Fate = { isAway: false, writes: [] }
    const entries = yield* Layer.build(fated(fate))
    const provided = Layer.provide(Layer.succeedContext(entries))
    return {
      ...(yield* start(provided(NodeRooms.layer(Hall, HallLive)), provided(NodeRooms.layer(Court, CourtLive)))),
      prefix: "n",
      now: Clock.currentTimeMillis,
      elapse: (millis) =>
        Effect.andThen(TestClock.adjust(millis), Effect.promise(() => new Promise((done) => setTimeout(done, 5)))),
      evict: () => Effect.die(new Error("Nothing sleeps here")),
      crash: () => Effect.die(new Error("A room ends with its process")),
      crashDirectory: Effect.void,
      fate
    }
  }),
  { sleeps: false, crashes: false }
)

it.effect("after a restart of the process nobody is listed, and rooms are listed anew (DR-4)", () =>
  Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "dormouse-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    for (let life = 0; life < 3; life++) {
      const scope = yield* Scope.make()
      const { enter, halls } = yield* Scope.provide(
        start(NodeRooms.layer(Hall, HallLive, { directory }), NodeRooms.layer(Court, CourtLive)),
        scope
      )
      assert.deepStrictEqual(yield* halls.list(), [])
      yield* enter("halls", "Lobby")
      yield* TestClock.adjust("1 second")
      yield* App.pass
      assert.deepStrictEqual((yield* halls.list()).map(({ connections, name }) => [name, connections]), [["Lobby", 1]])
      yield* Scope.close(scope, Exit.void)
    }
  }))
