import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import { contract } from "../contract/spans.ts"
import { Traced } from "../contract/Traced.ts"
import type { Env } from "./worker.ts"

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { TRACED, UNTRACED } = env as unknown as Env

let rooms = 0

contract(
  "traces in workerd",
  Effect.sync(() => ({
    rooms: DurableRooms.make(Traced, TRACED),
    untraced: DurableRooms.make(Traced, UNTRACED),
    client: (response) =>
      Effect.sync(() => {
        const socket = response.webSocket!
        socket.accept()
        return {
          send: (text) => Effect.sync(() => socket.send(text)),
          close: Effect.sync(() => socket.close(1000)),
          settle: Effect.promise(() => new Promise((done) => setTimeout(done, 30)))
        }
      }),
    name: Effect.sync(() => `traced-${rooms++}`),
    evict: (name) =>
      Effect.promise(async () => {
        await runInDurableObject(TRACED.getByName(name), () => {})
        await evictDurableObject(TRACED.getByName(name))
      }),
    ring: (name) => Effect.promise(() => runDurableObjectAlarm(TRACED.getByName(name)))
  }))
)
