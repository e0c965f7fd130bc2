/**
 * Why a room does not let one in. A browser does not tell it of a WebSocket; the same address without one does.
 */

/** In words; one that is final is not worth another attempt. */
export interface Refusal {
  readonly why: string
  readonly isFinal: boolean
}

/** So many milliseconds an answer may take. */
const patience = 10_000

const passing = new Set([408, 425, 429])

/** Asks at the room's address. `undefined` where nobody answers, or where the door is open. */
export const ask = async (address: string): Promise<Refusal | undefined> => {
  try {
    const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(patience) })
    const { status } = response
    // Who is let in is asked for a WebSocket.
    if (response.ok || status === 426) return undefined
    const problem = await response.json().catch(() => ({}))
    return {
      why: status === 401
        ? "This room asks for a token, which this page does not have."
        : String(problem.detail ?? problem.title ?? `The server answered ${status}.`),
      isFinal: status < 500 && !passing.has(status)
    }
  } catch {
    return undefined
  }
}
