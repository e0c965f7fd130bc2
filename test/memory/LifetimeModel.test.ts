/**
 * Rooms that end, under random steps with an eviction or a crash between any two: nobody is ever in a room that has
 * retired, and what was stored is there until it has.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { generation, Inn, InnLive, retiring, told } from "../contract/Inn.ts"

const Step = Schema.Literals([
  "connect",
  "connect",
  "leave",
  "leave",
  "vanish",
  "little time",
  "much time",
  "evict",
  "crash",
  "retire fails",
  "retire succeeds",
  "destroy",
  "come while it ends"
])

// A room that has just started looks around.
const macrotask = Effect.promise(() => new Promise((resume) => setImmediate(resume)))

let rooms = 0

it.effect.prop(
  "a room ends when nobody is there, and never otherwise (LT-2)",
  [Schema.Array(Step).check(Schema.isMaxLength(40))],
  ([steps]) =>
    Effect.gen(function*() {
      const name = `model-${rooms++}`
      const room = yield* MemoryRoom.make(Inn, InnLive, { name })
      const toldHere = () => told.filter(([room]) => room === name).map(([, what]) => what)
      let clients: Array<MemoryRoom.Client<string, string>> = []
      let current = yield* room.run(generation)
      let ends = 0
      let fails = false

      // What the room says of itself agrees with who is there.
      const check = Effect.gen(function*() {
        assert.strictEqual(yield* room.run(Inn.use((inn) => inn.count())), clients.length)
        for (const what of toldHere().filter((what) => what.startsWith("retires"))) {
          assert.strictEqual(what, "retires with 0")
        }
        const now = yield* room.run(generation)
        if (now !== current) {
          ends++
          current = now
        } else if (clients.length > 0) {
          assert.strictEqual(now, current)
        }
      })

      for (const step of steps) {
        const before = current
        switch (step) {
          case "connect":
            clients.push(yield* room.connect())
            break
          case "leave":
            yield* clients.shift()?.close(1000) ?? Effect.void
            break
          case "vanish":
            yield* clients.pop()?.drop ?? Effect.void
            break
          case "little time":
            yield* TestClock.adjust(400)
            break
          case "much time":
            // A room that has failed to retire often enough tries again an hour later.
            if (!fails || clients.length > 0) yield* TestClock.adjust(100_000)
            break
          case "evict":
            yield* room.evict
            break
          case "crash":
            yield* room.crash
            clients = []
            break
          case "retire fails":
            fails = true
            retiring.set(name, Effect.fail("as it should"))
            break
          case "retire succeeds":
            fails = false
            retiring.delete(name)
            break
          case "destroy": {
            const reply: { readonly _tag: string } = JSON.parse(yield* room.call("destroy", "{}"))
            assert.strictEqual(reply._tag, fails ? "Refused" : "Success")
            clients = []
            break
          }
          case "come while it ends": {
            if (clients.length > 0 || fails) break
            yield* TestClock.adjust(100_000)
            current = yield* room.run(generation)
            yield* macrotask
            retiring.set(name, Effect.sleep(1_000))
            yield* TestClock.adjust(1_100)
            const entering = yield* Effect.forkChild(room.connect())
            yield* macrotask
            assert.isUndefined(entering.pollUnsafe())
            yield* TestClock.adjust(1_000)
            const client = yield* Fiber.join(entering)
            retiring.delete(name)
            clients.push(client)
          }
        }
        yield* macrotask
        yield* check
        // Nobody loses the room that they are in, unless it was destroyed.
        if (clients.length > 0 && !["destroy", "connect", "come while it ends"].includes(step)) {
          assert.strictEqual(current, before)
        }
        // A room in which nobody is has ended after a while.
        if (step === "much time" && clients.length === 0 && !fails) assert.notStrictEqual(current, before)
      }
      assert.isAtLeast(toldHere().filter((what) => what.startsWith("retires")).length, ends)
    }),
  { arbitrary: { runs: 200 } }
)
