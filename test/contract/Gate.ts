/**
 * A room with a guard whose limits are low, for its contract. A token is the JSON of a principal.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Authenticator from "../../src/doors/Authenticator.ts"
import * as Guard from "../../src/doors/Guard.ts"
import * as Permissions from "../../src/doors/Permissions.ts"
import * as Principal from "../../src/doors/Principal.ts"
import * as Rates from "../../src/doors/Rates.ts"
import * as Room from "../../src/services/Room.ts"

export const limits = {
  messageBytes: 4_096,
  jsonDepth: 4,
  jsonKeys: 8,
  messagesPerSecond: 1,
  messageBurst: 4,
  rateViolations: 3,
  connections: 6,
  connectionsPerUser: 2,
  connectionsPerAddress: 3,
  idleSeconds: 2,
  stateBytes: 64
} as const

export const Gate = Room.make("gate", {
  receive: Schema.Union([Schema.String, Schema.Array(Schema.Json)]),
  send: Schema.String,
  state: Schema.Struct({ note: Schema.String })
})

const Tokens = Layer.succeed(Authenticator.Authenticator)({
  authenticate: () => Effect.succeed(Principal.anonymous),
  verify: (token) =>
    Effect.mapError(
      Effect.try(() => ({ ...Principal.anonymous, ...JSON.parse(Redacted.value(token)) }) as Principal.Principal),
      () => Authenticator.unauthorized("This is no token.")
    )
})

// Who is labelled `mute` may not speak.
const Rule = Layer.succeed(Permissions.Permissions)(({ labels }) => ({
  join: true,
  speak: !labels.includes("mute"),
  see: true
}))

// Nobody begins a room from this address.
const NoRooms = Layer.succeed(Rates.Rates)({
  take: (_, address) => Effect.succeed(address === "begins too many" ? 7 : undefined)
})

export const GateLive = Gate.toLayer(Effect.gen(function*() {
  const room = yield* Gate
  return {
    connect: ({ headers, url }) =>
      Effect.succeed({
        state: { note: new URL(url).searchParams.get("note") ?? "" },
        labels: ["own", headers.get("authorization") ?? "no authorization"]
      }),
    message: ({ id }, said) => room.send(id, typeof said === "string" ? said : "a list")
  }
})).pipe(
  Layer.provide(Guard.layer(limits)),
  Layer.provide([Tokens, Rule, NoRooms])
)
