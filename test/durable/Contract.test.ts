import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { contract } from "../contract/suite.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

let rooms = 0

contract({
  name: "in workerd",
  // SAFETY: the bindings are those of this folder's wrangler.toml.
  world: Effect.sync(() => World.make((env as unknown as Env).PROBE.getByName(`contract-${rooms++}`)))
})
