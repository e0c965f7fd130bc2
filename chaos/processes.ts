/**
 * The room of a chaos run in a process of its own, over TCP: in plain Node, and in workerd.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import WebSocket from "ws"
import { toAnswer } from "./memory.ts"
import * as servers from "./servers.ts"
import { type Client, type Kind, Unanswered, type World } from "./World.ts"

/** How long an answer may take on a busy machine, in milliseconds. */
const answerTime = 20_000

const asked = <A>(what: string, ask: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, Unanswered> =>
  Effect.tryPromise({
    try: (signal) => ask(AbortSignal.any([signal, AbortSignal.timeout(answerTime)])),
    catch: (cause) => new Unanswered({ what: `${what} (${cause instanceof Error ? cause.message : String(cause)})` })
  })

const sleep = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))

const connectTo = async (port: number, query: string, signal: AbortSignal): Promise<Client> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${query}`)
  socket.on("error", () => undefined)
  const waiting = new Set<(message: any) => void>()
  socket.on("message", (data) => {
    const message: unknown = JSON.parse(String(data))
    for (const tell of waiting) tell(message)
  })
  const { promise: closed, resolve: close } = Promise.withResolvers<number>()
  socket.on("close", close)
  // Rejects when the connection ends before such a message has come.
  const message = async (isIt: (message: any) => boolean, signal: AbortSignal): Promise<any> => {
    const { promise, reject, resolve } = Promise.withResolvers<unknown>()
    const tell = (message: unknown) => isIt(message) && resolve(message)
    const gone = () => reject(new Error("the connection is gone"))
    waiting.add(tell)
    signal.addEventListener("abort", gone)
    void closed.then(gone)
    try {
      return await promise
    } finally {
      waiting.delete(tell)
      signal.removeEventListener("abort", gone)
    }
  }
  const { id } = await message(({ _tag }) => _tag === "Welcome", signal)
  return {
    id,
    say: (said) =>
      asked(`what ${id} said`, async (signal) => {
        const heard = message((message) => message._tag === "Heard" && message.said === said, signal)
        socket.send(`${said}`)
        await heard
      }),
    leave: (code) =>
      asked(`the close of ${id}`, async (signal) => {
        socket.close(code)
        const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
        if (await Promise.race([closed, late]) === 1006) throw new Error("the connection is gone")
      }),
    vanish: Effect.sync(() => socket.terminate())
  }
}

const makeWorld = Effect.fnUntraced(function*(
  place: servers.Place,
  canSleep: boolean
): Effect.fn.Return<World, never, Scope.Scope> {
  let server = yield* Effect.promise(place.start)
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      await server.kill()
      place.remove()
    })
  )
  const post = async (path: string, body: string, signal: AbortSignal | null = null) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: "POST", body, signal })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    return text
  }
  const evict = (webSockets: "close" | "hibernate") => Effect.promise(() => post(`/evict/${webSockets}`, ""))
  const kill = Effect.promise(async () => {
    await server.kill()
    server = await place.start()
  })
  return {
    now: Effect.sync(() => Date.now()),
    sleep,
    connect: (query) => asked("a newcomer", (signal) => connectTo(server.port, query, signal)),
    call: (method, payload) =>
      Effect.flatMap(
        asked(`the call ${method}`, (signal) => post(`/call/${method}`, JSON.stringify(payload), signal)),
        (reply) => toAnswer(method, JSON.parse(reply))
      ),
    evict: canSleep ? Effect.asVoid(evict("hibernate")) : Effect.void,
    abort: canSleep ? Effect.asVoid(evict("close")) : kill,
    kill,
    hesitate: (moments) => sleep(moments / 2)
  }
})

const kindOf = (name: string, place: () => Promise<servers.Place>, canSleep: boolean): Kind => ({
  name,
  tick: 10,
  slack: 2_000,
  // Time is real: every twelfth chapter has to do.
  patience: (chapter) => chapter % 12 === 11 ? 65_000 : 3_000,
  failures: [0, 0, 0, 0, 0, 0, 1, 2],
  concurrency: 3,
  run: (use) =>
    Effect.scoped(Effect.flatMap(Effect.flatMap(Effect.promise(place), (place) => makeWorld(place, canSleep)), use))
})

/** A process of Node, whose rooms never sleep. */
export const node: Kind = kindOf("node", async () => servers.node(), false)

/** A workerd of its own: the object sleeps, or goes by itself, or with its process. */
export const workerd: Kind = kindOf("workerd", servers.workerd, true)
