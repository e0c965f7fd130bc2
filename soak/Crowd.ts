/** Clients of chats that talk, come and go, and ping. */
import { performance } from "node:perf_hooks"
import WebSocket from "ws"

/** Clients of a room. */
const size = 50

/** Milliseconds between two pings of a client. */
const pingPause = 25_000

/** Messages a second, and clients that leave and come back a second. */
const rates = { talk: 60, churn: 10 }

interface Client {
  socket: WebSocket
  readonly room: string
  /** Pings without an answer. */
  waiting: number
}

interface Spoken {
  readonly at: number
  /** Who was there, and has not heard it yet. */
  readonly deaf: Set<Client>
}

export interface Crowd {
  readonly rooms: ReadonlyArray<string>
  /** Rooms in which nobody speaks. */
  readonly quiet: ReadonlyArray<string>
  readonly fill: (clients: number, onProgress: (open: number) => void) => Promise<void>
  readonly start: () => void
  readonly stop: () => void
  readonly open: () => number
  readonly unanswered: () => number
  readonly quietPings: () => number
  /** Since the last report. Times are in milliseconds. */
  readonly report: () => { said: number; lost: number; p50: number; p99: number; pings: number }
  readonly close: () => void
}

export const make = (port: number): Crowd => {
  const rooms: Array<string> = []
  const quiet: Array<string> = []
  const clients: Array<Client> = []
  const speaking: Array<Client> = []
  const members = new Map<string, Set<Client>>()
  const spoken = new Map<string, Spoken>()
  const timers: Array<NodeJS.Timeout> = []
  let times: Array<number> = []
  let said = 0
  let lost = 0
  let pings = 0
  let quietPings = 0
  let count = 0

  const hear = (client: Client, text: string) => {
    if (text === "pong") {
      client.waiting--
      return
    }
    const now = performance.now()
    for (const line of text.split("\n")) {
      const id = /"text":"#(\d+)"/.exec(line)?.[1]
      const message = id === undefined ? undefined : spoken.get(id)
      if (message === undefined || !message.deaf.delete(client)) continue
      times.push(now - message.at)
      if (message.deaf.size === 0) spoken.delete(id!)
    }
  }

  const connect = (client: Omit<Client, "socket"> & { socket: WebSocket | undefined }) =>
    new Promise<Client>((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/rooms/${client.room}?name=soak`, "ndjson", {
        perMessageDeflate: false
      })
      client.socket = socket
      // SAFETY: it has a socket now.
      const whole = client as Client
      socket.on("message", (data) => hear(whole, String(data)))
      socket.on("error", reject)
      socket.on(
        "unexpected-response",
        (_, { statusCode }) => reject(new Error(`A client was refused with ${statusCode}.`))
      )
      socket.on("open", () => {
        members.get(client.room)!.add(whole)
        resolve(whole)
      })
    })

  const leave = (client: Client) => {
    members.get(client.room)!.delete(client)
    for (const [id, { deaf }] of spoken) if (deaf.delete(client) && deaf.size === 0) spoken.delete(id)
    client.waiting = 0
    client.socket.removeAllListeners("message")
    client.socket.close(1000)
  }

  const speak = () => {
    const client = speaking[Math.floor(Math.random() * speaking.length)]
    if (client === undefined || client.socket.readyState !== WebSocket.OPEN) return
    const id = `${count++}`
    spoken.set(id, { at: performance.now(), deaf: new Set(members.get(client.room)) })
    client.socket.send(`{"_tag":"Say","text":"#${id}"}`)
    said++
  }

  const churn = () => {
    const client = speaking[Math.floor(Math.random() * speaking.length)]
    if (client === undefined || client.socket.readyState !== WebSocket.OPEN) return
    leave(client)
    connect(client).catch(() => lost++)
  }

  // All of them within the pause, and not at once.
  let next = 0
  const ping = () => {
    for (let n = 0; n < clients.length / (pingPause / 100); n++) {
      const client = clients[next++ % clients.length]!
      if (client.socket.readyState !== WebSocket.OPEN) continue
      client.waiting++
      client.socket.send("ping")
      pings++
      if (quiet.includes(client.room)) quietPings++
    }
  }

  return {
    rooms,
    quiet,
    fill: async (most, onProgress) => {
      while (clients.length < most) {
        const room = `soak-${rooms.length}`
        rooms.push(room)
        members.set(room, new Set())
        const isQuiet = rooms.length % 10 === 0
        if (isQuiet) quiet.push(room)
        const places = Array.from({ length: Math.min(size, most - clients.length) })
        const batch = await Promise.all(places.map(() => connect({ room, waiting: 0, socket: undefined })))
        clients.push(...batch)
        if (!isQuiet) speaking.push(...batch)
        onProgress(clients.length)
      }
    },
    start: () =>
      void timers.push(
        setInterval(speak, 1_000 / rates.talk),
        setInterval(churn, 1_000 / rates.churn),
        setInterval(ping, 100)
      ),
    stop: () => timers.forEach(clearInterval),
    open: () => clients.filter(({ socket }) => socket.readyState === WebSocket.OPEN).length,
    unanswered: () => clients.filter(({ waiting }) => waiting > 1).length,
    quietPings: () => quietPings,
    report: () => {
      const now = performance.now()
      for (const [id, { at }] of spoken) {
        if (now - at < 30_000) continue
        lost++
        spoken.delete(id)
      }
      const sorted = times.toSorted((a, b) => a - b)
      const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0)
      const report = { said, lost, p50: at(0.5), p99: at(0.99), pings }
      times = []
      said = lost = pings = 0
      return report
    },
    close: () => clients.forEach(({ socket }) => socket.terminate())
  }
}
