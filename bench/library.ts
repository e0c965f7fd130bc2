/**
 * One client library in a process of its own, so that its processor time is that of the client alone. Which one it is stands in
 * its first argument; it is driven over IPC (see ipc.ts).
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { performance } from "node:perf_hooks"
import { PartySocket } from "partysocket"
import WS from "ws"
import * as Connect from "../src/client/Connect.ts"
import * as RoomClient from "../src/client/RoomClient.ts"
import * as Transport from "../src/client/Transport.ts"
import type * as Room from "../src/services/Room.ts"
import { obey } from "./ipc.ts"
import { Talk } from "./subjects/talk.ts"

type Said = Room.Send<typeof Talk>
type Say = Room.Receive<typeof Talk>

interface Address {
  readonly port: number
  readonly room: string
}

interface Library {
  /** Connects. What it gives says all of these. */
  readonly connect: (
    address: Address,
    heard: (message: Said) => void
  ) => Promise<(messages: ReadonlyArray<Say>) => unknown>
  /** Keeps a connection, which comes back by itself. Calls back whenever it is there. */
  readonly keep?: (address: Address, opened: () => void) => void
}

const urlOf = ({ port, room }: Address) => `ws://127.0.0.1:${port}/${room}`

// Compression would be most of what is measured.
class Uncompressed extends WS {
  constructor(url: string | URL, protocols?: string | Array<string>) {
    super(url, protocols, { perMessageDeflate: false })
  }
}

/** Lines of a frame, as many as Dormouse's client joins. */
const frameLines = 64

const ws = (ndjson: boolean): Library => ({
  connect: (address, heard) =>
    new Promise((resolve, reject) => {
      const socket = new Uncompressed(urlOf(address), ndjson ? ["ndjson"] : [])
      socket.on("message", (data) => {
        if (!ndjson) heard(JSON.parse(data.toString()))
        else for (const line of data.toString().split("\n")) if (line !== "") heard(JSON.parse(line))
      })
      socket.on("error", reject)
      socket.on("open", () =>
        resolve((messages) => {
          if (!ndjson) {
            for (const message of messages) socket.send(JSON.stringify(message))
            return
          }
          for (let at = 0; at < messages.length; at += frameLines) {
            const lines = messages.slice(at, at + frameLines).map((message) => JSON.stringify(message))
            socket.send(lines.join("\n"))
          }
        }))
    }),
  // By hand, at once and as often as it takes: nobody is back sooner.
  keep: (address, opened) => {
    const open = () => {
      const socket = new Uncompressed(urlOf(address))
      socket.on("open", opened)
      socket.on("error", () => {})
      socket.on("close", open)
    }
    open()
  }
})

const party = ({ port, room }: Address) =>
  new PartySocket({ host: `127.0.0.1:${port}`, basePath: room, WebSocket: Uncompressed })

const partysocket: Library = {
  connect: (address, heard) =>
    new Promise((resolve) => {
      const socket = party(address)
      socket.addEventListener("message", ({ data }) => heard(JSON.parse(data)))
      socket.addEventListener("open", () =>
        resolve((messages) => {
          for (const message of messages) socket.send(JSON.stringify(message))
        }))
    }),
  keep: (address, opened) => party(address).addEventListener("open", opened)
}

const roomClient = (transport: Transport.Transport): Library => {
  const make = (address: Address) =>
    Effect.runPromise(
      RoomClient.make(Talk, { url: urlOf(address) }).pipe(
        Effect.provideService(Transport.Transport, transport),
        // It lasts as long as the process.
        Effect.provideService(Scope.Scope, Scope.makeUnsafe())
      )
    )
  const keep = (client: RoomClient.Service<typeof Talk>, opened: () => void) =>
    Effect.runFork(Stream.runForEach(client.statuses, ({ _tag }) =>
      Effect.sync(() => {
        if (_tag === "Connected") opened()
      })))
  return {
    connect: async (address, heard) => {
      const client = await make(address)
      await new Promise<void>((resolve) => keep(client, resolve))
      Effect.runFork(Stream.runForEach(client.messages, (message) => Effect.sync(() => heard(message))))
      return (messages) =>
        Effect.runPromise(Effect.forEach(messages, (message) => client.send(message), { discard: true }))
    },
    keep: (address, opened) => void make(address).then((client) => keep(client, opened))
  }
}

const connect = (transport: Transport.Transport): Library => ({
  connect: async (address, heard) => {
    const room = Connect.connect(Talk, { url: urlOf(address), transport, onMessage: heard })
    await new Promise<void>((resolve) => {
      room.subscribe(() => {
        if (room.status._tag === "Connected") resolve()
      })
    })
    return (messages) => Promise.all(messages.map((message) => room.send(message)))
  }
})

const overWs: Transport.Transport = (url, protocols) => new Uncompressed(url, [...protocols])

const plain: Transport.Transport = (url) => overWs(url, ["plain"])

const libraries = {
  ws: ws(false),
  "ws, ndjson": ws(true),
  partysocket,
  RoomClient: roomClient(plain),
  "RoomClient, ndjson": roomClient(overWs),
  "RoomClient, platform": roomClient((url, protocols) => new WebSocket(url, [...protocols])),
  connect: connect(plain)
} satisfies Record<string, Library>

export type Name = keyof typeof libraries

export interface Cost {
  /** Milliseconds. */
  readonly wall: number
  /** Microseconds of this process. */
  readonly cpu: number
}

const text = "A dormouse sleeps through the winter, and wakes when it is spoken to."

// SAFETY: the benchmark starts it with one of the names.
const library: Library = libraries[process.argv[2] as Name]

let say: (messages: ReadonlyArray<Say>) => unknown = () => {
  throw new Error("nobody is connected")
}
let awaited = 0
let arrived: () => void = () => {}
let counted = 0
/** When who was there once is there again. */
const returns: Array<number> = []

const heard = (message: Said) => {
  if (message._tag === "Counted") counted = message.count
  if (--awaited === 0) arrived()
}

/** Says something, and ends when so many messages have come. */
const exchange = (messages: ReadonlyArray<Say>, answers: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${awaited} of ${answers} messages are missing`)), 30_000)
    awaited = answers
    arrived = () => {
      clearTimeout(timer)
      resolve()
    }
    void say(messages)
  })

const measure = async (work: () => Promise<void>): Promise<Cost> => {
  const own = process.cpuUsage()
  const start = performance.now()
  await work()
  const wall = performance.now() - start
  const { system, user } = process.cpuUsage(own)
  return { wall, cpu: user + system }
}

/** What nobody ever changes. */
const nothing = new Int32Array(new SharedArrayBuffer(4))

interface Work {
  readonly messages: number
  readonly times: number
}

const operations = {
  connect: async (address: Address): Promise<void> => {
    say = await library.connect(address, heard)
  },

  /** The room says so many messages, as fast as it can, and again when all have come. */
  receive: ({ messages, times }: Work): Promise<Cost> =>
    measure(async () => {
      for (let time = 0; time < times; time++) await exchange([{ _tag: "Talk", text, messages }], messages)
    }),

  /** The same, but the process is halted until all of them wait for it. */
  drain: async ({ messages, times }: Work): Promise<Cost> => {
    let wall = 0
    let cpu = 0
    for (let time = 0; time < times; time++) {
      const drained = exchange([{ _tag: "Talk", text, messages }], messages)
      // It leaves before the process is halted.
      await new Promise(setImmediate)
      Atomics.wait(nothing, 0, 0, messages / 50)
      const cost = await measure(() => drained)
      wall += cost.wall
      cpu += cost.cpu
    }
    return { wall, cpu }
  },

  /** The room is told so many messages, and again when it has taken all. */
  send: async ({ messages, times }: Work): Promise<Cost> => {
    await exchange([{ _tag: "Count" }], 1)
    const before = counted
    const all: ReadonlyArray<Say> = Array.from(
      { length: messages },
      (_, at) => at === messages - 1 ? { _tag: "Count" } : { _tag: "Say", text, at }
    )
    const cost = await measure(async () => {
      for (let time = 0; time < times; time++) await exchange(all, 1)
    })
    if (counted - before !== times * (messages - 1)) throw new Error(`the room has taken ${counted - before} messages`)
    return cost
  },

  /** Keeps so many connections, and ends when all are there. */
  crowd: ({ clients, ...address }: Address & { readonly clients: number }): Promise<void> =>
    new Promise((resolve) => {
      let next = 0
      let there = 0
      // Another one when one is there, so that the room is not stormed.
      const more = () => {
        if (next++ >= clients) return
        let times = 0
        library.keep!(address, () => {
          if (++times === 2) returns.push(Date.now())
          if (times > 1) return
          if (++there === clients) resolve()
          more()
        })
      }
      for (let at = 0; at < 32; at++) more()
    }),

  /** When each of so many came back, in milliseconds since 1970 and in order, once all are back. */
  back: async ({ clients }: { readonly clients: number }): Promise<Cost & { readonly returns: typeof returns }> => {
    const cost = await measure(async () => {
      const end = performance.now() + 60_000
      while (returns.length < clients) {
        if (performance.now() > end) throw new Error(`only ${returns.length} are back after a minute`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    return { ...cost, returns }
  }
}

export type Operations = typeof operations

obey(operations)
process.on("disconnect", () => process.exit())
