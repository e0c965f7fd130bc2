import { assert, it } from "@effect/vitest"
import { evictDurableObject, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as RoomRuntime from "../../src/services/RoomRuntime.ts"
import * as Storage from "../../src/services/Storage.ts"
import { contract, type DeadlinesWorld } from "../contract/deadlines.ts"
import { Diary, ran } from "../contract/Diary.ts"
import type { DiaryRoom, Env } from "./worker.ts"

let rooms = 0

const makeWorld = Effect.sync(() => {
  // SAFETY: the bindings are those of this folder's wrangler.toml.
  const stub = (env as unknown as Env).DIARY.getByName(`deadlines-${rooms++}`)
  const run: DeadlinesWorld["run"] = <A, E>(effect: Effect.Effect<A, E, RoomRuntime.Services<typeof Diary>>) =>
    Effect.flatten(Effect.promise<Exit.Exit<A, E>>(() =>
      // SAFETY: it is an object of that class.
      runInDurableObject(stub, (room) => (room as unknown as DiaryRoom).run(Effect.exit(effect)))
    ))
  const evicted = (webSockets: "close" | "hibernate") =>
    Effect.promise(async () => {
      await runInDurableObject(stub, () => {})
      await evictDurableObject(stub, { webSockets })
    })
  const world: DeadlinesWorld = {
    run,
    connect: Effect.promise(async () => {
      const { webSocket } = await stub.fetch("https://room.invalid/", { headers: { upgrade: "websocket" } })
      webSocket!.accept()
      return webSocket!
    }).pipe(Effect.map((socket) => ({
      send: (text: string) => Effect.andThen(Effect.sync(() => socket.send(JSON.stringify(text))), arrived),
      close: Effect.andThen(Effect.sync(() => socket.close(1000)), arrived)
    }))),
    elapse: (millis) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis + 20))),
    evict: evicted("hibernate"),
    crash: evicted("close")
  }
  // What was sent has been handled by then.
  const arrived = Effect.promise(() => new Promise((resume) => setTimeout(resume, 20)))
  return world
})

contract("in workerd", makeWorld)

it.effect("an alarm that wakes a room fires once (DL-1)", () =>
  Effect.gen(function*() {
    const { elapse, evict, run } = yield* makeWorld
    yield* run(Diary.use(({ deadlines }) => deadlines.count.set("a", "100 millis", 1)))
    yield* evict
    yield* elapse(300)
    assert.deepStrictEqual((yield* run(ran)).map(({ what }) => what), ["count a 1"])
    assert.deepStrictEqual(yield* run(Storage.exec("SELECT * FROM dormouse_deadlines")), [])
  }))
