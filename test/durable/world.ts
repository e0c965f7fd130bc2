/**
 * The real runtime as the world of a contract suite, seen from inside it.
 */
import { evictDurableObject, runInDurableObject } from "cloudflare:test"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Claims from "../../src/domain/Claims.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as RequestClaims from "../../src/durable/RequestClaims.ts"
import type * as RoomObject from "../../src/durable/RoomObject.ts"
import type * as Room from "../../src/services/Room.ts"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import { Ask, type Probe, Told } from "../contract/Probe.ts"
import type { StoredWorld } from "../contract/StoredWorld.ts"
import type { Client, Services, World } from "../contract/World.ts"

/** An object of the probe's room. */
export type Stub = DurableObjectStub

type Object = { readonly run: RoomObject.RoomObject<typeof Probe>["run"] }

const encode = Schema.encodeSync(Schema.fromJsonString(Ask))
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Told))

/** Runs an effect inside an object and keeps its typed errors. */
export const runIn = <A, E>(stub: Stub, effect: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
  Effect.flatten(Effect.promise<Exit.Exit<A, E>>(() =>
    // SAFETY: every object of this Worker is a probe's.
    runInDurableObject(stub, (room) => (room as unknown as Object).run(Effect.exit(effect)))
  ))

/** A client of an object. */
export const connect = Effect.fnUntraced(function*(
  stub: Stub,
  query = "",
  headers: Readonly<Record<string, string>> = {}
): Effect.fn.Return<Client, Problem.Problem, Scope.Scope> {
  const response = yield* Effect.promise(() =>
    stub.fetch(`https://room.invalid/${query}`, { headers: { upgrade: "websocket", ...headers } })
  )
  const socket = response.webSocket
  if (socket === null) {
    const { detail, status } = (yield* Effect.promise(() => response.json())) as { detail: string; status: number }
    return yield* Problem.make(status, detail)
  }
  const frames = yield* Queue.unbounded<unknown>()
  const closes = yield* Queue.unbounded<{ readonly code: number; readonly reason: string }>()
  socket.binaryType = "arraybuffer"
  socket.addEventListener("message", ({ data }) => {
    for (const frame of typeof data === "string" ? data.split("\n") : [data]) Queue.offerUnsafe(frames, frame)
  })
  socket.addEventListener("close", ({ code, reason }) => Queue.offerUnsafe(closes, { code, reason }))
  socket.accept()
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
  return {
    send: (message) => Effect.sync(() => socket.send(encode(message))),
    sendFrame: (frame) => Effect.sync(() => socket.send(frame)),
    close: (code, reason) => Effect.sync(() => code === undefined ? socket.close() : socket.close(code, reason)),
    take: (count) =>
      Effect.map(Effect.replicateEffect(Queue.take(frames), count), (taken) => taken.map((frame) => decode(frame))),
    takeFrame: Queue.take(frames),
    // What is under way arrives before the answer to a request that is made later.
    rest: Effect.andThen(
      runIn(stub, Effect.promise(() => new Promise((done) => setTimeout(done, 20)))),
      Queue.clear(frames)
    ),
    closed: Queue.take(closes)
  }
})

/** Whether the runtime answers a heartbeat on the socket of a response. */
export const isAlive = Effect.fnUntraced(function*({ webSocket }: Response) {
  webSocket!.accept()
  const pong = new Promise((resolve) => webSocket!.addEventListener("message", ({ data }) => resolve(data)))
  webSocket!.send("ping")
  const answer = yield* Effect.promise(() => pong)
  webSocket!.close()
  return answer === "pong"
})

/** The world of one object, for the contracts of stored things. Time is real. After a crash a stub is broken. */
export const stored = <R extends Room.Any>(stub: () => DurableObjectStub): StoredWorld<R> => {
  type Instance = Pick<RoomObject.RoomObject<R>, "call" | "run">
  // SAFETY: every object of this Worker is one of a room.
  const inside = <A>(use: (room: Instance) => Promise<A>): Effect.Effect<A> =>
    Effect.promise(() => runInDurableObject(stub(), (room) => use(room as unknown as Instance)))
  const pause = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))
  const evicted = (webSockets: "close" | "hibernate") =>
    Effect.promise(async () => {
      await runInDurableObject(stub(), () => {})
      await evictDurableObject(stub(), { webSockets })
    })
  return {
    run: <A, E>(effect: Effect.Effect<A, E, RoomRuntime.Services<R>>) =>
      Effect.flatten(inside<Exit.Exit<A, E>>((room) => room.run(Effect.exit(effect)))),
    connect: Effect.fnUntraced(function*(query = "", claims = Claims.none) {
      const request = new Request(`https://room.invalid/${query}`, { headers: { upgrade: "websocket" } })
      const response = yield* Effect.promise(() => stub().fetch(RequestClaims.attach(request, claims)))
      const socket = response.webSocket
      if (socket === null) {
        const { detail, status } = (yield* Effect.promise(() => response.json())) as { detail: string; status: number }
        return yield* Problem.make(status, detail)
      }
      const texts: Array<string> = []
      socket.addEventListener("message", ({ data }) => {
        texts.push(String(data))
      })
      let closed: { readonly code: number; readonly reason: string } | undefined
      socket.addEventListener("close", ({ code, reason }) => {
        closed = { code, reason }
      })
      socket.accept()
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
      return {
        send: (text: string) => Effect.andThen(Effect.sync(() => socket.send(JSON.stringify(text))), pause(20)),
        sendFrame: (frame: string) => Effect.andThen(Effect.sync(() => socket.send(frame)), pause(20)),
        received: Effect.andThen(pause(20), Effect.sync(() => texts.splice(0))),
        close: Effect.andThen(Effect.sync(() => socket.close(1000)), pause(20)),
        // From inside there is no other way to break off.
        drop: Effect.andThen(Effect.sync(() => socket.close()), pause(20)),
        closed: Effect.andThen(pause(20), Effect.sync(() => closed))
      }
    }),
    call: (method, payload = "") => inside((room) => room.call(method, payload)),
    elapse: (millis) => pause(millis + 20),
    evict: evicted("hibernate"),
    crash: evicted("close")
  }
}

/** The world of one object. */
export const make = (stub: Stub): World => ({
  connect: (query) => connect(stub, query),
  run: (effect) => runIn(stub, effect),
  socket: Effect.sync(() => new WebSocketPair()[1]),
  evict: Effect.promise(async () => {
    // An object that sleeps already, or was never there, cannot be put to sleep.
    await runInDurableObject(stub, () => {})
    await evictDurableObject(stub)
  })
})
