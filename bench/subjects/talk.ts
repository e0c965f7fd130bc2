import * as Schema from "effect/Schema"
import * as Room from "../../src/services/Room.ts"

/** The room that clients are compared in. It says as much as it is asked for, and takes what it is told. */
export const Talk = Room.make("talk", {
  receive: Schema.TaggedUnion({
    Say: { text: Schema.String, at: Schema.Finite },
    Count: {},
    Talk: { text: Schema.String, messages: Schema.Int }
  }),
  send: Schema.TaggedUnion({
    Said: { text: Schema.String, at: Schema.Finite },
    Counted: { count: Schema.Int }
  })
})
