/**
 * Spans of what a room does, if its app brings a tracer: `Room.connect`, `Room.message`, `Room.close`, `Room.alarm` and
 * `Room.call`, and `Rooms.call` on the side of a caller.
 *
 * A trace travels as a `traceparent` of W3C Trace Context: from a caller to the room, and in the attachment of a
 * connection. So the spans of its messages link to the span in which it was opened, also after a sleep.
 *
 * The tracer is called directly. `Effect.withSpan` would bring a tracer of its own, and add 2 KiB to a Worker without
 * one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"

// The keys of `effect/Tracer`. Its module is in the Worker only if an app brings a tracer.
const tracerKey: typeof Tracer.TracerKey = "effect/Tracer"
const parentKey: typeof Tracer.ParentSpanKey = "effect/Tracer/ParentSpan"
const Parent = Context.Service<Tracer.ParentSpan, Tracer.AnySpan>(parentKey, { fiberCached: true })

/** The tracer that an app has brought; `undefined` if there is none. */
export const tracerOf = (services: Context.Context<never>): Tracer.Tracer | undefined =>
  services.mapUnsafe.get(tracerKey)

/** Where a span comes from. */
export interface Origin {
  readonly attributes: Readonly<Record<string, unknown>>
  /** The caller's span, as it travels. A span that happens to run around an event is not its parent. */
  readonly caller?: string | null | undefined
  /** The span that the connection was opened in, as it travels. */
  readonly opened?: string | undefined
}

/** Runs an effect in a span of a tracer. */
export const within = <A, E, R>(
  tracer: Tracer.Tracer,
  name: string,
  { attributes, caller, opened }: Origin,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    const parent = fromTraceparent(caller)
    const opening = fromTraceparent(opened)
    const span = tracer.span({
      name,
      parent: parent === undefined ? Option.none() : Option.some(parent),
      annotations: Context.empty(),
      links: opening === undefined ? [] : [{ span: opening, attributes: {} }],
      startTime: clock.currentTimeNanosUnsafe(),
      kind: "server",
      root: parent === undefined,
      sampled: parent?.sampled ?? true
    })
    for (const [key, value] of Object.entries(attributes)) span.attribute(key, value)
    return Effect.onExitPrimitive(Effect.provideService(effect, Parent, span), (exit) => {
      span.end(clock.currentTimeNanosUnsafe(), exit)
      return undefined
    }) as Effect.Effect<A, E, R>
  })

/** The span that runs in a context, as it travels; `undefined` if there is none. */
export const spanOf = (services: Context.Context<never>): string | undefined => {
  const span: Tracer.AnySpan | undefined = services.mapUnsafe.get(parentKey)
  return span && toTraceparent(span)
}

/** The span that runs, as it travels; `undefined` if there is none. */
export const current: Effect.Effect<string | undefined> = Effect.withFiber(({ context }) =>
  Effect.succeed(spanOf(context))
)

const toTraceparent = ({ sampled, spanId, traceId }: Tracer.AnySpan): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`

const fromTraceparent = (text: string | null | undefined): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, sampled] = /^00-([\da-f]{32})-([\da-f]{16})-\d([\da-f])$/.exec(text ?? "") ?? []
  return traceId === undefined || spanId === undefined ? undefined : {
    _tag: "ExternalSpan",
    traceId,
    spanId,
    sampled: (Number.parseInt(sampled!, 16) & 1) === 1,
    annotations: Context.empty()
  }
}
