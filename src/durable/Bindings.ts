/**
 * The bindings of a Worker: its databases, queues, other objects, and its variables and secrets.
 *
 * `RoomObject` gives each object its own `env`, and {@link layer} gives one to a layer of the Worker itself. The type
 * is `Cloudflare.Env`, which `wrangler types` writes or a program declares. So a binding that is missing does not
 * compile. `effect/Config` reads variables and secrets.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export class Bindings extends Context.Service<Bindings, Cloudflare.Env>()("effect-dormouse/durable/Bindings") {}

/** The bindings of an `env`. Use it for the layers of a Worker; an object has its own. */
export const layer = (env: Cloudflare.Env): Layer.Layer<Bindings> => Layer.succeed(Bindings)(env)

/**
 * Reads every `Config` from the variables and secrets of the `env`, JSON variables included.
 */
export const config: Layer.Layer<never, never, Bindings> = /* @__PURE__ */ ConfigProvider.layer(
  /* @__PURE__ */ Bindings.useSync((env) => ConfigProvider.fromUnknown(env))
)
