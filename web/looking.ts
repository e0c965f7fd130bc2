/**
 * What is known of a room that is looked at: how it was when it was asked, and what has passed since.
 */
import type * as Inspection from "../src/inspector/Inspection.ts"

// The runtime puts an object to sleep when nothing has happened in it for this long.
const asleepAfter = 10_000

const woken = (
  { by, since }: Inspection.Inspection["wakes"],
  cause: Inspection.Cause,
  at: number
): Inspection.Inspection["wakes"] => {
  const count = (by.find((wakes) => wakes.cause === cause)?.count ?? 0) + 1
  return { since, by: [...by.filter((wakes) => wakes.cause !== cause), { cause, count, last: at }] }
}

/** The room after something has happened in it. Deadlines, what waits and states are known only by asking anew. */
export const after = (room: Inspection.Inspection, event: Inspection.Event): Inspection.Inspection => {
  switch (event._tag) {
    case "Woke": {
      const { at, cause } = event
      return { ...room, awake: { since: at, cause }, wakes: woken(room.wakes, cause, at) }
    }
    case "Entered": {
      const { _tag, at: since, ...identity } = event
      return room.connections.some(({ id }) => id === identity.id)
        ? room
        : { ...room, count: room.count + 1, connections: [...room.connections, { ...identity, since }] }
    }
    case "Left": {
      const connections = room.connections.filter(({ id }) => id !== event.connection)
      return { ...room, connections, count: room.count - (room.connections.length - connections.length) }
    }
    default:
      return room
  }
}

/** Whether the runtime lets the object sleep by now, as far as one can see from outside. */
export const isAsleep = (room: Inspection.Inspection, stirredAt: number, now: number): boolean =>
  now - stirredAt > asleepAfter && room.busy.arriving + room.busy.asking + room.busy.leaving === 0

/** What has happened, in words. What people have typed stands in `body`. */
export const describe = (event: Inspection.Event): { readonly text: string; readonly body?: string } => {
  switch (event._tag) {
    case "Woke":
      return { text: `by ${words[event.cause]}` }
    case "Entered":
      return { text: `${event.user ?? "somebody"}, ${event.protocol}, ${brief(event.id)}` }
    case "Refused":
      return { text: String(event.status), body: event.detail }
    case "Left":
      return {
        text: `${brief(event.connection)}, by the ${event.by}, ${event.code}${event.wasClean ? "" : ", not cleanly"}`,
        body: event.reason
      }
    case "Received":
      return { text: `from ${brief(event.connection)}, ${bytes(event.body.bytes)}`, body: event.body.text ?? "" }
    case "Sent": {
      const { connection, delivered, failed, label, user } = event
      const to = connection === undefined
        ? user === undefined ? label === undefined ? "everybody" : `label ${label}` : `user ${user}`
        : brief(connection)
      return {
        text: `to ${to}, reached ${delivered}${failed === 0 ? "" : `, failed ${failed}`}, ${bytes(event.body.bytes)}`,
        body: event.body.text ?? ""
      }
    }
    case "Called":
      return { text: event.method }
    case "Alarm":
      return { text: "has fired" }
  }
}

/** What woke an object, in words. */
export const words: Readonly<Record<Inspection.Cause, string>> = {
  message: "a message",
  close: "a close",
  alarm: "the alarm",
  call: "a call",
  connect: "a newcomer",
  inspection: "the inspector"
}

/** Enough of an id to tell it from others. */
export const brief = (id: string) => id.slice(0, 8)

export const bytes = (count: number) => `${count} ${count === 1 ? "byte" : "bytes"}`
