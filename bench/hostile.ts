/** One client that does its worst, for as long as it is let. */
import { setPriority } from "node:os"
import { performance } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import * as Client from "./client.ts"

interface Deed {
  /** What it sends again and again, and how many frames that is. */
  readonly chunk: Buffer
  readonly frames: number
  /** It sends the next one when this one is dealt with, which the answer to an echo behind it tells. */
  readonly waits?: boolean
  /** It reads nothing, and so does not hear either that it was closed. */
  readonly deaf?: boolean
}

const echo = (characters: number) => Client.masked(JSON.stringify({ _tag: "Echo", text: "x".repeat(characters) }))

/** Small frames leave many at a time: the server is to be what limits them, not how often a client can write. */
const flood = (frame: Buffer): Deed => {
  const frames = Math.ceil(65_536 / frame.length)
  return { chunk: Buffer.concat(Array.from({ length: frames }, () => frame)), frames }
}

const deeds = {
  "1 MB of bad lines": {
    chunk: Buffer.concat([Client.masked("x\n".repeat(500_000)), echo(30)]),
    frames: 1,
    waits: true
  },
  "small frames": flood(echo(30)),
  "small bad frames": flood(Client.masked("A dormouse that is woken says nothing that is JSON.")),
  "big frames": flood(echo(60_000)),
  "big frames, echoes not read": { ...flood(echo(60_000)), deaf: true }
} satisfies Record<string, Deed>

export type Name = keyof typeof deeds

export const names = Object.keys(deeds) as ReadonlyArray<Name>

export interface Outcome {
  readonly frames: number
  /** How often the server closed its connection or refused it one; it came back at once. */
  readonly closed: number
  readonly seconds: number
}

/** It ends by itself after so much: whatever goes wrong, it does not go on for ever. */
const most = { bytes: 2 ** 32, seconds: 20 }

/** Begins; what it answers with ends it, and says what was done. */
export const attack = (options: {
  readonly port: number
  readonly room: string
  readonly ndjson: boolean
  readonly deed: Name
}): () => Promise<Outcome> => {
  const { chunk, deaf = false, frames, waits = false }: Deed = deeds[options.deed]
  const start = performance.now()
  const over = new AbortController()
  let sent = 0
  let closed = 0
  let happened = () => {}
  const anything = () => new Promise<void>((resolve) => (happened = resolve))
  over.signal.addEventListener("abort", () => happened())

  /** One connection, until it is closed. */
  const storm = async () => {
    let answered = 0
    const client = await Client.dial({
      port: options.port,
      path: `${options.room}?user=foe&label=many`,
      address: "203.0.113.1",
      ndjson: options.ndjson,
      count: () => {},
      closed: () => {
        if (!over.signal.aborted) closed++
        happened()
      }
    })
    const { socket } = client
    if (waits) {
      client.tap = (line) => {
        if (!line.includes("Echoed")) return
        answered++
        happened()
      }
    }
    socket.on("drain", () => happened())
    if (deaf) socket.pause()
    const isDone = () => socket.destroyed || over.signal.aborted
    for (let asked = 1; !isDone(); asked++) {
      socket.write(chunk)
      if (++sent * chunk.length > most.bytes) over.abort()
      const isReady = () => waits ? answered === asked : !socket.writableNeedDrain
      while (!isReady() && !isDone()) await anything()
      // A socket that takes everything at once is not to keep the process from hearing anything else.
      await new Promise(setImmediate)
    }
    socket.destroy()
  }

  const done = (async () => {
    while (!over.signal.aborted) {
      try {
        await storm()
      } catch {
        closed++
        await sleep(1)
      }
    }
  })()
  // What is attacked is the server: the bystanders, who share this machine's processors, are not to wait for this process.
  setPriority(19)
  const bound = setTimeout(() => over.abort(), most.seconds * 1000)
  return async () => {
    clearTimeout(bound)
    over.abort()
    await done
    return { frames: sent * frames, closed, seconds: (performance.now() - start) / 1000 }
  }
}
