/**
 * The room of a chaos run in a process of its own, over TCP: in plain Node, and in workerd.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import WebSocket from "ws"
import { toAnswer } from "./memory.ts"
import * as servers from "./servers.ts"
import { type Client, Inbox, type Kind, Refused, Unanswered, type World } from "./World.ts"

/** How long an answer may take on a busy machine, in milliseconds. */
const answerTime = 20_000

const asked = <A>(what: string, ask: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, Unanswered> =>
  Effect.tryPromise({
    try: (signal) => ask(AbortSignal.any([signal, AbortSignal.timeout(answerTime)])),
    catch: (cause) => new Unanswered({ what: `${what} (${cause instanceof Error ? cause.message : String(cause)})` })
  })

const sleep = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))

const connectTo = (socket: WebSocket): Effect.Effect<Client, Refused | Unanswered> => {
  const inbox = new Inbox()
  const { promise: closed, resolve: close } = Promise.withResolvers<number>()
  socket.on("error", () => undefined)
  socket.on("close", (code) => {
    inbox.closed = code
    close(code)
  })
  const clientOf = (id: Client["id"]): Client => ({
    id,
    send: (frame) => Effect.sync(() => socket.readyState === WebSocket.OPEN && socket.send(frame)),
    received: Effect.succeed(inbox),
    leave: (code) =>
      asked(`the close of ${id}`, async (signal) => {
        socket.close(code)
        const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
        if (await Promise.race([closed, late]) === 1006) throw new Error("the connection is gone")
      }),
    vanish: Effect.sync(() => socket.terminate()),
    stall: Effect.sync(() => socket.pause())
  })
  return Effect.callback<Client, Refused | Unanswered>((resume) => {
    socket.on("unexpected-response", (request, { statusCode = 0 }) => {
      request.destroy()
      resume(Effect.fail(new Refused({ status: statusCode })))
    })
    socket.on("message", (data) => {
      inbox.push(String(data))
      if (inbox.id !== undefined) resume(Effect.succeed(clientOf(inbox.id)))
    })
    void closed.then((code) => resume(Effect.fail(new Unanswered({ what: `a newcomer (${code})` }))))
  }).pipe(
    Effect.timeoutOrElse({
      duration: answerTime,
      orElse: () => Effect.fail(new Unanswered({ what: "a newcomer" }))
    })
  )
}

const makeWorld = Effect.fnUntraced(function*(
  place: servers.Place,
  canSleep: boolean
): Effect.fn.Return<World, never, Scope.Scope> {
  let server = yield* Effect.promise(place.start)
  const sockets = new Set<WebSocket>()
  // Who reads nothing would never notice.
  const end = async () => {
    await server.kill()
    for (const socket of sockets) socket.terminate()
    sockets.clear()
  }
  yield* Effect.addFinalizer(() => Effect.promise(() => end().then(place.remove)))
  const post = async (path: string, body: string, signal: AbortSignal | null = null) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method: "POST", body, signal })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    return text
  }
  const evict = (webSockets: "close" | "hibernate") => Effect.promise(() => post(`/evict/${webSockets}`, ""))
  const kill = Effect.promise(async () => {
    await end()
    server = await place.start()
  })
  return {
    now: Effect.sync(() => Date.now()),
    sleep,
    connect: (query) =>
      Effect.suspend(() => {
        // What was compressed would fill no buffer.
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/${query}`, { perMessageDeflate: false })
        sockets.add(socket)
        return connectTo(socket)
      }),
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
  // A kernel keeps some of them.
  shout: 2_000_000,
  unread: Infinity,
  sleepsUnread: false,
  concurrency: 3,
  run: (use) =>
    Effect.scoped(Effect.flatMap(Effect.flatMap(Effect.promise(place), (place) => makeWorld(place, canSleep)), use))
})

/** A process of Node, whose rooms never sleep. */
export const node: Kind = kindOf("node", async () => servers.node(), false)

/** A workerd of its own: the object sleeps, or goes by itself, or with its process. */
export const workerd: Kind = kindOf("workerd", servers.workerd, true)
