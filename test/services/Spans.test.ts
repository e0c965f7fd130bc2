import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import * as Spans from "../../src/services/Spans.ts"

const traceId = "0123456789abcdef0123456789abcdef"
const spanId = "0123456789abcdef"

type Asked = Parameters<Tracer.Tracer["span"]>[0]

// A tracer that says what it was asked for, and how its spans ended.
const makeTracer = () => {
  const asked: Array<Asked> = []
  const ended: Array<readonly [time: bigint, exit: Exit.Exit<unknown, unknown>]> = []
  const attributes = new Map<string, unknown>()
  const tracer = Tracer.make({
    span: (options) => {
      asked.push(options)
      const span = new Tracer.NativeSpan(options)
      const { attribute, end } = span
      return Object.assign(span, {
        attribute: (key: string, value: unknown) => {
          attributes.set(key, value)
          attribute.call(span, key, value)
        },
        end: (time: bigint, exit: Exit.Exit<unknown, unknown>) => {
          ended.push([time, exit])
          end.call(span, time, exit)
        }
      })
    }
  })
  return { asked, ended, attributes, tracer }
}

const asked = (caller: string | null | undefined, opened?: string) => {
  const { asked: [span], tracer } = (() => {
    const made = makeTracer()
    Effect.runSync(Spans.within(made.tracer, "event", { attributes: {}, caller, opened }, Effect.void))
    return made
  })()
  return { span: span!, tracer }
}

it.effect("a span has its event's name, attributes, times and outcome, and is around the effect (TR-1)", () =>
  Effect.gen(function*() {
    const { asked, attributes, ended, tracer } = makeTracer()
    yield* TestClock.adjust("3 seconds")
    const effect = Effect.gen(function*() {
      yield* TestClock.adjust("2 seconds")
      return yield* Spans.current
    })
    const origin = { attributes: { room: "lobby", connection: "1" } }
    const inside = yield* Spans.within(tracer, "Room.message", origin, effect)
    const failing = yield* Effect.exit(Spans.within(tracer, "Room.close", origin, Effect.fail("no")))
    assert.deepStrictEqual(failing, Exit.fail("no"))
    assert.deepStrictEqual(asked.map(({ kind, name, startTime }) => [name, kind, startTime]), [
      ["Room.message", "server", 3_000_000_000n],
      ["Room.close", "server", 5_000_000_000n]
    ])
    assert.deepStrictEqual(Object.fromEntries(attributes), origin.attributes)
    assert.match(inside!, /^00-[\da-f]{32}-[\da-f]{16}-01$/)
    assert.deepStrictEqual(ended, [[5_000_000_000n, Exit.succeed(inside)], [5_000_000_000n, Exit.fail("no")]])
    assert.isUndefined(yield* Spans.current)
  }))

it("a span's parent is the caller's, as it travels, and it is sampled where the caller's is (TR-2)", () => {
  for (const [flags, sampled] of [["01", true], ["00", false], ["03", true], ["0f", true], ["0e", false]] as const) {
    const { span } = asked(`00-${traceId}-${spanId}-${flags}`)
    assert.deepInclude(Option.getOrThrow(span.parent), { _tag: "ExternalSpan", traceId, spanId, sampled })
    assert.deepStrictEqual([span.root, span.sampled, span.links], [false, sampled, []])
  }
})

it("what is no trace of a caller's begins one of its own (TR-2)", () => {
  for (
    const text of [
      undefined,
      null,
      "",
      `00-${traceId}-${spanId}`,
      `01-${traceId}-${spanId}-01`,
      `x00-${traceId}-${spanId}-01`,
      `00-${traceId}-${spanId}-01x`,
      `00-${traceId}0-${spanId}-01`,
      `00-${traceId.slice(1)}-${spanId}-01`,
      `00-${traceId}-${spanId.slice(1)}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${traceId}-${spanId}-x1`,
      `00-${traceId}-${spanId}-0x`
    ]
  ) {
    const { span } = asked(text)
    assert.isTrue(Option.isNone(span.parent), String(text))
    assert.deepStrictEqual([span.root, span.sampled, span.links], [true, true, []])
  }
})

it("a span links to the one that its connection was opened in (TR-3)", () => {
  const { span } = asked(undefined, `00-${traceId}-${spanId}-00`)
  assert.isTrue(Option.isNone(span.parent))
  assert.strictEqual(span.links.length, 1)
  assert.deepInclude(span.links[0]!.span, { _tag: "ExternalSpan", traceId, spanId, sampled: false })
  assert.deepStrictEqual(span.links[0]!.attributes, {})
})

it("a span travels as a traceparent, and says whether it is sampled (TR-2)", () => {
  for (const [sampled, flags] of [[true, "01"], [false, "00"]] as const) {
    const span = Tracer.externalSpan({ traceId, spanId, sampled })
    assert.strictEqual(Spans.spanOf(Context.make(Tracer.ParentSpan, span)), `00-${traceId}-${spanId}-${flags}`)
  }
  assert.isUndefined(Spans.spanOf(Context.empty()))
  assert.isUndefined(Spans.tracerOf(Context.empty()))
  const { tracer } = makeTracer()
  assert.strictEqual(Spans.tracerOf(Context.make(Tracer.Tracer, tracer)), tracer)
})
