/**
 * The room of a chaos run in memory, under a clock that the run moves: hours pass at once.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../src/memory/MemoryRoom.ts"
import { Annals, AnnalsLive, bounds } from "./Annals.ts"
import * as Token from "./Token.ts"
import { type Calls, type Client, Inbox, type Kind, Refused, Unanswered, type World } from "./World.ts"

const macrotask = Effect.promise(() => new Promise((resume) => setImmediate(resume)))

/** The kind of world whose rooms have a layer: that of a room that works, unless given. */
export const make = <E>(live: Layer.Layer<never, E, MemoryRoom.Services<typeof Annals>> = AnnalsLive): Kind => ({
  name: "memory",
  tick: 500,
  // The handlers of one turn run to their end, and a crash comes between two turns.
  slack: -1,
  patience: () => 600_000,
  failures: [0, 0, 0, 0, 0, 1, 2, 7],
  shout: 10_000,
  unread: bounds.bufferBytes,
  sleepsUnread: true,
  concurrency: 1,
  run: (use) =>
    Effect.flatMap(makeWorld(live), use).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(TestClock.layer(), Logger.layer([])))
    )
})

// What a client does has ended when its handler has, which may wait for the clock.
const begun = (effect: Effect.Effect<void>) =>
  Effect.andThen(Effect.forkDetach(effect, { startImmediately: true }), macrotask)

const makeWorld = Effect.fnUntraced(function*<E>(live: Layer.Layer<never, E, MemoryRoom.Services<typeof Annals>>) {
  const room = yield* MemoryRoom.make(Annals, live, { name: "annals", ...bounds })
  const sleep = (millis: number) => Effect.andThen(TestClock.adjust(millis), macrotask)

  const connect = Effect.fnUntraced(function*(query: string): Effect.fn.Return<Client, Refused | Unanswered> {
    const claims = Token.claimsOf(`https://room.invalid/${query}`)
    const client = yield* Effect.mapError(
      room.connect(`/${query}`, { claims }),
      ({ status }) => new Refused({ status })
    )
    const inbox = new Inbox()
    const received = Effect.gen(function*() {
      for (const frame of yield* client.receivedFrames) inbox.push(String(frame))
      inbox.closed = (yield* client.closed)?.code
      return inbox
    })
    const { id } = yield* received
    if (id === undefined) return yield* new Unanswered({ what: "a newcomer" })
    return {
      id,
      send: (frame) => begun(client.sendFrame(frame)),
      received,
      leave: (code) =>
        begun(client.close(code)).pipe(
          Effect.andThen(client.closed),
          Effect.flatMap((closed) =>
            closed === undefined ? Effect.fail(new Unanswered({ what: `the close of ${id}` })) : Effect.void
          )
        ),
      vanish: begun(client.drop),
      stall: client.stall
    }
  })

  const call: World["call"] = (method, payload) =>
    Effect.flatMap(room.call(method, JSON.stringify(payload)), (reply) => toAnswer(method, JSON.parse(reply)))

  const world: World = {
    now: Clock.currentTimeMillis,
    sleep,
    connect,
    call,
    // A handler that has not ended keeps the object awake.
    evict: Effect.flatMap(room.awake, (culprits) => culprits.length === 0 ? room.evict : Effect.void),
    abort: room.crash,
    kill: room.crash,
    hesitate: (moments) => Effect.asVoid(Effect.replicateEffect(Effect.yieldNow, moments))
  }
  return world
})

/** What a reply says, or that the call was not answered. */
export const toAnswer = <Method extends keyof Calls>(
  method: Method,
  reply: { readonly _tag: string; readonly value?: unknown }
): Effect.Effect<Calls[Method][1], Unanswered> =>
  reply._tag === "Success"
    // SAFETY: it is what the method's schema encodes to, which changes nothing of it.
    ? Effect.succeed(reply.value as Calls[Method][1])
    : Effect.fail(new Unanswered({ what: `the call ${method} (${JSON.stringify(reply)})` }))
