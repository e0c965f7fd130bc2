import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import type { Inn } from "../contract/Inn.ts"
import { contract } from "../contract/lifetime.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { INN } = env as unknown as Env

let rooms = 0

contract(
  "in workerd",
  Effect.sync(() => {
    const name = `lifetime-${rooms++}`
    return World.stored<typeof Inn>(() => INN.getByName(name))
  }),
  { concurrent: true }
)
