/**
 * When each connection came: kept beside its socket, around what the room's door keeps there.
 *
 * @internal
 */
import type * as ConnectionRegistry from "../services/ConnectionRegistry.ts"
import type * as Sockets from "../services/Sockets.ts"

interface Dated {
  readonly since: number
  /** What the door keeps. */
  readonly beside: unknown
}

// A socket may have come before the room had an inspector.
const isDated = (kept: unknown): kept is Dated =>
  typeof kept === "object" && kept !== null && !Array.isArray(kept) && "since" in kept && "beside" in kept

export const make = (now: () => number) => {
  let keptOf: (socket: Sockets.Socket) => unknown = () => undefined
  return {
    /** A registry that notes when connections come. */
    around: (
      registry: ConnectionRegistry.ConnectionRegistry["Service"]
    ): ConnectionRegistry.ConnectionRegistry["Service"] => {
      keptOf = registry.beside
      return {
        ...registry,
        admit: (socket, protocol, admission, trace) =>
          registry.admit(
            socket,
            protocol,
            { ...admission, beside: { since: now(), beside: admission.beside } },
            trace
          ),
        beside: (socket) => {
          const kept = registry.beside(socket)
          return isDated(kept) ? kept.beside : kept
        },
        setBeside: (socket, beside) => {
          const kept = registry.beside(socket)
          registry.setBeside(socket, isDated(kept) ? { since: kept.since, beside } : beside)
        }
      }
    },
    /** When a connection came; `undefined` if that is not known. */
    of: (socket: Sockets.Socket): number | undefined => {
      const kept = keptOf(socket)
      return isDated(kept) ? kept.since : undefined
    }
  }
}
