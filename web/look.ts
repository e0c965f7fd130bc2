/**
 * How the inspector's page asks: everything with the token, which stands in memory alone.
 */
import { connect, type Connection } from "../src/client/Connect.ts"
import type * as Status from "../src/client/Status.ts"
import { InspectorRoom } from "../src/inspector/InspectorRoom.ts"
import type * as Room from "../src/services/Room.ts"
import { segment } from "./dom.ts"

/** Why the API has not done what was asked for, in words; the status is 0 where it did not answer. */
export interface Problem {
  readonly problem: string
  readonly status: number
}

/** What the API has answered. */
export type Answer = { readonly value: any } | Problem

/** Whether it says the same the next time: what is wrong is the token, the room, or the server. */
export const isFinal = ({ status }: Problem) => status === 400 || status === 401 || status === 403 || status === 404

// An API tells programs what it takes. Who has given it in a field is told what is wrong there.
const said: Readonly<Record<number, string>> = {
  401: "The server does not know this token. Give one that stands in its API_TOKEN.",
  404: "There is no inspector on this server. Where you run it, set API_TOKEN, and give the room’s layer the Inspector."
}

/** What is wrong with a token that is given, as far as one can see. */
export const tokenProblem = (token: string) => {
  // No header carries anything else.
  const wrong = [...token].findIndex((character) => !/[ -~]/.test(character))
  return token === ""
    ? "Which token?"
    : wrong < 0
    ? ""
    : `A token is plain ASCII. Character ${wrong + 1} of this is not.`
}

/** So many milliseconds an answer may take. */
const patience = 15_000

// It has fewer characters than a token.
const subprotocol = (token: string) => segment(token).replaceAll("(", "%28").replaceAll(")", "%29")

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
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(patience)
      })
      const { ok, status } = response
      if (ok) return { value: await response.json() }
      const { detail, title } = await response.json().catch(() => ({}))
      const own = path === "/inspection" ? said[status] : undefined
      return { problem: own ?? String(detail ?? title ?? `The server answered ${status}.`), status }
    } catch {
      return { problem: "The server did not answer.", status: 0 }
    }
  }
  const query = (parameters: Readonly<Record<string, string>>) => `?${new URLSearchParams(parameters)}`
  const reason = { reason: "Disconnected by the inspector." }
  return {
    /** Whether one may look; this wakes nothing. The token is looked at before the method, which is none. */
    mayLook: async (): Promise<Answer> => {
      const answer = await ask("OPTIONS", "/inspection")
      return "problem" in answer && answer.status === 405 ? { value: undefined } : answer
    },
    /** The room as it is now, for everybody who looks, and after it what passes; this wakes it. */
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
      connect(InspectorRoom, { url: `${base}/inspection`, token: subprotocol(token), onMessage, onStatus })
  }
}

export type Look = ReturnType<typeof make>
