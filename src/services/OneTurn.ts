/**
 * A scheduler under which an event is one turn: where a fiber yields, it goes on before anybody else's event comes.
 *
 * A yield takes a microtask, and timers wait until all microtasks are done. So a fiber that does nothing but yield would
 * let no timer fire, not even the one that is to end it: after some hundred yields in a row one waits for a macrotask.
 */
import * as Scheduler from "effect/Scheduler"

/** Yields in a row that take a microtask. Where each of them stands for 2,048 steps of a fiber, they take about 50 ms. */
const most = 256

/** From so many in a row on, somebody looks whether a macrotask gets its turn: usually the row ends long before. */
const suspicious = 32

/** Its yields are counted and no more, so rooms share it. */
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
