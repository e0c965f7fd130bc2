import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import type { Gate } from "../contract/Gate.ts"
import { contract } from "../contract/guard.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { GATE } = env as unknown as Env

let rooms = 0

contract(
  "in workerd",
  Effect.sync(() => {
    const name = `doors-${rooms++}`
    return World.stored<typeof Gate>(() => GATE.getByName(name))
  }),
  { concurrent: true }
)
