/**
 * Those who listen to a client, each with a bounded queue of its own: who is slow holds up nobody.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/** What is told, and who hears it. */
export interface Listeners<A, E> {
  /** Tells everybody who listens. Nothing after the end. */
  readonly tell: (value: A) => void
  /** Listens. The first who does also hears what was told before. */
  readonly stream: Stream.Stream<A, E>
  /** Ends all streams, those of who comes later too. */
  readonly end: (error?: E) => void
  /** How many listen. */
  readonly count: () => number
}

/**
 * Makes it. Who is `limit` behind when a turn begins hears those, and then fails: nobody is slow who is told much at once.
 * A callback is told at once, and is then the first who listens; it may not throw.
 */
export const make = Effect.fnUntraced(function*<A, E>(
  limit: number,
  overrun: E,
  callback?: (value: A) => void
): Effect.fn.Return<Listeners<A, E>> {
  const queue = Queue.unbounded<A, E | Cause.Done>()
  const first = yield* queue
  let unclaimed = callback === undefined ? first : undefined
  const queues = new Set(unclaimed && [unclaimed])
  let ended: Cause.Cause<E | Cause.Done> | undefined
  // Whether somebody was filled in this turn, and may be told more until it ends.
  let isFilling = false

  const filled = () => {
    isFilling = true
    queueMicrotask(() => {
      isFilling = false
    })
  }

  const shed = (queue: Queue.Queue<A, E | Cause.Done>) => {
    queues.delete(queue)
    Queue.failCauseUnsafe(queue, Cause.fail(overrun))
  }

  return {
    tell: (value) => {
      if (ended !== undefined) return
      const isLate = !isFilling
      for (const queue of queues) {
        const size = Queue.sizeUnsafe(queue)
        if (size >= limit && isLate) {
          shed(queue)
          continue
        }
        Queue.offerUnsafe(queue, value)
        if (size + 1 >= limit && !isFilling) filled()
      }
      callback?.(value)
    },
    stream: Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Effect.suspend(() => {
          const claimed = unclaimed
          unclaimed = undefined
          return claimed === undefined ? queue : Effect.succeed(claimed)
        }),
        (queue) =>
          Effect.sync(() => {
            queues.delete(queue)
          })
      ),
      (queue) => {
        if (ended === undefined) queues.add(queue)
        else Queue.failCauseUnsafe(queue, ended)
        return Stream.fromQueue(queue)
      }
    )),
    end: (error) => {
      ended = error === undefined ? Cause.fail(Cause.Done()) : Cause.fail(error)
      for (const queue of queues) Queue.failCauseUnsafe(queue, ended)
      queues.clear()
    },
    count: () => queues.size - (unclaimed !== undefined && queues.has(unclaimed) ? 1 : 0)
  }
})

/** What stands now, and who hears how it changes. */
export interface Latest<A> {
  readonly get: () => A
  readonly tell: (value: A) => void
  /** What stands now, and then each change. Who is slow misses the oldest. */
  readonly stream: Stream.Stream<A>
  readonly end: () => void
}

/** Makes it. A callback is told at once, and may not throw. */
export const latest = <A>(initial: A, callback?: (value: A) => void): Latest<A> => {
  const queues = new Set<Queue.Queue<A, Cause.Done>>()
  let current = initial
  let isOver = false
  return {
    get: () => current,
    tell: (value) => {
      current = value
      for (const queue of queues) Queue.offerUnsafe(queue, value)
      callback?.(value)
    },
    stream: Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Queue.sliding<A, Cause.Done>(64),
        (queue) => Effect.sync(() => queues.delete(queue))
      ),
      (queue) => {
        Queue.offerUnsafe(queue, current)
        if (isOver) Queue.endUnsafe(queue)
        else queues.add(queue)
        return Stream.fromQueue(queue)
      }
    )),
    end: () => {
      isOver = true
      for (const queue of queues) Queue.endUnsafe(queue)
      queues.clear()
    }
  }
}
