/**
 * The load generator: a process of its own, with the clients of one server. It reads the server's processor time itself, right
 * before and right after the work.
 *
 * It is driven over IPC (see ipc.ts). Started with the argument `source`, it is instead a server that answers
 * with ready-made frames: that shows how much the generator itself can take.
 */
import { createServer, type Socket } from "node:net"
import { performance } from "node:perf_hooks"
import { type Client, dial, masked } from "./client.ts"
import * as Hostile from "./hostile.ts"
import { obey } from "./ipc.ts"
import { cpuMicros } from "./proc.ts"

export interface Measured {
  /** Milliseconds from the first byte sent until the last one awaited. */
  readonly wall: number
  /** Microseconds of the server's processor time. */
  readonly cpu: number
  /** Messages delivered to clients. */
  readonly delivered: number
  /** The generator's own processor time as a share of the wall time. */
  readonly busy: number
}

export interface Timed extends Measured {
  readonly p50: number
  readonly p99: number
}

interface Connect {
  readonly room: string
  readonly clients: number
  readonly ndjson: boolean
  /** Bytes of state that the room keeps for each connection. */
  readonly state?: number
}

interface Room {
  readonly connections: Array<Client>
  received: number
  awaited: number
  arrived: (() => void) | undefined
}

const rooms = new Map<string, Room>()
const server = { port: Number(process.argv[2]), pid: Number(process.argv[3]) }

const sleep = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

const text = "A dormouse sleeps through the winter, and wakes when it is spoken to."
const echo = JSON.stringify({ _tag: "Echo", text })
const each = JSON.stringify({ _tag: "Each", text })
const goodbye = Buffer.from([0x88, 0x80, 0, 0, 0, 0]) // a close frame without a code
const broadcast = (at: number) => JSON.stringify({ _tag: "Broadcast", text, at })

const open = (options: Connect, index: number, room: Room): Promise<Client> => {
  const query = new URLSearchParams({ user: `u${index}`, label: index < 10 ? "few" : "many" })
  if (options.state !== undefined) query.set("state", String(options.state))
  return dial({
    port: server.port,
    path: `${options.room}?${query}`,
    address: addressOf(index),
    ndjson: options.ndjson,
    count: (messages) => {
      room.received += messages
      if (room.received >= room.awaited) room.arrived?.()
    },
    closed: (why) => {
      throw new Error(`the server closed a connection: ${why}`)
    }
  })
}

const roomOf = (name: string): Room => {
  const room = rooms.get(name)
  if (room === undefined) throw new Error(`nobody is connected to ${name}`)
  return room
}

/** Resolves as soon as the room's clients together have received `messages` more than when `send` was called. */
const receive = (room: Room, messages: number, send: () => void) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`only ${room.received} of ${room.awaited} messages arrived within a minute`)),
      60_000
    )
    room.received = 0
    room.awaited = messages
    room.arrived = () => {
      room.arrived = undefined
      clearTimeout(timer)
      resolve()
    }
    send()
  })

const measured = async (work: () => Promise<number>): Promise<Measured> => {
  const own = process.cpuUsage()
  const cpu = cpuMicros(server.pid)
  const start = performance.now()
  const delivered = await work()
  const wall = performance.now() - start
  const { system, user } = process.cpuUsage(own)
  return { wall, cpu: cpuMicros(server.pid) - cpu, delivered, busy: (user + system) / 1000 / wall }
}

const percentile = (sorted: Float64Array, share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN

const timed = (result: Measured, latencies: ReadonlyArray<number>): Timed => {
  const sorted = Float64Array.from(latencies).toSorted()
  return { ...result, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}

let desist = (): Promise<Hostile.Outcome> => Promise.reject(new Error("nobody attacks"))

/** A bystander of everybody else, so that no limit of an address holds for all of them. */
const addressOf = (index: number) => `10.0.${index >> 8}.${index & 255}`

/** Sends one message and answers with the text of the reply. */
const ask = async (room: Room, message: object): Promise<string> => {
  const [first] = room.connections
  let reply = ""
  first!.tap = (line) => (reply = line)
  await receive(room, 1, () => first!.socket.write(masked(JSON.stringify(message))))
  first!.tap = undefined
  return reply
}

const operations = {
  /** Adds clients to a room, until it has as many as asked for. */
  connect: async (options: Connect): Promise<void> => {
    const room = rooms.get(options.room) ?? { connections: [], received: 0, awaited: 0, arrived: undefined }
    rooms.set(options.room, room)
    let next = room.connections.length
    const connecting = async () => {
      while (next < options.clients) room.connections.push(await open(options, next++, room))
    }
    await Promise.all(Array.from({ length: 32 }, connecting))
    // Whatever a server may send to a newcomer is not part of the work.
    for (let before = -1; before !== room.received; await sleep(30)) before = room.received
  },

  /** One message at a time, answered to its sender; no further one after so many seconds. */
  echo: async (options: {
    readonly room: string
    readonly messages: number
    readonly seconds?: number
    /** How many clients take turns. */
    readonly speakers?: number
  }): Promise<Timed> => {
    const { messages, room, seconds = Infinity, speakers = 1 } = options
    const at = roomOf(room)
    const frame = masked(echo)
    const latencies: Array<number> = []
    const result = await measured(async () => {
      const end = performance.now() + seconds * 1000
      do {
        const start = performance.now()
        const { socket } = at.connections[latencies.length % speakers]!
        await receive(at, 1, () => socket.write(frame))
        latencies.push(performance.now() - start)
      } while (latencies.length < messages && performance.now() < end)
      return latencies.length
    })
    return timed(result, latencies)
  },

  /**
   * One message at a time to everybody, or one for each of them; the next one leaves when the last client has received it.
   */
  deliver: (options: {
    readonly room: string
    readonly messages: number
    readonly singly?: boolean
  }): Promise<Measured> => {
    const { messages, room, singly = false } = options
    const at = roomOf(room)
    const { socket } = at.connections[0]!
    const frame = masked(singly ? each : broadcast(0))
    return measured(async () => {
      for (let i = 0; i < messages; i++) await receive(at, at.connections.length, () => socket.write(frame))
      return messages * at.connections.length
    })
  },

  /** One client sends all its messages at once; the clock stops when the last client has the last one. */
  burst: (options: {
    readonly room: string
    readonly messages: number
    /** How many messages a frame of the sender has, a line each. */
    readonly perFrame: number
  }): Promise<Measured> => {
    const { messages, perFrame, room } = options
    const at = roomOf(room)
    const frames = Buffer.concat(
      Array.from({ length: Math.ceil(messages / perFrame) }, (_, index) => {
        const lines = Math.min(perFrame, messages - index * perFrame)
        return masked(Array.from({ length: lines }, () => broadcast(0)).join("\n"))
      })
    )
    const expected = messages * at.connections.length
    return measured(async () => {
      await receive(at, expected, () => at.connections[0]!.socket.write(frames))
      return expected
    })
  },

  /**
   * Every client sends at a steady pace, evenly spread over the second, whether or not the server keeps up. A message carries
   * the time at which it was due, so a generator that is late is not taken for a fast server. Latency is read at eight
   * clients. What has not arrived when the window ends is not waited for.
   */
  talk: async (options: {
    readonly room: string
    readonly perSecond: number
    readonly seconds: number
  }): Promise<Timed> => {
    const at = roomOf(options.room)
    const clients = at.connections
    const latencies: Array<number> = []
    const start = performance.now()
    const step = Math.max(1, Math.floor(clients.length / 8))
    for (let i = 0; i < clients.length; i += step) {
      clients[i]!.tap = (line) => {
        const sent = /"at":([\d.]+)/.exec(line)?.[1]
        latencies.push(performance.now() - start - Number(sent))
      }
    }
    at.received = 0
    at.arrived = undefined
    const rate = clients.length * options.perSecond / 1000
    const total = rate * options.seconds * 1000
    const result = await measured(async () => {
      for (let sent = 0; sent < total; await sleep(1)) {
        const due = Math.min(total, Math.floor((performance.now() - start) * rate))
        for (; sent < due; sent++) clients[sent % clients.length]!.socket.write(masked(broadcast(sent / rate)))
      }
      return at.received
    })
    for (const client of clients) client.tap = undefined
    return timed(result, latencies)
  },

  /** The first message after a sleep. */
  wake: async ({ room }: { readonly room: string }): Promise<Measured> => {
    const at = roomOf(room)
    const frame = masked(echo)
    return measured(async () => {
      await receive(at, 1, () => at.connections[0]!.socket.write(frame))
      return 1
    })
  },

  /** Which instance of the object answers: another one after a hibernation. */
  born: ({ room }: { readonly room: string }): Promise<string> => ask(roomOf(room), { _tag: "Born" }),

  /** The Worker calls its room, one call after the other. */
  call: ({ room, times }: { readonly room: string; readonly times: number }): Promise<Measured> =>
    measured(async () => {
      const response = await fetch(`http://127.0.0.1:${server.port}/${room}?times=${times}`)
      if (!response.ok || Number(await response.text()) < times) throw new Error("the calls were not answered")
      return times
    }),

  /** Clients come and go, one after the other. */
  visit: ({ room, times }: { readonly room: string; readonly times: number }): Promise<Measured> =>
    measured(async () => {
      for (let time = 0; time < times; time++) {
        await new Promise<void>((closed, reject) => {
          dial({
            port: server.port,
            path: room,
            address: addressOf(0),
            ndjson: false,
            count: () => {},
            closed: () => closed()
          })
            .then(({ socket }) => socket.write(goodbye), reject)
        })
      }
      return times
    }),

  /** The room sets deadlines, all of them in one event. */
  set: ({ room, ...deadlines }: {
    readonly room: string
    readonly first: number
    readonly end: number
    /** When the first of them is due, and the milliseconds between two. */
    readonly at: number
    readonly step: number
  }): Promise<Measured> =>
    measured(async () => {
      await ask(roomOf(room), { _tag: "Set", ...deadlines })
      return 1
    }),

  /** From the time at which they are due until the room says that all have fired. */
  fired: async ({ at, room }: { readonly room: string; readonly at: number }): Promise<Measured> => {
    // While nothing is due the server does nothing, so it costs nothing to look at it too early.
    const early = at - Date.now()
    if (early < 0) throw new Error("they were set too late to be watched")
    const result = await measured(async () => {
      await receive(roomOf(room), 1, () => {})
      return 1
    })
    return { ...result, wall: result.wall - early }
  },

  /** The room looks connections up, many times in a row. */
  find: async (options: {
    readonly room: string
    readonly by: "id" | "user" | "label"
    readonly key: string
    readonly times: number
  }): Promise<Measured & { readonly found: number }> => {
    let reply = ""
    const { by, key, times } = options
    const result = await measured(async () => {
      reply = await ask(roomOf(options.room), { _tag: "Find", by, key, times })
      return 1
    })
    return { ...result, found: Number(/"count":(\d+)/.exec(reply)?.[1]) }
  },

  /** One client more begins to do its worst. */
  attack: async (
    options: { readonly room: string; readonly ndjson: boolean; readonly deed: Hostile.Name }
  ): Promise<void> => {
    desist = Hostile.attack({ ...options, port: server.port })
  },

  /** It stops. */
  desist: (): Promise<Hostile.Outcome> => desist()
}

export type Operations = typeof operations

const source = () => {
  const said = Buffer.from(JSON.stringify({ _tag: "Said", text, at: 0 }))
  const head = Buffer.from([0x81, said.length])
  const single = Buffer.concat([head, said])
  const line = Buffer.concat([said, Buffer.from("\n")])
  const joined = (lines: number) => {
    const head = Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0])
    head.writeUInt32BE(line.length * lines, 6)
    return Buffer.concat([head, ...Array.from({ length: lines }, () => line)])
  }
  const incoming = masked(broadcast(0)).length
  const sockets = new Map<Socket, boolean>()
  const listener = createServer((socket) => {
    let bytes = 0
    socket.setNoDelay(true)
    socket.on("error", () => sockets.delete(socket))
    socket.on("data", (data) => {
      if (!sockets.has(socket)) {
        sockets.set(socket, data.includes("ndjson"))
        socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        return
      }
      bytes += data.length
      const messages = Math.floor(bytes / incoming)
      bytes -= messages * incoming
      if (messages === 0) return
      const frames = sockets.get(socket)
        ? joined(messages)
        : Buffer.concat(Array.from({ length: messages }, () => single))
      for (const each of sockets.keys()) each.write(frames)
    })
  })
  listener.listen(0, "127.0.0.1", () => process.send!({ port: (listener.address() as { port: number }).port }))
}

if (process.argv[2] === "source") {
  source()
} else {
  obey(operations)
}
process.on("disconnect", () => process.exit())
