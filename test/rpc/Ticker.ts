/**
 * The room that the suite of RPC rooms runs: it answers calls, streams by a fiber, and pushes.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Audience from "../../src/domain/Audience.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as RpcRoom from "../../src/rpc/RpcRoom.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

/** Lets only those in whose connection has a user. */
export class Signed extends RpcMiddleware.Service<Signed, { requires: RpcRoom.Identifier<"ticker"> }>()(
  "effect-dormouse/test/rpc/Ticker/Signed",
  { error: Refused }
) {}

export const Calls = RpcGroup.make(
  Rpc.make("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  // Which waking of the object answers.
  Rpc.make("Waking", { success: Schema.Int }),
  Rpc.make("Me", {
    success: Schema.Struct({ connection: Schema.String, user: Schema.NullOr(Schema.String), note: Schema.String })
  }),
  Rpc.make("Note", { payload: { note: Schema.String } }),
  Rpc.make("Refuse", { error: Refused }),
  Rpc.make("Die", {}),
  Rpc.make("Misfit", { success: Schema.Int }),
  Rpc.make("Day", { payload: { day: Schema.Date }, success: Schema.Date }),
  Rpc.make("Wait", { payload: { milliseconds: Schema.Int }, success: Schema.String }),
  Rpc.make("Hold", {}),
  Rpc.make("Release", {}),
  Rpc.make("Never", {}),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true }),
  Rpc.make("Watch", {
    payload: { topic: Schema.optionalKey(Schema.String), first: Schema.optionalKey(Schema.Array(Schema.Int)) },
    success: Schema.Int,
    error: Refused,
    stream: true
  }),
  Rpc.make("Days", { success: Schema.Date, stream: true }),
  Rpc.make("Events", { success: Schema.String, stream: true }),
  Rpc.make("Push", {
    payload: {
      value: Schema.Finite,
      topic: Schema.optionalKey(Schema.String),
      user: Schema.optionalKey(Schema.String)
    },
    success: Schema.Struct({ delivered: Schema.Int, failed: Schema.Int }),
    error: Refused
  }),
  Rpc.make("End", { payload: { topic: Schema.optionalKey(Schema.String) }, success: Schema.Int }),
  Rpc.make("Close", {}),
  Rpc.make("Secret", { success: Schema.String }).middleware(Signed)
)

export const Ticker = RpcRoom.make("ticker", Calls, {
  state: Schema.Struct({ note: Schema.String }),
  methods: [Rpc.make("tick", { payload: { value: Schema.Int }, success: Schema.Int })]
})

const SignedLive = Layer.succeed(Signed)((handler, request) =>
  Effect.gen(function*() {
    const room = yield* Ticker
    const { user } = yield* room.caller(request)
    return user === undefined ? yield* new Refused({ why: "nobody" }) : yield* handler
  })
)

const waking = { now: 0 }

/** A ticker's URL asks for `user` and `note`, and `refuse` to be turned away. */
export const TickerLive = Ticker.toLayer(
  Effect.gen(function*() {
    const room = yield* Ticker
    const woken = ++waking.now
    const gate = Latch.makeUnsafe(false)
    const tell = (event: string) => Effect.asVoid(Effect.orDie(room.push("Events", event)))
    return {
      Echo: ({ text }) => Effect.succeed(text),
      Waking: () => Effect.succeed(woken),
      Me: (_, request) =>
        Effect.map(room.caller(request), ({ id, state, user = null }) => ({ connection: id, user, note: state.note })),
      Note: Effect.fnUntraced(function*({ note }, request) {
        const { id } = yield* room.caller(request)
        yield* Effect.orDie(room.setState(id, { note }))
      }),
      Refuse: () => Effect.fail(new Refused({ why: "because" })),
      Die: () => Effect.die(new Error("the handler is very broken")),
      Misfit: () => Effect.succeed(1.5),
      Day: ({ day }) => Effect.succeed(new Date(day.getTime() + 86_400_000)),
      Wait: ({ milliseconds }) =>
        Effect.sleep(milliseconds).pipe(
          Effect.andThen(tell("waited")),
          Effect.as("done"),
          Effect.onInterrupt(() => tell("interrupted"))
        ),
      // No timer, and nothing else that would keep the object awake by itself.
      Hold: () => Rpc.uninterruptible(Effect.andThen(gate.await, tell("released"))),
      Release: () => Effect.asVoid(gate.release),
      Never: () => Effect.onInterrupt(Effect.never, () => tell("interrupted")),
      Count: ({ to }) => Stream.range(1, to),
      Watch: ({ first, topic }, request) =>
        topic === "secret"
          ? Stream.fail(new Refused({ why: "secret" }))
          : topic === "late"
          ? Stream.concat(room.pushed(request), Stream.fail(new Refused({ why: "late" })))
          : room.pushed(request, {
            ...(topic === undefined ? {} : { topic }),
            ...(topic === "gated"
              ? { first: Effect.as(gate.await, [0]) }
              : first === undefined
              ? {}
              : { first: Effect.delay(Effect.succeed(first), first.length) })
          }),
      Days: (_, request) => room.pushed(request, { first: Effect.succeed([new Date(0)]) }),
      Events: (_, request) => room.pushed(request),
      Push: ({ topic, user, value }) =>
        Effect.mapError(
          room.push("Watch", value, { topic, to: user === undefined ? undefined : Audience.user(user) }),
          ({ reason }) => new Refused({ why: reason._tag })
        ),
      End: ({ topic }) => Effect.map(room.end("Watch", { topic }), ({ delivered }) => delivered),
      Close: (_, request) =>
        Effect.flatMap(
          room.caller(request),
          ({ id }) => Effect.orDie(room.close(id, { code: 4000, reason: "you asked for it" }))
        ),
      Secret: () => Effect.succeed("hush")
    }
  }),
  Effect.gen(function*() {
    const room = yield* Ticker
    return {
      connect: (request) => {
        const query = new URL(request.url).searchParams
        if (query.has("refuse")) return Problem.make(403, "Not you.")
        return Effect.succeed({
          state: { note: query.get("note") ?? "" },
          user: query.get("user") ?? undefined
        })
      },
      open: ({ state }) => room.push("Events", `opened ${state.note}`),
      close: ({ state }, { code }) => room.push("Events", `closed ${state.note} ${code}`),
      alarm: Effect.suspend(() => room.push("Events", "rang")),
      methods: {
        tick: ({ value }) => Effect.map(Effect.orDie(room.push("Watch", value)), ({ delivered }) => delivered)
      }
    }
  })
).pipe(Layer.provide(SignedLive))
