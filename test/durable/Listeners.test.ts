import { assert, it } from "@effect/vitest"
import { env, exports } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { Ask } from "../contract/Probe.ts"
import { contract } from "../contract/suite.ts"
import * as World from "./world.ts"

const { Close, Speak } = Ask.cases

let rooms = 0

contract({
  name: "over listeners, in workerd",
  sleeps: false,
  world: Effect.sync(() => World.make(env.AWAKE.getByName(`contract-${rooms++}`)))
})

// SAFETY: the Worker answers `fetch` as an object does, and no more is asked of it here.
const { default: worker } = exports as unknown as { readonly default: World.Stub }

it.effect("a plain Worker may serve a room to each client (LS-1, LC-9)", () =>
  Effect.gen(function*() {
    const [ada, bob] = [yield* World.connect(worker, "own?note=ada"), yield* World.connect(worker, "own?note=bob")]
    yield* ada.take(1)
    yield* bob.take(1)
    for (const client of [ada, bob]) yield* client.send(Speak.make({ text: "anybody?" }))
    const [inAda] = yield* ada.take(1)
    const [inBob] = yield* bob.take(1)
    assert.deepStrictEqual([inAda, inBob].map((heard) => heard?._tag === "Heard" && heard.note), ["ada", "bob"])
    yield* ada.close(4000, "bye")
    assert.deepStrictEqual(yield* ada.closed, { code: 4000, reason: "bye" })
    yield* bob.send(Close.make({ connection: "me", code: 4001, reason: "enough" }))
    assert.deepStrictEqual(yield* bob.closed, { code: 4001, reason: "enough" })
    const problem = yield* Effect.flip(World.connect(worker, "own?refuse=403"))
    assert.deepStrictEqual([problem.status, problem.detail], [403, "Not you."])
  }))

it.effect("in a plain Worker a request cannot reach the sockets of another (LS-1)", () =>
  Effect.gen(function*() {
    const ada = yield* World.connect(worker, "own")
    yield* ada.take(1)
    const reached = yield* Effect.promise(async () =>
      (await worker.fetch("https://room.invalid/reach")).json<{ delivered: number; failed: number }>()
    )
    assert.deepStrictEqual(reached, { delivered: 0, failed: 1 })
    yield* ada.send(Speak.make({ text: "still here" }))
    assert.strictEqual((yield* ada.take(1))[0]?._tag, "Heard")
  }))

it.effect("the examples of WorkerRoom echo, to all in an object and to oneself in a plain Worker (EX-2)", () =>
  Effect.gen(function*() {
    const object = env.ECHO.getByName("room")
    const [ada, bob] = [yield* World.connect(object), yield* World.connect(object)]
    const alone = yield* World.connect(worker, "echo")
    for (const client of [ada, alone]) yield* client.sendFrame("hi")
    for (const client of [ada, bob, alone]) assert.strictEqual(yield* client.takeFrame, "hi")
  }))
