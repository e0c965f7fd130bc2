import { assert, it } from "@effect/vitest"
import { evictDurableObject, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterEach, beforeEach, vi } from "vitest"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DurableDirectory from "../../src/durable/DurableDirectory.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import { contract } from "../contract/directory.ts"
import { Court, Hall } from "../contract/Hall.ts"
import { fate } from "./worker.ts"

// A directory that is away is logged.
beforeEach(() => void vi.spyOn(console, "log").mockImplementation(() => undefined))
afterEach(() => void vi.restoreAllMocks())

let worlds = 0

const pass = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))

const evicted = (stub: DurableObjectStub, webSockets: "close" | "hibernate") =>
  Effect.promise(async () => {
    await runInDurableObject(stub, () => {})
    await evictDurableObject(stub, { webSockets })
  })

contract(
  "in workerd",
  Effect.gen(function*() {
    fate.isAway = false
    const services = yield* Layer.build(
      Layer.merge(DurableRooms.layer(Hall, "HALL"), DurableRooms.layer(Court, "COURT")).pipe(
        Layer.provide(DurableDirectory.layer("DIRECTORY")),
        Layer.provide(Bindings.layer(env))
      )
    )
    const halls = Context.get(services, Rooms.key(Hall))
    const courts = Context.get(services, Rooms.key(Court))
    return {
      halls,
      courts,
      enter: (rooms, name, user = "somebody") =>
        Effect.gen(function*() {
          const room = rooms === "halls" ? halls.get(name) : courts.get(name)
          const response = yield* room.fetch(
            new Request(`https://room.invalid/?user=${user}`, { headers: { upgrade: "websocket" } })
          )
          const { webSocket } = response
          if (webSocket === null) {
            // An answer that nobody reads keeps the object awake.
            yield* Effect.promise(() => response.text())
            return undefined
          }
          webSocket.accept()
          yield* Effect.addFinalizer(() => Effect.sync(() => webSocket.close()))
          return { leave: Effect.andThen(Effect.sync(() => webSocket.close(1000)), pass(20)) }
        }),
      prefix: `w${worlds++}`,
      now: Effect.sync(() => Date.now()),
      elapse: pass,
      evict: (name) => evicted(env.HALL.getByName(name), "hibernate"),
      crash: (name) => evicted(env.HALL.getByName(name), "close"),
      crashDirectory: Effect.forEach(
        Array.from({ length: 16 }, (_, shard) => shard),
        (shard) => evicted(env.DIRECTORY.getByName(`${Hall.key}/${shard}`), "close"),
        { discard: true }
      ),
      fate
    }
  })
)

it.effect("a namespace that gives no object is a directory that does not answer (DR-7)", () =>
  Effect.gen(function*() {
    const { list, put } = DurableDirectory.make({
      getByName: (): unknown => {
        throw new TypeError("There is no binding.")
      }
    })
    for (const call of [put("d", "a", 1), list("d", {}, () => Effect.succeed({ connections: 1 }))]) {
      assert.strictEqual((yield* Effect.flip(call))._tag, "DirectoryUnavailable")
    }
  }))
