/**
 * A room that keeps a journal, and writes down who has opened and who has closed.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Journal from "../../src/services/Journal.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

export const Ledger = Room.make("ledger", {
  receive: Schema.String,
  send: Schema.String,
  state: Schema.Struct({ name: Schema.String, at: Schema.Date }),
  journal: true
})

const table = Storage.exec("CREATE TABLE IF NOT EXISTS ledger (n INTEGER PRIMARY KEY, line TEXT)")

const write = (line: string) => Effect.andThen(table, Storage.exec("INSERT INTO ledger (line) VALUES (?)", line))

/** What was written, in order. */
export const lines = Effect.andThen(
  table,
  Effect.map(
    Storage.exec<{ readonly line: string }>("SELECT line FROM ledger ORDER BY n"),
    (rows) => rows.map(({ line }) => line)
  )
)

const at = new Date(86_400_000)

export const LedgerLive = Ledger.toLayer(Effect.gen(function*() {
  const room = yield* Ledger
  return {
    connect: ({ url }) => {
      const query = new URL(url).searchParams
      return Effect.succeed({
        state: { name: query.get("name") ?? "somebody", at },
        user: query.get("user") ?? undefined,
        labels: query.getAll("label")
      })
    },
    open: ({ id, state: { name } }) =>
      name === "broken"
        ? Effect.fail("broken")
        : name.startsWith("renamed")
        ? room.setState(id, { name: `${name} in open`, at })
        : Effect.void,
    message: ({ id }, name) => room.setState(id, { name, at }),
    close: Effect.fnUntraced(function*({ labels, state, user }, { code, wasClean }) {
      const { name } = state
      yield* write(`${name} ${user ?? "-"} ${labels.join()} ${code} ${wasClean} ${state.at.getTime()}`)
      if (name === "fails") return yield* Effect.fail("as it should")
      if (name === "hangs") return yield* Effect.never
    })
  }
})).pipe(Layer.provide(Journal.layer))
