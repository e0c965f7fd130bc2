import { assert, it } from "@effect/vitest"
import { evictDurableObject, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import type * as Room from "../../src/services/Room.ts"
import { Lobby } from "../contract/Lobby.ts"
import { contract } from "../contract/rooms.ts"
import { logged } from "./logged.ts"

const lines = logged()

let names = 0

contract(
  "rooms in workerd",
  Effect.sync(() => ({
    // SAFETY: the service is that of the definition.
    rooms: (room: Room.Any) => DurableRooms.make(room, env.LOBBY as DurableRooms.Namespace) as any,
    broken: DurableRooms.make(Lobby, env.BROKEN_LOBBY),
    client: (response) =>
      Effect.gen(function*() {
        const socket = response.webSocket!
        const received: Array<unknown> = []
        const closed = new Promise<{ readonly code: number; readonly reason: string }>((resolve) => {
          socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }))
        })
        socket.addEventListener("message", ({ data }) => {
          received.push(JSON.parse(String(data)))
        })
        socket.accept()
        yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
        return {
          send: (frame) => Effect.sync(() => socket.send(frame)),
          received: Effect.promise(async () => {
            await new Promise((done) => setTimeout(done, 20))
            return received.splice(0)
          }),
          closed: Effect.promise(() => closed)
        }
      }),
    name: Effect.sync(() => `lobby-${names++}`),
    evict: (name) =>
      Effect.promise(async () => {
        const stub = env.LOBBY.getByName(name)
        await runInDurableObject(stub, () => {})
        await evictDurableObject(stub)
      })
  }))
)

it.effect("an app's layer is built from the object's environment: variables, secrets, bindings (AP-1)", () =>
  Effect.gen(function*() {
    // A JSON variable of 7 coins, a secret of 3 characters, an id of 64.
    const rich = DurableRooms.make(Lobby, env.RICH_LOBBY).get("rich")
    assert.strictEqual(yield* rich.earn({ coins: 0 }), 7 + 3 + 64)
    const thrifty = DurableRooms.make(Lobby, env.THRIFTY_LOBBY).get("thrifty")
    assert.strictEqual(yield* thrifty.earn({ coins: 0 }), 3)
  }))

it.effect("a room that does not start says why in its log (LC-5)", () =>
  Effect.gen(function*() {
    yield* Effect.flip(DurableRooms.make(Lobby, env.BROKEN_LOBBY).get("log").earn({ coins: 1 }))
    assert.match(lines.join(), /The room could not be started.*the purse is lost/)
  }))

it.effect("who comes while the app's layer is built waits for it, and learns where it fails (AP-2, LC-5)", () =>
  Effect.gen(function*() {
    const slow = DurableRooms.make(Lobby, env.SLOW_LOBBY)
    const upgrade = new Request("https://room.invalid/", { headers: { upgrade: "websocket" } })
    const [response, coins] = yield* Effect.all(
      [slow.get("found").fetch(upgrade), slow.get("found").earn({ coins: 1 })],
      { concurrency: "unbounded" }
    )
    assert.strictEqual(response.status, 101)
    response.webSocket!.accept()
    assert.strictEqual(coins, 4)
    // Nothing of the start is left that would hold the object awake.
    yield* Effect.promise(() => evictDurableObject(env.SLOW_LOBBY.getByName("found")))
    assert.strictEqual(yield* slow.get("found").earn({ coins: 1 }), 4)
    assert.strictEqual((yield* slow.get("lost").fetch(upgrade)).status, 503)
    assert.strictEqual((yield* Effect.flip(slow.get("lost").earn({ coins: 1 }))).reason._tag, "NotReady")
    assert.match(lines.join(), /the purse is lost/)
  }))

it.effect("a call in flight ends at once when the object goes away, and the next one finds a fresh one (RO-10)", () =>
  Effect.gen(function*() {
    const room = DurableRooms.make(Lobby, env.LOBBY).get("crash")
    yield* room.earn({ coins: 5 })
    const call = yield* Effect.forkChild(room.sleep({ milliseconds: 600_000 }), { startImmediately: true })
    yield* Effect.promise(() => new Promise((done) => setTimeout(done, 50)))
    // SAFETY: every object of the namespace is a `LobbyRoom`.
    const stub = env.LOBBY.getByName("crash") as unknown as { crash(): Promise<void> }
    yield* Effect.promise(() => stub.crash().catch(() => undefined))
    const error = yield* Effect.flip(Fiber.join(call))
    assert.strictEqual(error.reason._tag, "Unreachable")
    assert.strictEqual(yield* room.earn({ coins: 1 }), 1)
  }))

// A namespace whose objects answer one call after the other.
const failing = (...answers: ReadonlyArray<object | string>) => {
  let stubs = 0
  let calls = 0
  const namespace: DurableRooms.Namespace = {
    getByName: () => {
      stubs++
      return {
        call: async () => {
          const answer = answers[calls++]
          if (typeof answer === "string") return answer
          throw Object.assign(new Error("The runtime says no."), answer)
        }
      }
    }
  }
  return { room: DurableRooms.make(Lobby, namespace).get("lobby"), seen: () => ({ stubs, calls }) }
}

const outcome = Effect.fnUntraced(function*({ room, seen }: ReturnType<typeof failing>) {
  const call = yield* Effect.forkChild(Effect.result(room.earn({ coins: 1 })), { startImmediately: true })
  yield* Effect.promise(() => new Promise((done) => setTimeout(done, 5)))
  for (let step = 0; step < 5; step++) {
    yield* TestClock.adjust("1 second")
    yield* Effect.promise(() => new Promise((done) => setTimeout(done, 5)))
  }
  const result = yield* Fiber.join(call)
  if (result._tag === "Success") return { result: result.success, ...seen() }
  return { result: result.failure.reason._tag, ...seen() }
})

it.effect("what is no reply of a room is a typed error (RO-7)", () =>
  Effect.gen(function*() {
    for (
      const reply of ["", "no JSON", "null", "{}", `{"_tag":"Newer"}`, `{"_tag":"Refused","reason":{"_tag":"Newer"}}`]
    ) {
      assert.strictEqual((yield* outcome(failing(reply))).result, "InvalidReply", reply)
    }
  }))

it.effect("a passing fault is tried again on a fresh stub, up to three times; no other is (RO-11)", () =>
  Effect.gen(function*() {
    const passing = { retryable: true }
    const answers = JSON.stringify({ _tag: "Success", value: 1 })
    assert.deepStrictEqual(yield* outcome(failing(answers)), { result: 1, stubs: 1, calls: 1 })
    assert.deepStrictEqual(yield* outcome(failing(passing, passing, answers)), { result: 1, stubs: 3, calls: 3 })
    assert.deepStrictEqual(yield* outcome(failing(passing, passing, passing, passing, answers)), {
      result: "Unreachable",
      stubs: 4,
      calls: 4
    })
    assert.deepStrictEqual(yield* outcome(failing({ retryable: true, overloaded: true }, answers)), {
      result: "Overloaded",
      stubs: 1,
      calls: 1
    })
    assert.deepStrictEqual(yield* outcome(failing({ remote: true }, answers)), {
      result: "Unreachable",
      stubs: 1,
      calls: 1
    })
  }))
