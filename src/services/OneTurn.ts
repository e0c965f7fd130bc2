/**
 * A scheduler under which an event is one turn: a fiber that yields goes on before another event comes.
 *
 * A yield takes a microtask, and timers wait until all microtasks are done. So a fiber that only yields would stop all
 * timers, also the one that is to end it. Therefore, after some hundred yields in a row, one waits for a macrotask.
 */
import * as Scheduler from "effect/Scheduler"

/** Yields in a row that take a microtask. With 2,048 steps of a fiber for each, they take about 50 ms. */
const most = 256

/** After this many in a row, it is checked whether a macrotask gets its turn. Usually the row ends long before. */
const suspicious = 32

/** It only counts yields, so rooms share it. */
export const make = (): Scheduler.Scheduler => {
  let row = 0

  const soon = (task: () => void) => {
    row = 0
    task()
  }

  return new Scheduler.MixedScheduler("async", (task) => {
    row++
    if (row >= most) {
      const immediate = setImmediate(soon, task)
      return () => clearImmediate(immediate)
    }
    if (row === suspicious) {
      setImmediate(() => {
        row = 0
      })
    }
    let cancelled = false
    queueMicrotask(() => {
      if (!cancelled) task()
    })
    return () => {
      cancelled = true
    }
  })
}

/** The scheduler of all rooms of a process. */
export const scheduler: Scheduler.Scheduler = make()
