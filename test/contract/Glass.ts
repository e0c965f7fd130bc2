/**
 * A room that can be looked at, with everything that an inspection tells of.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Problem from "../../src/domain/Problem.ts"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as Inspector from "../../src/inspector/Inspector.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Room from "../../src/services/Room.ts"

export const Glass = Room.make("glass", {
  receive: Schema.Struct({ say: Schema.String }),
  send: Schema.Struct({ said: Schema.String }),
  state: Schema.Struct({ name: Schema.String }),
  deadlines: { tea: Schema.Struct({ secret: Schema.String }) }
})

/** `later` sets a deadline, `bye` closes its sender, `to me` answers it alone, and anything else goes to all. */
const HandlersLive = Glass.toLayer(Effect.gen(function*() {
  const room = yield* Glass
  return {
    connect: (request) => {
      const name = new URL(request.url).searchParams.get("name") ?? "somebody"
      return name === "nobody"
        ? Problem.make(403, "You may not enter.")
        : Effect.succeed({ user: name, labels: ["guest"], state: { name } })
    },
    message: ({ id }, { say }) => {
      switch (say) {
        case "later":
          return room.deadlines.tea.set("kettle", "1 hour", { secret: "nobody is shown this" }, { connection: id })
        case "bye":
          return room.close(id, { code: 4000, reason: "good bye" })
        case "to me":
          return room.send(id, { said: say })
        default:
          return room.broadcast({ said: say })
      }
    },
    deadlines: { tea: () => Effect.void }
  }
}))

/** With a guard, which keeps something beside each socket, too. */
export const GlassLive = HandlersLive.pipe(
  Layer.provide(Guard.layer().pipe(Layer.provide(Authenticator.layerAnonymous))),
  Layer.provide(Deadlines.layer),
  Layer.merge(Inspector.layer)
)
