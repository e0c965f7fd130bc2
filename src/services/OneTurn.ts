/**
 * A scheduler under which an event is one turn: where a fiber yields, it goes on before anybody else's event comes.
 */
import * as Scheduler from "effect/Scheduler"

/** Yields take a microtask. It holds no state: rooms share it. */
export const scheduler: Scheduler.Scheduler = new Scheduler.MixedScheduler("async", (task) => {
  let cancelled = false
  queueMicrotask(() => {
    if (!cancelled) task()
  })
  return () => {
    cancelled = true
  }
})
