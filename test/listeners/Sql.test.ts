import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import { MigratedLive } from "../contract/Migrated.ts"
import { Probe, ProbeLive } from "../contract/Probe.ts"
import { contract } from "../contract/sql.ts"
import * as World from "./world.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dormouse-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

contract(
  "in Node, in files",
  Effect.gen(function*() {
    const rooms = yield* NodeRooms.make(Probe, ProbeLive, { directory: yield* folder })
    return { run: (effect) => rooms.run("room", effect) }
  }),
  Effect.fnUntraced(function*(name) {
    const directory = yield* folder
    const all = yield* Effect.scope
    // A process with a server of its own.
    const start = Effect.gen(function*() {
      const scope = yield* Scope.fork(all)
      return { scope, server: yield* Scope.provide(World.serve(MigratedLive, { directory }), scope) }
    })
    let process = yield* start
    return {
      connect: Effect.suspend(() => Scope.provide(World.connect(process.server, name), process.scope)),
      run: (effect) => Effect.suspend(() => process.server.rooms.run(name, effect)),
      wake: Effect.gen(function*() {
        yield* Scope.close(process.scope, Exit.void)
        process = yield* start
      }),
      later: TestClock.adjust("1 second")
    }
  })
)
