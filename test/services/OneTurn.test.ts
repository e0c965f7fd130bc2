import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import * as OneTurn from "../../src/services/OneTurn.ts"

const run = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.provideService(effect, Scheduler.Scheduler, OneTurn.make()))

const yields = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })

it("a timeout fires in a handler that does nothing but yield (LC-11)", async () => {
  let isOver = false
  const busy = Effect.repeat(Effect.yieldNow, { until: () => isOver })
  const exit = await run(Effect.exit(Effect.timeout(busy, "20 millis"))).finally(() => {
    isOver = true
  })
  assert.strictEqual(exit._tag, "Failure")
})

it("an event that yields now and then is one turn (LC-11)", async () => {
  const seen: Array<string> = []
  for (let event = 0; event < 100; event++) {
    const other = new Promise<void>((done) =>
      setImmediate(() => {
        seen.push("other")
        done()
      })
    )
    seen.push("begins")
    await run(Effect.andThen(yields(20), Effect.sync(() => seen.push("ends"))))
    await other
  }
  assert.deepStrictEqual(seen, Array.from({ length: 100 }, () => ["begins", "ends", "other"]).flat())
})

// What runs one after the other, each a yield after the one before, and how many have run.
const makeRow = (dispatcher: Scheduler.SchedulerDispatcher) => {
  const row = { count: 0 }
  return {
    row,
    begin: (length: number) => {
      const next = () => {
        row.count++
        if (--length > 0) dispatcher.scheduleTask(next, 0)
      }
      dispatcher.scheduleTask(next, 0)
    }
  }
}

/** Looks when the next macrotask comes: before anything that waits for one from now on. */
const atMacrotask = <A>(look: () => A) => new Promise<A>((done) => setImmediate(() => done(look())))

it("of yields in a row each 256th waits for a macrotask, and the row goes on (LC-11)", async () => {
  const { begin, row } = makeRow(OneTurn.make().makeDispatcher())
  const looks = [atMacrotask(() => row.count)]
  begin(1_000)
  assert.strictEqual(row.count, 0)
  assert.strictEqual(await looks[0], 255)
  const counts: Array<number> = []
  while (row.count < 1_000) counts.push(await atMacrotask(() => row.count))
  assert.includeMembers(counts, [511, 767, 1_000])
})

it("a row ends where a macrotask comes: short ones wait for none, however many there are (LC-11)", async () => {
  const { begin, row } = makeRow(OneTurn.make().makeDispatcher())
  for (let event = 1; event <= 30; event++) {
    const look = atMacrotask(() => row.count)
    begin(40)
    assert.strictEqual(await look, 40 * event)
    await atMacrotask(() => {})
  }
})

it("what is taken back does not run, whatever it waited for (LC-11)", async () => {
  const scheduler = OneTurn.make() as Scheduler.MixedScheduler
  assert.strictEqual(scheduler.executionMode, "async")
  const ran: Array<string> = []
  const soon = (name: string) => scheduler.setImmediate(() => void ran.push(name))
  const takeBack = soon("taken back")
  soon("first")
  takeBack()
  await atMacrotask(() => {})
  assert.deepStrictEqual(ran.splice(0), ["first"])
  for (let index = 0; index < 253; index++) soon("many")
  const late = [soon("late, taken back"), soon("late"), soon("later, taken back")]
  late[0]!()
  late[2]!()
  await atMacrotask(() => {})
  await atMacrotask(() => {})
  assert.deepStrictEqual(ran.filter((name) => name !== "many"), ["late"])
})
