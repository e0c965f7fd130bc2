/**
 * A guestbook that everybody who looks at it can sign: what is signed is written down, and told to all.
 */
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Claims from "../../../src/domain/Claims.ts"
import * as Room from "../../../src/services/Room.ts"
import { Entries, Entry } from "./Entries.ts"

export const Signed = Schema.TaggedStruct("Signed", { entry: Entry })
export const Announced = Schema.TaggedStruct("Announced", { text: Schema.String })

export const Guestbook = Room.make("guestbook", {
  receive: Schema.Struct({ sign: Schema.NonEmptyString }),
  send: Schema.Union([Signed, Announced]),
  state: Schema.Struct({ name: Schema.String }),
  methods: [
    Rpc.make("looking", { success: Schema.Array(Schema.String) }),
    Rpc.make("entries", { success: Schema.Array(Entry) })
  ]
})

export const GuestbookLive = Guestbook.toLayer(Effect.gen(function*() {
  const book = yield* Guestbook
  const entries = yield* Entries
  return {
    connect: (request) => Effect.succeed({ state: { name: Claims.get(request, "name") ?? "somebody" } }),
    message: Effect.fnUntraced(function*({ state: { name } }, { sign }) {
      const entry = new Entry({ name, text: sign })
      yield* entries.add(book.name, entry)
      yield* book.broadcast(Signed.make({ entry }))
    }),
    methods: {
      looking: () =>
        book.connections().pipe(
          Effect.map((connections) => connections.map(({ state: { name } }) => name)),
          Effect.orDie
        ),
      entries: () => Effect.orDie(entries.list(book.name))
    }
  }
}))
