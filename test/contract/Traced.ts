/**
 * A room whose app brings a tracer that writes down what it is asked for.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Room from "../../src/services/Room.ts"

export interface Seen {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parent: string | undefined
  readonly links: ReadonlyArray<string>
  readonly attributes: Readonly<Record<string, unknown>>
  readonly outcome: "Success" | "Failure"
}

/** The spans that have ended, in that order. */
export const seen: Array<Seen> = []

export const TracerLive = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (time, exit) => {
        end(time, exit)
        const { attributes, links, name, parent, spanId, traceId } = span
        seen.push({
          name,
          traceId,
          spanId,
          parent: parent._tag === "Some" ? parent.value.spanId : undefined,
          links: links.map(({ span }) => span.spanId),
          attributes: Object.fromEntries(attributes),
          outcome: exit._tag
        })
      }
      return span
    }
  })
)

export const Traced = Room.make("traced", {
  receive: Schema.String,
  send: Schema.String,
  methods: [Rpc.make("spanName", { success: Schema.String })]
})

const HandlersLive = Traced.toLayer(Effect.gen(function*() {
  const room = yield* Traced
  const alarm = yield* Alarm.Alarm
  return {
    message: Effect.fnUntraced(function*({ id }, text) {
      if (text === "fail") return yield* Effect.fail("the handler is broken")
      if (text === "ring") return yield* alarm.set(0)
      yield* Effect.withSpan(room.send(id, text), "own")
    }),
    methods: {
      spanName: () => Effect.map(Effect.orDie(Effect.currentSpan), ({ name }) => name)
    }
  }
}))

export const TracedLive = Layer.merge(HandlersLive, TracerLive)
export const UntracedLive = HandlersLive
