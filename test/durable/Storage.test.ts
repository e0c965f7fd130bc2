import { evictDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { contract } from "../contract/storage.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

let rooms = 0

contract(
  "in workerd",
  Effect.sync(() => {
    // SAFETY: the bindings are those of this folder's wrangler.toml.
    const stub = (env as unknown as Env).PROBE.getByName(`storage-${rooms++}`)
    const { evict, run } = World.make(stub)
    return {
      run,
      restarts: {
        "a sleep": evict,
        "a restart": Effect.promise(() => evictDurableObject(stub, { webSockets: "close" }))
      }
    }
  }),
  ["a sleep", "a restart"]
)
