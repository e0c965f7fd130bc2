/**
 * What is known of a room that is looked at: how it was when it was asked, and what has passed since.
 */
import type * as Inspection from "../src/inspector/Inspection.ts"

// The runtime puts an object to sleep when nothing has happened in it for this long.
const asleepAfter = 10_000

// As many as an inspection names.
const mostListed = 200

const woken = (
  { by, since }: Inspection.Inspection["wakes"],
  cause: Inspection.Cause,
  at: number
): Inspection.Inspection["wakes"] => {
  const count = (by.find((wakes) => wakes.cause === cause)?.count ?? 0) + 1
  return { since, by: [...by.filter((wakes) => wakes.cause !== cause), { cause, count, last: at }] }
}

/**
 * The room after something has happened in it. Deadlines, what waits and states are known only by asking anew. The list is
 * of the oldest connections: who comes is on it only if it names all of them.
 */
export const after = (room: Inspection.Inspection, event: Inspection.Event): Inspection.Inspection => {
  switch (event._tag) {
    case "Woke": {
      const { at, cause } = event
      return { ...room, awake: { since: at, cause }, wakes: woken(room.wakes, cause, at) }
    }
    case "Entered": {
      const { _tag, at: since, ...identity } = event
      const { connections, count } = room
      if (connections.some(({ id }) => id === identity.id)) return room
      const isListed = connections.length === count && count < mostListed
      return {
        ...room,
        count: count + 1,
        connections: isListed ? [...connections, { ...identity, since }] : connections
      }
    }
    case "Left": {
      const isListed = room.connections.some(({ id }) => id === event.connection)
      const connections = isListed ? room.connections.filter(({ id }) => id !== event.connection) : room.connections
      return { ...room, connections, count: Math.max(connections.length, room.count - 1) }
    }
    default:
      return room
  }
}

/** Whether the runtime lets the object sleep by now, as far as one can see from outside. */
export const sleep = (
  { busy: { arriving, asking, leaving } }: Inspection.Inspection,
  stirredAt: number,
  now: number
): "asleep" | "awake" | "busy" =>
  now - stirredAt <= asleepAfter ? "awake" : arriving + asking + leaving === 0 ? "asleep" : "busy"

/** A part of a text that a client has chosen. */
export interface Foreign {
  readonly who: string
}

/** What has happened, in words. What was said stands in `body`. */
export const describe = (
  event: Inspection.Event
): { readonly text: ReadonlyArray<string | Foreign>; readonly body?: string } => {
  switch (event._tag) {
    case "Woke":
      return { text: [`by ${words[event.cause]}`] }
    case "Entered": {
      const { id, protocol, user } = event
      return { text: [user === undefined ? "somebody" : { who: user }, `, ${protocol}, ${brief(id)}`] }
    }
    case "Refused":
      return { text: [String(event.status)], body: event.detail }
    case "Left":
      return {
        text: [`${brief(event.connection)}, by the ${event.by}, ${event.code}${event.wasClean ? "" : ", not cleanly"}`],
        body: event.reason
      }
    case "Received":
      return { text: [`from ${brief(event.connection)}, ${bytes(event.body.bytes)}`], body: event.body.text ?? "" }
    case "Sent": {
      const { connection, delivered, failed, label, user } = event
      const to = connection !== undefined
        ? [brief(connection)]
        : user !== undefined
        ? ["user ", { who: user }]
        : label !== undefined
        ? ["label ", { who: label }]
        : ["everybody"]
      const reached = `, reached ${delivered}${failed === 0 ? "" : `, failed ${failed}`}, ${bytes(event.body.bytes)}`
      return { text: ["to ", ...to, reached], body: event.body.text ?? "" }
    }
    case "Called":
      return { text: [event.method] }
    case "Alarm":
      return { text: ["has fired"] }
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

/** How many connections there are, and which of them are listed. */
export const listed = ({ connections, count }: Inspection.Inspection, missed: number): string =>
  (connections.length === count
    ? `${count} open`
    : `${count} open, of which the ${connections.length} oldest are listed`) +
  (missed === 0 ? "" : ". Of some events nobody was told: only asking anew tells who is there.")

/** How often each cause woke the object. */
export interface Woken extends Omit<Inspection.Wakes, "last"> {
  /** Without it, never. */
  readonly last?: number
}

/** Every cause, in the same order, whatever happens. */
export const causes = (wakes: Inspection.Inspection["wakes"] | undefined): ReadonlyArray<Woken> =>
  // SAFETY: these are its keys.
  (Object.keys(words) as Array<Inspection.Cause>).map((cause) =>
    wakes?.by.find((wakes) => wakes.cause === cause) ?? { cause, count: 0 }
  )

// A name in JSON, or in JSON that is a string of JSON and has so many backslashes before a quote; and what follows: a
// string, anything that has parts, of which the end is not looked for, or a number.
const secret =
  /((?<!\\)(\\*)"[^"\\]*(?:token|authorization|secret|password)\2"(?:\s|\\+[nrt])*(?::|(?<=\[(?:\s|\\+[nrt])*\\*"[^"]*"(?:\s|\\+[nrt])*),)(?:\s|\\+[nrt])*)(?:\2"(?:(?!(?<!\\)\2").)*(?:\2")?|[[{].*|[^\s,}\]]+)/gis

/** What is called a token, or a secret, is not shown. */
const discreet = (text: string) => text.replaceAll(secret, "$1…")

/** What was said, or is kept, as it is: what turns the direction of a text is written out, as in JSON. No secret is. */
export const legible = (text: string) =>
  discreet(text).replaceAll(
    /\p{Bidi_Control}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Enough of an id to tell it from others. */
export const brief = (id: string) => id.slice(0, 8)

export const bytes = (count: number) => `${count} ${count === 1 ? "byte" : "bytes"}`
