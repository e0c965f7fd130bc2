/**
 * Sends what passes in a room to who looks at it, while somebody does.
 *
 * Whether somebody looks is kept in the room's storage. It ends when something is sent and reaches nobody: so who looks
 * need not say that they stop, and nobody has to ask. One call is under way at a time. What passes meanwhile is collected
 * for the next, up to a bound.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Assembly } from "../services/Assembly.ts"
import type * as Outbox from "../services/Outbox.ts"
import type * as Inspection from "./Inspection.ts"
import type * as Tally from "./Tally.ts"

export interface Feed {
  /** Whether somebody looks. A plain function: nothing is made of an event that nobody sees. */
  readonly isOn: () => boolean
  /** Something has happened. A plain function. */
  readonly add: (event: Inspection.Event) => void
  /** Somebody looks from now on. They get an inspection, and after it what happens. */
  readonly look: (inspection: Inspection.Inspection) => Effect.Effect<void>
  /** Who looked before the storage was deleted looks on. */
  readonly resume: Effect.Effect<void>
}

/** Sends to all who look. */
export type Send = (
  message: Inspection.Inspection | Inspection.Events
) => Effect.Effect<Outbox.Delivery, unknown>

/** Events that wait for a call. */
const most = 256

/** Failures in a row after which nobody is thought to look. */
const patience = 16

export const make = (fork: Assembly["fork"], tally: Tally.Tally, send: Send): Feed => {
  let looking = tally.looking
  // How often somebody began to look in this life of the object.
  let looks = 0
  let waiting: Array<Inspection.Inspection | Inspection.Event> = []
  let missed = 0
  let isSending = false

  const become = (failures: number | undefined) => {
    if (failures === looking) return Effect.void
    looking = failures
    // Where it is not kept, it lasts until the object sleeps.
    return Effect.ignore(tally.look(failures))
  }

  // Inspections as they are, and what happened between them together.
  const take = (): ReadonlyArray<Inspection.Inspection | Inspection.Events> => {
    const messages: Array<Inspection.Inspection | Inspection.Events> = []
    let events: Array<Inspection.Event> = []
    const flush = () => {
      if (events.length === 0) return
      messages.push({ _tag: "Events", events, missed })
      missed = 0
      events = []
    }
    for (const item of waiting) {
      if (item._tag !== "Inspection") events.push(item)
      else {
        flush()
        messages.push(item)
      }
    }
    flush()
    waiting = []
    return messages
  }

  const sendOne = Effect.fnUntraced(function*(message: Inspection.Inspection | Inspection.Events) {
    const before = looks
    const delivery = yield* Effect.option(Effect.timeout(send(message), "5 seconds"))
    if (Option.isNone(delivery)) {
      if (message._tag === "Events") missed += message.events.length + message.missed
      const failures = (looking ?? 0) + 1
      yield* become(failures < patience ? failures : undefined)
    } else if (delivery.value.delivered > 0) yield* become(0)
    // Who has come meanwhile was not there yet.
    else if (looks === before) yield* become(undefined)
  })

  const sendAll = Effect.gen(function*() {
    while (waiting.length > 0) {
      for (const message of take()) if (looking !== undefined) yield* sendOne(message)
    }
  }).pipe(Effect.ensuring(Effect.sync(() => {
    isSending = false
  })))

  const push = (item: Inspection.Inspection | Inspection.Event) => {
    waiting.push(item)
    if (isSending) return
    isSending = true
    // What one event of the runtime brings about leaves together.
    setImmediate(() => void fork(sendAll))
  }

  const isOn = () => looking !== undefined

  return {
    isOn,
    add: (event) => {
      if (!isOn()) return
      if (waiting.length < most) push(event)
      else missed++
    },
    look: (inspection) =>
      Effect.suspend(() => {
        looks++
        // One that still waits is out of date.
        waiting = waiting.filter(({ _tag }) => _tag !== "Inspection")
        push(inspection)
        return become(0)
      }),
    resume: Effect.suspend(() => become(0))
  }
}
