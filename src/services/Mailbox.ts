/**
 * The messages of one connection, one after the other.
 *
 * A message that arrives while a handler runs waits for its turn, in a bounded box. The next turn begins when the one
 * before has ended, also by a failure, a defect or an interrupt. The box is in memory, which is enough: while something
 * waits, the object does not sleep.
 */
import * as Effect from "effect/Effect"

/** The bounds of what waits for a connection. */
export interface Options {
  /** Messages that wait. 256 unless given. */
  readonly mailboxMessages: number
  /** Bytes that wait; a text counts its UTF-16 units. A lone message always fits. 1,048,576 unless given. */
  readonly mailboxBytes: number
}

export interface Mailbox<in K extends object> {
  /**
   * Runs a turn when those before it have ended. Run the effect at once; it ends with its turn. `undefined` if the box
   * is full: then the turn never runs.
   */
  readonly take: <A, E, R>(
    key: K,
    bytes: number,
    turn: () => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R> | undefined
  /** The same for a turn that must run, even if the box is full. */
  readonly last: <A, E, R>(key: K, turn: () => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

interface Waiting {
  readonly bytes: number
  readonly begin: () => void
}

interface Box {
  readonly waiting: Array<Waiting>
  bytes: number
  running: number
  isPassing: boolean
}

/**
 * Makes the mailboxes of a room, by what stands for a connection. So many turns of one may run at once: one, unless
 * given.
 */
export const make = <K extends object>(
  { mailboxBytes = 1_048_576, mailboxMessages = 256 }: Partial<Options> = {},
  atOnce = 1
): Mailbox<K> => {
  // Only of those for whom something runs.
  const boxes = new Map<K, Box>()

  // Turns that end at once are passed on in a loop, not on each other's stack.
  const pass = (key: K, box: Box) => {
    box.running--
    if (box.isPassing) return
    box.isPassing = true
    while (box.running < atOnce) {
      const next = box.waiting.shift()
      if (next === undefined) break
      box.bytes -= next.bytes
      box.running++
      next.begin()
    }
    box.isPassing = false
    if (box.running === 0) boxes.delete(key)
  }

  // A fiber may be interrupted before any of its steps: a turn is passed on where it was given, and nowhere else.
  const enter = <A, E, R>(key: K, bytes: number, turn: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    let given: Box | undefined
    const begin: Effect.Effect<A, E, R> = Effect.suspend(() => {
      let box = boxes.get(key)
      if (box === undefined) boxes.set(key, box = { waiting: [], bytes: 0, running: 0, isPassing: false })
      if (box.running >= atOnce) return wait
      box.running++
      given = box
      return turn()
    })
    const wait = Effect.callback<A, E, R>((resume) => {
      const box = boxes.get(key)
      // Whoever had the turn has ended meanwhile.
      if (box === undefined || box.running < atOnce) return resume(begin)
      const waiting: Waiting = {
        bytes,
        begin: () => {
          given = box
          resume(Effect.suspend(turn))
        }
      }
      box.waiting.push(waiting)
      box.bytes += bytes
      return Effect.sync(() => {
        const place = box.waiting.indexOf(waiting)
        if (place < 0) return
        box.waiting.splice(place, 1)
        box.bytes -= bytes
      })
    })
    return Effect.onExitPrimitive(begin, () => {
      if (given !== undefined) pass(key, given)
      return undefined
    })
  }

  return {
    take: (key, bytes, turn) => {
      const box = boxes.get(key)
      const isFull = box !== undefined && box.waiting.length > 0 &&
        (box.waiting.length >= mailboxMessages || box.bytes + bytes > mailboxBytes)
      return isFull ? undefined : enter(key, bytes, turn)
    },
    last: (key, turn) => enter(key, 0, turn)
  }
}
