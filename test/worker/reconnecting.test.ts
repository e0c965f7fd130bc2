/**
 * The client against the deployed Worker over TCP, with Node's own `WebSocket`.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { suite } from "../contract/client.ts"
import { useWorker } from "./client.ts"

const worker = useWorker()

suite((title, effect) => it.live(title, effect), {
  pass: Effect.sleep(10),
  room: Effect.sync(() => {
    const room = worker.room()
    return {
      url: `http://${worker.host()}/rooms/${room}`,
      sleep: Effect.promise(() => worker.sleep(room)),
      isAsleep: Effect.promise(() => worker.isAsleep(room)),
      crash: Effect.promise(() => worker.crash(room))
    }
  })
})
