/**
 * A TCP proxy that does to connections what networks do.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as net from "node:net"

export interface Proxy {
  readonly port: number
  /** Every connection is reset. */
  readonly reset: () => void
  /** Bytes vanish on every connection, and nobody is told. */
  readonly halfOpen: () => void
  /** The next bytes of every connection break off in their middle, and the connection with them. */
  readonly cutInside: () => void
  /** From now on bytes take so many milliseconds, in order. */
  readonly delay: (millis: number) => void
  /** Whether newcomers are reset at once. */
  readonly refuse: (isRefusing: boolean) => void
  /** The connections that live. */
  readonly count: () => number
}

interface Pair {
  readonly ends: readonly [net.Socket, net.Socket]
  isSilent: boolean
  cutsInside: boolean
  isCut: boolean
}

/** Listens on a free port until the scope closes, in front of another. */
export const make = Effect.fnUntraced(function*(target: number): Effect.fn.Return<Proxy, never, Scope.Scope> {
  const pairs = new Set<Pair>()
  let delay = 0
  let isRefusing = false

  const end = (pair: Pair) => {
    pairs.delete(pair)
    for (const socket of pair.ends) socket.resetAndDestroy()
  }

  const pass = (pair: Pair, from: net.Socket, to: net.Socket) => {
    let last = Promise.resolve()
    from.on("data", (bytes) => {
      if (pair.isSilent || pair.isCut) return
      if (pair.cutsInside && bytes.length > 1) {
        pair.isCut = true
        last = last.then(() => {
          // What was written before arrives: no network leaves out bytes and goes on.
          if (!to.destroyed && !pair.isSilent) to.write(bytes.subarray(0, bytes.length >> 1))
          setTimeout(() => end(pair), 1)
        })
        return
      }
      const due = delay
      last = last.then(async () => {
        if (due > 0) await new Promise((resolve) => setTimeout(resolve, due))
        if (!to.destroyed && !pair.isSilent) to.write(bytes)
      })
    })
    from.on("close", () => void last.then(() => end(pair)))
    from.on("error", () => undefined)
  }

  const server = net.createServer((client) => {
    if (isRefusing) {
      client.resetAndDestroy()
      return
    }
    const upstream = net.connect(target, "127.0.0.1")
    for (const socket of [client, upstream]) socket.setNoDelay(true)
    const pair: Pair = { ends: [client, upstream], isSilent: false, cutsInside: false, isCut: false }
    pairs.add(pair)
    pass(pair, client, upstream)
    pass(pair, upstream, client)
  })
  server.listen(0, "127.0.0.1")
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server, "listening")),
    () =>
      Effect.promise(() => {
        const closed = once(server, "close")
        server.close()
        for (const pair of pairs) end(pair)
        return closed
      })
  )
  // SAFETY: it listens on TCP.
  const { port } = server.address() as net.AddressInfo
  return {
    port,
    reset: () => pairs.forEach(end),
    halfOpen: () => {
      for (const pair of pairs) pair.isSilent = true
    },
    cutInside: () => {
      for (const pair of pairs) pair.cutsInside = true
    },
    delay: (millis) => {
      delay = millis
    },
    refuse: (is) => {
      isRefusing = is
    },
    count: () => pairs.size
  }
})
