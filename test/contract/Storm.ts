/**
 * The room that is treated badly: its clients overdo it, and its handlers fail in every way. What its house brings is
 * replaced by services of its own, which count.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Broadcaster from "../../src/services/Broadcaster.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Lifecycle from "../../src/services/Lifecycle.ts"
import * as Outbox from "../../src/services/Outbox.ts"
import * as Room from "../../src/services/Room.ts"
import * as Sockets from "../../src/services/Sockets.ts"

export const Ask = Schema.TaggedUnion({
  Say: { text: Schema.String },
  // Answered by the length, whatever it carries.
  Measure: { text: Schema.String },
  Link: { url: Schema.String.check(Schema.makeFilter((url) => new URL(url).protocol === "https:")) },
  Fail: { how: Schema.Literals(["fail", "die", "throw", "interrupt"]) },
  Refuse: { until: Schema.Date },
  Shout: { text: Schema.String },
  Kick: { name: Schema.String },
  Wait: {},
  Release: {},
  Spoil: {}
})

export const Told = Schema.TaggedUnion({
  Came: { name: Schema.String, state: Schema.String },
  Said: { name: Schema.String, text: Schema.String },
  Woke: { name: Schema.String },
  Left: { name: Schema.String, code: Schema.Int, connections: Schema.Int }
})

export class Banned extends Schema.TaggedError<Banned>()("Banned", {
  until: Schema.Date,
  strikes: Schema.FiniteFromString
}) {}

export const State = Schema.Struct({
  name: Schema.String,
  tags: Schema.mutable(Schema.Array(Schema.String)),
  nick: Schema.optional(Schema.String),
  since: Schema.Date
})

export const Storm = Room.make("storm", {
  receive: Ask,
  send: Told,
  error: Banned,
  state: State,
  limits: { messageBytes: 2_000_000 },
  bytes: {
    receive: Schema.Uint8Array.check(Schema.makeFilter((bytes) => bytes.length < 5)),
    send: Schema.Uint8Array
  },
  methods: [Rpc.make("slip", {}), Rpc.make("shout", { payload: { text: Schema.String }, success: Schema.String })]
})

export const since = new Date(Date.UTC(2026, 0))

/** What handlers need of the room's layer. */
export class Megaphone extends Context.Service<Megaphone, (text: string) => string>()(
  "effect-dormouse/test/contract/Storm/Megaphone"
) {}

/** What was logged in a room, and how often a service of its own was used, by the room's name. */
export interface Records {
  readonly logged: Array<{ readonly annotations: Readonly<Record<string, unknown>>; readonly cause: string }>
  readonly used: Map<string, number>
}

const records = new Map<string, Records>()

export const recordsOf = (name: string): Records => {
  const known = records.get(name)
  if (known !== undefined) return known
  const made: Records = { logged: [], used: new Map() }
  records.set(name, made)
  return made
}

const thrown = (): Effect.Effect<never> => {
  throw new Error("thrown before any effect")
}

/** A storm's URL asks for a `name`, and `throws` (`connect`, `open` or `close`) to fail there. */
const Handlers = Storm.toLayer(Effect.gen(function*() {
  const room = yield* Storm
  const gate = Latch.makeUnsafe(false)
  const say = (name: string, text: string) => room.broadcast(Told.cases.Said.make({ name, text }))
  return {
    connect: (request) => {
      const query = new URL(request.url).searchParams
      if (query.get("throws") === "connect") return thrown()
      const name = query.get("name") ?? ""
      const row = {
        name,
        tags: [query.get("throws") ?? ""],
        nick: undefined,
        since,
        password: "the secret of the row"
      }
      return Effect.succeed({ state: row, user: request.claims["user"] })
    },
    open: (connection) => {
      if (connection.state.tags.includes("open")) return thrown()
      const { name } = connection.state
      const state = JSON.stringify(connection.state)
      connection.state.tags.push("spoilt in open")
      return room.send(connection.id, Told.cases.Came.make({ name, state }))
    },
    message: (connection, message) => {
      const { id, state: { name } } = connection
      if (message instanceof Uint8Array) return room.broadcast(message.toReversed())
      switch (message._tag) {
        case "Say":
          return say(name, message.text)
        case "Measure":
          return say(name, String(message.text.length))
        case "Link":
          return say(name, message.url)
        case "Fail":
          switch (message.how) {
            case "fail":
              return Effect.fail("the handler failed")
            case "die":
              return Effect.die(new Error("the handler died"))
            case "throw":
              return thrown()
            case "interrupt":
              return Effect.interrupt
          }
          break
        case "Refuse":
          return Effect.fail(new Banned({ until: message.until, strikes: 3 }))
        case "Shout":
          return Effect.flatMap(Megaphone, (louder) => say(name, louder(message.text)))
        case "Kick":
          return Effect.flatMap(room.connections(), (connections) => {
            const target = connections.find(({ state }) => state.name === message.name)
            return target === undefined ? Effect.void : room.close(target.id, { code: 4500, reason: "out" })
          })
        case "Wait":
          return Effect.andThen(gate.await, room.broadcast(Told.cases.Woke.make({ name })))
        case "Release":
          return gate.open
        case "Spoil":
          return Effect.andThen(Effect.sync(() => connection.state.tags.push("spoilt")), room.state(id))
      }
    },
    close: ({ state: { name, tags } }, { code }) =>
      tags.includes("close")
        ? thrown()
        : Effect.flatMap(
          room.count(),
          (connections) => room.broadcast(Told.cases.Left.make({ name, code, connections }))
        ),
    methods: {
      slip: () => thrown(),
      shout: ({ text }) => Effect.map(Megaphone, (louder) => louder(text))
    }
  }
}))

// A service of the room's own in the place of the house's: it counts one of its methods.
const counting = <I, S extends object, K extends keyof S & string>(
  key: Context.Service<I, S>,
  method: K
): Layer.Layer<I, never, I | Room.Identifier<"storm">> =>
  Layer.effect(
    key,
    Effect.gen(function*() {
      const { name } = yield* Storm
      const service = yield* key
      const { used } = recordsOf(name)
      // SAFETY: it takes what the house's own takes.
      const own = service[method] as unknown as (...taken: ReadonlyArray<unknown>) => unknown
      const counted = (...taken: ReadonlyArray<unknown>) => {
        used.set(key.key, (used.get(key.key) ?? 0) + 1)
        return own(...taken)
      }
      return { ...service, [method]: counted }
    })
  )

const Counting = Layer.mergeAll(
  counting(Sockets.Sockets, "accept"),
  counting(ConnectionRegistry.ConnectionRegistry, "admit"),
  counting(Outbox.Outbox, "broadcast"),
  counting(Broadcaster.Broadcaster, "broadcast"),
  counting(Lifecycle.Lifecycle, "message")
)

/** The services that a storm brings of its own. */
export const own: ReadonlyArray<string> = [
  Sockets.Sockets,
  ConnectionRegistry.ConnectionRegistry,
  Outbox.Outbox,
  Broadcaster.Broadcaster,
  Lifecycle.Lifecycle
].map(({ key }) => key)

const Recording = Layer.unwrap(Effect.map(Storm, ({ name }) =>
  Logger.layer([
    Logger.make(({ cause, fiber }) => {
      recordsOf(name).logged.push({
        annotations: fiber.getRef(References.CurrentLogAnnotations),
        cause: Cause.pretty(cause)
      })
    })
  ])))

export const StormLive = Handlers.pipe(
  Layer.provide(Layer.succeed(Megaphone)((text) => text.toUpperCase())),
  Layer.provideMerge(Counting),
  Layer.merge(Recording)
)
