/**
 * The end of a room when things go wrong, or come at once.
 */
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRooms from "../../src/memory/MemoryRooms.ts"
import * as Broadcaster from "../../src/services/Broadcaster.ts"
import * as Directory from "../../src/services/Directory.ts"
import * as Journal from "../../src/services/Journal.ts"
import * as Lifetime from "../../src/services/Lifetime.ts"
import * as Room from "../../src/services/Room.ts"
import * as Rooms from "../../src/services/Rooms.ts"
import * as Storage from "../../src/services/Storage.ts"

const messages = { receive: Schema.String, send: Schema.String }

const Shop = Room.make("shop", {
  ...messages,
  journal: true,
  lifetime: { emptyFor: "1 minute" },
  methods: [Rpc.make("slow", { success: Schema.Int })]
})

class Shelf
  extends Context.Service<Shelf, { readonly life: number }>()("effect-dormouse/test/services/End.test/Shelf")
{}

interface Wishes {
  readonly retire?: Effect.Effect<void, unknown>
  readonly release?: Effect.Effect<void>
  readonly message?: Effect.Effect<void, unknown, Lifetime.Lifetime>
}

const make = Effect.fnUntraced(function*(wishes: Wishes = {}) {
  const told: Array<string> = []
  let lives = 0
  const ShelfLive = Layer.effect(
    Shelf,
    Effect.acquireRelease(
      Effect.sync(() => ({ life: ++lives })),
      ({ life }) =>
        Effect.andThen(
          Effect.sync(() => void told.push(`released ${life}`)),
          life === 1 && wishes.release !== undefined ? wishes.release : Effect.void
        )
    )
  )
  const ShopLive = Shop.toLayer(Effect.gen(function*() {
    const { life } = yield* Shelf
    yield* Storage.exec("CREATE TABLE IF NOT EXISTS goods (name TEXT)")
    return {
      message: () => wishes.message ?? Effect.void,
      close: (_, { code }) => Effect.sync(() => void told.push(`close ${code} in ${life}`)),
      retire: Effect.andThen(Effect.sync(() => void told.push(`retire ${life}`)), wishes.retire ?? Effect.void),
      methods: {
        slow: () =>
          Effect.sleep("3 seconds").pipe(
            Effect.andThen(Storage.exec("INSERT INTO goods VALUES ('kept')")),
            Effect.as(life),
            Effect.orDie
          )
      }
    }
  })).pipe(Layer.provide(ShelfLive), Layer.provideMerge(Lifetime.layer), Layer.provide(Journal.layer))
  const room = yield* MemoryRoom.make(Shop, ShopLive)
  const destroy = Effect.map(room.call("destroy", "{}"), (reply): string => JSON.parse(reply)._tag)
  return { room, told, destroy }
})

const quiet = Effect.provide(Logger.layer([]))

const macrotask = Effect.promise(() => new Promise((resume) => setTimeout(resume, 5)))

it.effect("destroy right after a crash runs the closes that are due, and then retires (LT-5, JO-1)", () =>
  Effect.gen(function*() {
    const { destroy, room, told } = yield* make()
    yield* room.connect()
    yield* room.connect()
    yield* room.crash
    assert.strictEqual(yield* destroy, "Success")
    assert.deepStrictEqual(told, ["close 1006 in 2", "close 1006 in 2", "retire 2", "released 2"])
  }))

it.effect("calls of destroy that overlap end the room once (LT-5)", () =>
  Effect.gen(function*() {
    const { destroy, room, told } = yield* make({ retire: macrotask })
    yield* room.connect()
    assert.deepStrictEqual(yield* Effect.all([destroy, destroy, destroy], { concurrency: "unbounded" }), [
      "Success",
      "Success",
      "Success"
    ])
    assert.deepStrictEqual(told, ["close 4500 in 1", "retire 1", "released 1"])
  }))

it.effect("a room may end itself, from its own handler (LT-6)", () =>
  Effect.gen(function*() {
    const { room, told } = yield* make({ message: Effect.flatMap(Lifetime.Lifetime, ({ destroy }) => destroy) })
    const ada = yield* room.connect()
    yield* ada.send("enough")
    yield* macrotask
    yield* macrotask
    assert.strictEqual((yield* ada.closed)?.code, 4500)
    assert.deepStrictEqual(told, ["close 4500 in 1", "retire 1", "released 1"])
  }))

it.effect("a retire that calls its own room gets no answer, and the room does not start in between (LT-4)", () =>
  Effect.gen(function*() {
    let answer = ""
    let call: Effect.Effect<string> = Effect.succeed("")
    const { destroy, room, told } = yield* make({
      retire: Effect.map(Effect.suspend(() => call), (reply) => void (answer = JSON.parse(reply)._tag))
    })
    call = room.call("connections", "{}")
    assert.strictEqual(yield* destroy, "Success")
    assert.strictEqual(answer, "Success")
    assert.deepStrictEqual(told, ["retire 1", "released 1"])
    yield* room.connect()
    assert.deepStrictEqual(yield* room.run(Shop.use((shop) => shop.count())), 1)
  }))

for (
  const [title, release] of [
    ["dies", Effect.die("as it should")],
    ["hangs", Effect.never]
  ] as const
) {
  it.effect(`a finalizer of the room's layer that ${title} does not keep the room from its end (LT-6)`, () =>
    Effect.gen(function*() {
      const { destroy, room, told } = yield* make({ release })
      const ending = yield* Effect.forkChild(destroy)
      yield* macrotask
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* Fiber.join(ending), "Success")
      assert.deepStrictEqual(told, ["retire 1", "released 1"])
      yield* room.connect()
      assert.deepStrictEqual(yield* room.run(Storage.exec("SELECT * FROM goods")), [])
    }).pipe(quiet))
}

it.effect("what the room's layer holds is released while the storage is still there (LT-6)", () =>
  Effect.gen(function*() {
    let room: MemoryRoom.MemoryRoom<typeof Shop, any> | undefined
    const seen: Array<unknown> = []
    const made = yield* make({
      release: Effect.suspend(() => room!.run(Storage.exec("SELECT count(*) AS n FROM goods"))).pipe(
        Effect.timeoutOption("1 second"),
        Effect.map((rows) => void seen.push(rows._tag)),
        Effect.orDie
      )
    })
    room = made.room
    yield* made.room.connect()
    yield* Effect.forkChild(made.destroy)
    yield* macrotask
    yield* TestClock.adjust("2 seconds")
    assert.include(made.told, "released 1")
  }).pipe(quiet))

it.effect("a room waits for a call that is under way before it ends (LT-1)", () =>
  Effect.gen(function*() {
    const { room, told } = yield* make()
    yield* (yield* room.connect()).close(1000)
    yield* TestClock.adjust("59 seconds")
    const call = yield* Effect.forkChild(room.call("slow", "null"))
    yield* macrotask
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(told, ["close 1000 in 1"])
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(JSON.parse(yield* Fiber.join(call))._tag, "Success")
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(told, ["close 1000 in 1", "retire 1", "released 1"])
  }))

it.effect("a room does not end while somebody is about to enter (LT-4)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const Slow = Room.make("slow", { ...messages, lifetime: { emptyFor: "1 minute" } })
    const room = yield* MemoryRoom.make(
      Slow,
      Slow.toLayer({
        connect: () => Effect.as(Effect.sleep("10 seconds"), { state: undefined }),
        retire: Effect.sync(() => void told.push("retire"))
      }).pipe(Layer.provide(Lifetime.layer))
    )
    yield* room.run(Effect.void)
    yield* macrotask
    yield* TestClock.adjust("55 seconds")
    const entering = yield* Effect.forkChild(room.connect())
    yield* TestClock.adjust("20 seconds")
    yield* Fiber.join(entering)
    assert.deepStrictEqual(told, [])
    assert.strictEqual(yield* room.run(Slow.use((slow) => slow.count())), 1)
  }))

it.effect("a retire that fails for long is tried again after a longer pause (LT-3)", () =>
  Effect.gen(function*() {
    let fails = true
    const { room, told } = yield* make({ retire: Effect.suspend(() => fails ? Effect.fail("away") : Effect.void) })
    yield* (yield* room.connect()).close(1000)
    yield* TestClock.adjust("10 minutes")
    const tries = told.filter((what) => what.startsWith("retire")).length
    assert.strictEqual(tries, 6)
    fails = false
    yield* TestClock.adjust("1 hour")
    assert.deepStrictEqual(told.slice(-2), ["retire 1", "released 1"])
  }).pipe(quiet))

it.effect("destroy leaves nobody behind, however fast they come back (LT-5)", () =>
  Effect.gen(function*() {
    const opened: Array<number> = []
    let lives = 0
    const Busy = Room.make("busy", messages)
    const BusyLive = Busy.toLayer(Effect.sync(() => {
      const life = ++lives
      return { open: () => Effect.sync(() => void opened.push(life)) }
    })).pipe(Layer.provide(Lifetime.layer))
    const room = yield* MemoryRoom.make(Busy, BusyLive)
    const first = yield* Effect.replicateEffect(room.connect(), 100)
    const back = Effect.forEach(first, (client) => Effect.andThen(client.close(), room.connect()), {
      concurrency: "unbounded"
    })
    yield* Effect.all([room.call("destroy", "{}"), back], { concurrency: "unbounded" })
    const there = yield* room.run(Busy.use((busy) => busy.count()))
    assert.strictEqual(there, opened.filter((life) => life === lives).length)
  }))

it.effect("a lifetime that a deploy has changed counts from when the last one left (LT-7)", () =>
  Effect.gen(function*() {
    const told: Array<string> = []
    const define = (lifetime: Room.Lifetime | undefined) =>
      Room.make("changing", { ...messages, ...(lifetime === undefined ? {} : { lifetime }) })
    const live = (room: ReturnType<typeof define>) =>
      room.toLayer({ retire: Effect.sync(() => void told.push("retire")) }).pipe(Layer.provide(Lifetime.layer))
    // The definition is read with each start, as after a deploy.
    const definition: { lifetime: Room.Lifetime | undefined } & Omit<ReturnType<typeof define>, "lifetime"> = define({
      emptyFor: "1 hour"
    })
    const room = yield* MemoryRoom.make(
      definition as ReturnType<typeof define>,
      live(definition as ReturnType<typeof define>)
    )
    yield* (yield* room.connect()).close()
    definition.lifetime = { emptyFor: "3 hours" }
    yield* room.evict
    yield* macrotask
    yield* TestClock.adjust("2 hours")
    assert.deepStrictEqual(told, [])
    definition.lifetime = undefined
    yield* room.evict
    yield* macrotask
    yield* TestClock.adjust("10 hours")
    assert.deepStrictEqual(told, [])
    definition.lifetime = { emptyFor: "1 minute" }
    yield* room.evict
    yield* macrotask
    yield* TestClock.adjust("2 minutes")
    assert.deepStrictEqual(told, ["retire"])
  }))

it.effect("a lifetime of nothing is refused: the room does not start (LT-7)", () =>
  Effect.gen(function*() {
    for (const emptyFor of [0, -1, NaN]) {
      const None = Room.make("none", { ...messages, lifetime: { emptyFor } })
      const room = yield* MemoryRoom.make(None, Layer.provide(None.toLayer({}), Lifetime.layer))
      assert.strictEqual((yield* Effect.flip(room.connect())).status, 503)
    }
  }).pipe(quiet))

it.effect("a room that could not be started is not ready to be drained, or destroyed (DN-2)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Shop)
    for (const call of [rooms.destroy("one"), rooms.get("one").drain({ over: 1 })]) {
      assert.strictEqual((yield* Effect.flip(call)).reason._tag, "NotReady")
    }
  }).pipe(
    Effect.provide(MemoryRooms.layer(Shop, Layer.unwrap(Effect.fail("broken")) as Layer.Layer<never, string>)),
    quiet
  ))

it.effect("what a layer has replaced goes with its life (LT-4)", () =>
  Effect.gen(function*() {
    const counted: Array<string> = []
    let lives = 0
    const Loud = Room.make("loud", messages)
    const live = Layer.unwrap(Effect.sync(() => {
      const LoudLive = Loud.toLayer(Effect.gen(function*() {
        const room = yield* Loud
        return { message: (_, text) => room.broadcast(text) }
      }))
      if (++lives > 1) return LoudLive
      return Layer.merge(
        LoudLive,
        Layer.effect(
          Broadcaster.Broadcaster,
          Effect.map(Broadcaster.Broadcaster, (own) => ({
            ...own,
            broadcast: (frame, options) => {
              counted.push(String(frame))
              return own.broadcast(frame, options)
            }
          }))
        )
      )
    })).pipe(Layer.provide(Lifetime.layer))
    const room = yield* MemoryRoom.make(Loud, live)
    yield* (yield* room.connect()).send("one")
    yield* room.call("destroy", "{}")
    const bob = yield* room.connect()
    yield* bob.send("two")
    assert.deepStrictEqual(yield* bob.received, ["two"])
    assert.deepStrictEqual(counted, [`"one"`])
  }))

const Listed = Room.make("listed", { ...messages, directory: true })

const withListed = Effect.provide(
  MemoryRooms.layer(Listed, Layer.provide(Listed.toLayer({}), [Directory.layer, Lifetime.layer]))
)

it.effect("a listing does not make a room miss that it becomes empty (DR-1)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Listed)
    const room = yield* Effect.flatMap(MemoryRooms.key(Listed), (rooms) => rooms.room("one"))
    const clients = [yield* room.connect(), yield* room.connect()]
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* rooms.list())[0]?.connections, 2)
    for (const client of clients) yield* client.close()
    yield* TestClock.adjust("1 minute")
    const [kept] = yield* room.run(Storage.exec("SELECT occupied FROM dormouse_directory"))
    assert.strictEqual(kept?.["occupied"], 0)
    assert.deepStrictEqual(yield* rooms.list(), [])
  }).pipe(withListed))

it.effect("a room that was destroyed leaves the directory, and no listing starts it (DR-3)", () =>
  Effect.gen(function*() {
    const rooms = yield* Rooms.key(Listed)
    const room = yield* Effect.flatMap(MemoryRooms.key(Listed), (rooms) => rooms.room("one"))
    yield* room.connect()
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* rooms.list()).length, 1)
    yield* rooms.destroy("one")
    assert.deepStrictEqual(yield* rooms.list(), [])
  }).pipe(withListed))
