import { assert, it } from "@effect/vitest"
import { evictDurableObject, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Problem from "../../src/domain/Problem.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as Sleep from "../../src/durable/Sleep.ts"
import * as Inspector from "../../src/inspector/Inspector.ts"
import * as InspectorRoom from "../../src/inspector/InspectorRoom.ts"
import { Glass } from "../contract/Glass.ts"
import { contract } from "../contract/inspector.ts"
import { type GlassInspector, type GlassRoom, lives } from "./worker.ts"

let worlds = 0

const pass = (millis: number) => Effect.promise(() => new Promise((resume) => setTimeout(resume, millis)))

const connect = Effect.fnUntraced(function*(stub: DurableObjectStub, query = "") {
  const response = yield* Effect.promise(() =>
    stub.fetch(`https://room.invalid/${query}`, { headers: { upgrade: "websocket" } })
  )
  const { webSocket } = response
  if (webSocket === null) return yield* Problem.make(response.status, yield* Effect.promise(() => response.text()))
  const texts: Array<string> = []
  webSocket.addEventListener("message", ({ data }) => void texts.push(String(data)))
  webSocket.accept()
  yield* Effect.addFinalizer(() => Effect.sync(() => webSocket.close()))
  return { webSocket, texts }
})

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(InspectorRoom.InspectorRoom.send))

const glassSleeps = (stub: DurableObjectStub<GlassRoom>) =>
  Sleep.assertSleeps({
    evict: () => evictDurableObject(stub),
    awake: () => runInDurableObject(stub, Sleep.awake)
  })

const inspectorSleeps = (stub: DurableObjectStub<GlassInspector>) =>
  Sleep.assertSleeps({
    evict: () => evictDurableObject(stub),
    awake: () => runInDurableObject(stub, Sleep.awake)
  })

const rooms = DurableRooms.make(Glass, env.GLASS)

contract(
  "in workerd",
  Effect.sync(() => {
    const room = `glass-${worlds++}`
    const glass = env.GLASS.getByName(room)
    const inspector = env.GLASS_INSPECTOR.getByName(room)
    return {
      rooms,
      room,
      enter: Effect.fnUntraced(function*(query) {
        const { webSocket } = yield* connect(glass, query)
        return {
          send: (frame) => Effect.andThen(Effect.sync(() => webSocket.send(frame)), pass(30)),
          close: (code, reason) => Effect.andThen(Effect.sync(() => webSocket.close(code, reason)), pass(30))
        }
      }),
      watch: Effect.gen(function*() {
        const { texts, webSocket } = yield* Effect.orDie(connect(inspector))
        return {
          taken: Effect.andThen(pass(50), Effect.sync(() => texts.splice(0).map((text) => decode(text)))),
          leave: Effect.andThen(Effect.sync(() => webSocket.close(1000)), pass(30))
        }
      }),
      sleep: Effect.orDie(glassSleeps(glass)),
      sleepInspector: Effect.orDie(inspectorSleeps(inspector)),
      elapse: pass,
      now: Effect.sync(() => Date.now())
    }
  })
)

it.live("looking keeps nothing awake, and wakes nothing (IN-7)", () =>
  Effect.gen(function*() {
    const room = "looked-at"
    const [glass, inspector] = [env.GLASS.getByName(room), env.GLASS_INSPECTOR.getByName(room)]
    const ada = yield* connect(glass, "?name=ada")
    const page = yield* connect(inspector)
    const first = yield* Inspector.look(rooms, room)
    ada.webSocket.send(`{"say":"hi"}`)
    yield* pass(100)
    assert.include(page.texts.join(), "Received")
    // Both sleep, with a page that looks and a client that is silent.
    yield* glassSleeps(glass)
    yield* inspectorSleeps(inspector)
    const before = lives.get(room)
    // The page's heartbeat is answered by the runtime, the client's too.
    for (let beat = 0; beat < 20; beat++) {
      page.webSocket.send("ping")
      ada.webSocket.send("ping")
      yield* pass(50)
    }
    assert.include(page.texts.join(), "pong")
    assert.strictEqual(lives.get(room), before)
    for (const stub of [glass, inspector]) {
      assert.match(yield* Effect.promise(() => evictDurableObject(stub).then(String, String)), /not currently running/)
    }
    // What woke it since then is this look alone.
    const { connections, wakes } = yield* Inspector.inspect(rooms, room)
    const countOf = (cause: string) => wakes.by.find((by) => by.cause === cause)?.count ?? 0
    assert.deepStrictEqual([countOf("connect"), countOf("message"), countOf("inspection")], [1, 0, 1])
    assert.isAtLeast(connections[0]!.answeredAt!, first.at)
    assert.strictEqual(connections[0]!.waiting, 0)
    yield* glassSleeps(glass)
    yield* inspectorSleeps(inspector)
    // A message wakes it once, the page hears of it, and both sleep again.
    page.texts.length = 0
    ada.webSocket.send(`{"say":"hi"}`)
    yield* pass(100)
    assert.include(page.texts.join(), `{"_tag":"Woke"`)
    yield* glassSleeps(glass)
    yield* inspectorSleeps(inspector)
    assert.strictEqual(lives.get(room), before! + 2)
  }))
