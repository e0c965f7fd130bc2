/**
 * How the inspector's page asks: everything with the token, which stands in memory alone.
 */
import { connect, type Connection } from "../src/client/Connect.ts"
import type * as Status from "../src/client/Status.ts"
import { InspectorRoom } from "../src/inspector/InspectorRoom.ts"
import type * as Room from "../src/services/Room.ts"
import { segment } from "./dom.ts"

/** What the API has answered: what was asked for, or in words why not. */
export type Answer = { readonly value: any } | { readonly problem: string; readonly status: number }

export const make = (room: string, token: string) => {
  const base = `/api/rooms/${segment(room)}`
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" })
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const value = await response.json()
      return response.ok ? { value } : { problem: String(value.detail ?? value.title), status: response.status }
    } catch {
      return { problem: "The server did not answer.", status: 0 }
    }
  }
  const query = (parameters: Readonly<Record<string, string>>) => `?${new URLSearchParams(parameters)}`
  const reason = { reason: "Disconnected by the inspector." }
  return {
    /** The room as it is now, for oneself; this wakes it. */
    inspect: () => ask("GET", "/inspection"),
    /** The same, for everybody who looks, and after it what passes. */
    look: () => ask("POST", "/inspection"),
    /** Closes a connection. */
    disconnect: (id: string) => ask("DELETE", `/connections/${segment(id)}${query(reason)}`),
    /** Closes those of a user. */
    disconnectUser: (user: string) => ask("DELETE", `/connections${query({ user, ...reason })}`),
    /** Sends a message that fits the room's schema: to everybody, or to a user. */
    publish: (message: unknown, user: string) =>
      ask("POST", "/publications", { message, ...(user === "" ? {} : { to: { user } }) }),
    connect: (
      onMessage: (message: Room.Send<typeof InspectorRoom>) => void,
      onStatus: (status: Status.Status) => void
    ): Connection<typeof InspectorRoom> =>
      // A subprotocol has fewer characters than a token.
      connect(InspectorRoom, { url: `${base}/inspection`, token: segment(token), onMessage, onStatus })
  }
}

export type Look = ReturnType<typeof make>
