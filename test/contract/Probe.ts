/**
 * The room that the contract suites run: it does what its clients ask and tells all of them what happened.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Problem from "../../src/domain/Problem.ts"
import * as Room from "../../src/services/Room.ts"

export const Ask = Schema.TaggedUnion({
  Speak: { text: Schema.String },
  Note: { note: Schema.String },
  Close: { connection: Schema.String, code: Schema.Int, reason: Schema.String },
  Hold: { milliseconds: Schema.Int },
  Fail: {},
  Die: {}
})

export const Told = Schema.TaggedUnion({
  Rang: {},
  Opened: { connection: Schema.String },
  Heard: {
    connection: Schema.String,
    user: Schema.NullOr(Schema.String),
    labels: Schema.Array(Schema.String),
    note: Schema.String,
    text: Schema.String
  },
  Closed: {
    connection: Schema.String,
    note: Schema.String,
    code: Schema.Int,
    reason: Schema.String,
    wasClean: Schema.Boolean,
    connections: Schema.Int
  }
})

export const Probe = Room.make("probe", {
  receive: Ask,
  send: Told,
  state: Schema.Struct({ note: Schema.String }),
  limits: { messageBytes: 1_000_000, stateBytes: 16_384 }
})

/** What a probe's URL asks for: `note`, `user`, `label` (repeated), and `refuse` or `fail` to be turned away. */
export const ProbeLive = Probe.toLayer(Effect.gen(function*() {
  const room = yield* Probe
  return {
    connect: (request) =>
      Effect.gen(function*() {
        const query = new URL(request.url).searchParams
        if (query.has("refuse")) return yield* Problem.make(Number(query.get("refuse")), "Not you.")
        if (query.get("fail") === "connect") return yield* Effect.die(new Error("connect is broken"))
        return {
          state: { note: query.get("note") ?? "" },
          user: query.get("user") ?? undefined,
          labels: query.getAll("label")
        }
      }),
    open: Effect.fnUntraced(function*(connection) {
      yield* room.send(connection.id, Told.cases.Opened.make({ connection: connection.id }))
      yield* room.broadcast(Told.cases.Opened.make({ connection: connection.id }))
      if (connection.state.note === "fail in open") return yield* Effect.fail("open is broken")
    }),
    message: Effect.fnUntraced(function*(connection, message) {
      switch (message._tag) {
        case "Speak": {
          const { id, labels, state, user = null } = connection
          return yield* room.broadcast(
            Told.cases.Heard.make({ connection: id, user, labels, note: state.note, text: message.text })
          )
        }
        case "Note":
          return yield* room.setState(connection.id, { note: message.note })
        case "Close": {
          const target = (yield* room.connections()).find(({ id }) => id === message.connection) ?? connection
          return yield* room.close(target.id, { code: message.code, reason: message.reason })
        }
        case "Hold":
          return yield* Effect.sleep(message.milliseconds)
        case "Fail":
          return yield* Effect.fail("the handler is broken")
        case "Die":
          return yield* Effect.die(new Error("the handler is very broken"))
      }
    }),
    alarm: Effect.suspend(() => room.broadcast(Told.cases.Rang.make({}))),
    close: Effect.fnUntraced(function*(connection, close) {
      yield* room.broadcast(Told.cases.Closed.make({
        connection: connection.id,
        note: connection.state.note,
        ...close,
        connections: yield* room.count()
      }))
    })
  }
}))
