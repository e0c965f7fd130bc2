import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { contract } from "../contract/sql.ts"
import * as World from "./world.ts"

let rooms = 0

contract(
  "in workerd",
  Effect.sync(() => World.make(env.PROBE.getByName(`sql-${rooms++}`))),
  (name) =>
    Effect.sync(() => {
      const { connect, evict, run } = World.make(env.MIGRATED.getByName(name))
      return {
        connect: connect(""),
        run,
        wake: evict,
        later: Effect.promise(() => new Promise((done) => setTimeout(done, 1_000)))
      }
    })
)
