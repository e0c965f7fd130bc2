/**
 * A network that can be taken away, to see what the client does then.
 */
import type * as Transport from "../src/client/Transport.ts"

const unplugged = [4000, "No network"] as const

export const make = () => {
  let socket: WebSocket | undefined
  let isOffline = false
  const cut = () => socket?.close(...unplugged)
  const transport: Transport.Transport = (url, protocols) => {
    if (isOffline) throw new Error("There is no network")
    socket = new WebSocket(url, [...protocols])
    return socket
  }
  return {
    transport,
    /** Ends the connection that there is. */
    cut,
    /** Whether what is said now leaves at once. A connection that is being cut takes no more. */
    isOpen: () => socket?.readyState === WebSocket.OPEN,
    isOffline: () => isOffline || !navigator.onLine,
    /** Ends it, and lets no new one be made. */
    offline: (value: boolean) => {
      isOffline = value
      if (value) cut()
    }
  }
}
