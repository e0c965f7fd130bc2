/**
 * The chat's server, and clients that talk to it over TCP: the Worker as it is deployed, or the same room in plain Node.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import * as http from "node:http"
import * as net from "node:net"
import { afterAll, beforeAll, inject } from "vitest"
import { createTestHarness } from "wrangler"
import WebSocket from "ws"
import * as Frame from "../../fuzz/Frame.ts"

export interface Welcome {
  readonly _tag: "Welcome"
  readonly connection: string
  readonly name: string
  readonly connections: number
}

export interface Joined {
  readonly _tag: "Joined"
  readonly connection: string
  readonly name: string
  readonly connections: number
}

export interface Said {
  readonly _tag: "Said"
  readonly connection: string
  readonly name: string
  readonly text: string
}

export interface Left {
  readonly _tag: "Left"
  readonly connection: string
  readonly name: string
  readonly connections: number
  readonly code: number
  readonly reason: string
}

export interface Complaint {
  readonly _tag: "Error"
  readonly code: string
  readonly message: string
}

export type Message = Welcome | Joined | Said | Left | Complaint

export interface Closed {
  readonly code: number
  readonly reason: string
}

/** Rejects when a promise has not settled in time. */
export const within = <A>(millis: number, promise: Promise<A>, what: string): Promise<A> => {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${millis} ms`)), millis)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

type Tagged<Tag extends Message["_tag"]> = Extract<Message, { readonly _tag: Tag }>

interface Queue {
  readonly unread: Array<Message>
  readonly waiting: Array<(message: Message) => void>
}

/** What the room sends to one client: records all of it, and hands it out in order. */
class Inbox {
  /** Every message so far, in the order in which it came. */
  readonly messages: Array<Message> = []
  readonly #queues = new Map<string, Queue>()

  /** The next message of a tag; those of other tags stay to be asked for. */
  next<Tag extends Message["_tag"]>(tag: Tag, millis = 5_000): Promise<Tagged<Tag>> {
    const { unread, waiting } = this.#queue(tag)
    const message = unread.shift()
    // SAFETY: a queue holds the messages of its tag.
    if (message !== undefined) return Promise.resolve(message as Tagged<Tag>)
    const arrival = new Promise<Message>((resolve) => waiting.push(resolve))
    return within(millis, arrival as Promise<Tagged<Tag>>, `The message ${tag}`)
  }

  protected receive(text: string): void {
    const message: Message = JSON.parse(text)
    this.messages.push(message)
    const { unread, waiting } = this.#queue(message._tag)
    const resolve = waiting.shift()
    if (resolve === undefined) unread.push(message)
    else resolve(message)
  }

  #queue(tag: string): Queue {
    const queue = this.#queues.get(tag) ?? { unread: [], waiting: [] }
    this.#queues.set(tag, queue)
    return queue
  }
}

/** A member of a chat room, on the `ws` client. */
export class ChatClient extends Inbox {
  readonly socket: WebSocket
  /** How the connection ended, as this client sees it. */
  readonly closed: Promise<Closed>
  /** Frames that are no JSON, like `pong`. */
  readonly texts: Array<string> = []
  welcome: Welcome = { _tag: "Welcome", connection: "", name: "", connections: 0 }

  constructor(url: string, options: WebSocket.ClientOptions = {}) {
    super()
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options })
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    this.socket.on("error", () => undefined)
    this.socket.on("message", (data) => {
      const text = data.toString()
      if (text.startsWith("{")) this.receive(text)
      else this.texts.push(text)
    })
  }

  get id(): string {
    return this.welcome.connection
  }

  /** Connected, and welcomed. */
  async enter(): Promise<this> {
    this.welcome = await this.next("Welcome")
    return this
  }

  say(text: string): void {
    this.socket.send(JSON.stringify({ _tag: "Say", text }))
  }

  /** Asks the runtime for a `pong`. */
  async ping(millis = 1_000): Promise<string> {
    const answer = once(this.socket, "message")
    this.socket.send("ping")
    const [data] = await within(millis, answer, "The answer to a ping")
    return String(data)
  }

  /** Closes, and waits for the end of the close handshake. */
  close(code?: number, reason?: string | Buffer): Promise<Closed> {
    this.socket.close(code, reason)
    return within(1_000, this.closed, "The end of the close handshake")
  }

  /** Breaks the connection off: the peer's TCP sees a reset. */
  reset(): void {
    // `ws` keeps the TCP socket to itself.
    const { _socket } = this.socket as unknown as { readonly _socket: net.Socket }
    _socket.resetAndDestroy()
  }
}

/** Waits until everybody heard something new of a speaker: whatever was sent before it has arrived by then. */
export const settle = async (speaker: ChatClient, ...others: ReadonlyArray<Inbox>): Promise<void> => {
  const text = `settled ${randomBytes(8).toString("hex")}`
  speaker.say(text)
  await Promise.all([speaker, ...others].map(async (client) => {
    for (let said = await client.next("Said"); said.text !== text; said = await client.next("Said"));
  }))
}

/** A member of a chat room that writes its frames byte by byte. */
export class RawClient extends Inbox {
  readonly socket: net.Socket
  readonly frames: Array<Frame.Frame> = []
  /** The payload of the server's close frame; rejects where TCP ends without one. */
  readonly closeFrame: Promise<Buffer>
  /** TCP has ended. */
  readonly ended: Promise<void>
  /** The handshake is done. */
  readonly opened: Promise<void>
  welcome: Welcome = { _tag: "Welcome", connection: "", name: "", connections: 0 }

  constructor(url: URL) {
    super()
    const key = randomBytes(16).toString("base64")
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
    this.socket = net.connect(Number(url.port), url.hostname)
    this.socket.setNoDelay(true)
    this.socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`
    )
    const open = Promise.withResolvers<void>()
    const close = Promise.withResolvers<Buffer>()
    const end = Promise.withResolvers<void>()
    this.opened = open.promise
    this.closeFrame = close.promise
    this.ended = end.promise
    this.opened.catch(() => undefined)
    this.closeFrame.catch(() => undefined)
    let isOpen = false
    let received: Buffer = Buffer.alloc(0)
    this.socket.on("data", (data) => {
      received = Buffer.concat([received, data])
      if (!isOpen) {
        const head = received.indexOf("\r\n\r\n")
        if (head < 0) return
        const text = received.subarray(0, head).toString()
        received = received.subarray(head + 4)
        if (!text.startsWith("HTTP/1.1 101") || !text.includes(accept)) return open.reject(new Error(text))
        isOpen = true
        open.resolve()
      }
      for (let frame = Frame.read(received); frame !== undefined; frame = Frame.read(received)) {
        received = received.subarray(frame.size)
        this.frames.push(frame)
        if (frame.opcode === 0x1) this.receive(frame.payload.toString())
        if (frame.opcode === 0x8) close.resolve(frame.payload)
      }
    })
    this.socket.on("error", () => undefined)
    this.socket.on("close", () => {
      const ended = new Error("TCP ended")
      open.reject(ended)
      close.reject(ended)
      end.resolve()
    })
  }

  get id(): string {
    return this.welcome.connection
  }

  /** Connected, and welcomed. */
  async enter(): Promise<this> {
    await within(5_000, this.opened, "The handshake")
    this.welcome = await this.next("Welcome")
    return this
  }

  send(frame: Frame.Options): void {
    this.socket.write(Frame.encode(frame))
  }

  /** Sends a close frame as it is, and waits for the server's. */
  close(payload: Buffer): Promise<Buffer> {
    this.send({ opcode: 0x8, payload })
    return within(1_000, this.closeFrame, "The server's close frame")
  }
}

/** An HTTP response with its whole body. */
export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Query {
  readonly [key: string]: string
}

declare module "vitest" {
  interface ProvidedContext {
    /** The server that a project's tests talk to; the Worker, unless given. */
    readonly server?: "worker" | "node"
  }
}

/** The server that the tests talk to. */
export const server = inject("server") ?? "worker"

/** How a test finds its room. Nothing sleeps in Node. */
export const states: ReadonlyArray<readonly [state: string, isAsleep: boolean]> = server === "worker"
  ? [["awake", false], ["asleep", true]]
  : [["awake", false]]

interface Server {
  readonly start: () => Promise<URL>
  readonly stop: () => Promise<void>
  readonly evict: (room: string) => Promise<void>
  /** The room goes, and its sockets with it. */
  readonly crash: (room: string) => Promise<void>
  readonly logs: () => ReadonlyArray<string>
}

const root = new URL("../..", import.meta.url).pathname

/** Limits for tests, all of whose clients come from one address, at once, and speak as fast as they can. */
export const crowd = {
  connectionsPerAddress: 10_000,
  connectsPerAddress: 1_000_000,
  newRoomsPerAddress: 1_000_000,
  messagesPerSecond: 1_000_000,
  messageBurst: 1_000_000
}

// The Worker as it is deployed.
const deployed = (secrets: Readonly<Record<string, string>>): Server => {
  const harness = createTestHarness({
    root,
    workers: [{ configPath: "./wrangler.toml", vars: { LIMITS: JSON.stringify(crowd) }, secrets: { ...secrets } }]
  })
  return {
    start: async () => (await harness.listen()).url,
    stop: () => harness.close(),
    evict: (room) => harness.getWorker().evictDurableObject("ChatRoom", { name: room, webSockets: "hibernate" }),
    crash: (room) => harness.getWorker().evictDurableObject("ChatRoom", { name: room, webSockets: "close" }),
    logs: () => harness.getLogs().map(({ message }) => message)
  }
}

/** Starts the example in Node; `line` is the first that it prints. */
export const startNode = async (...options: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, ["examples/node/src/server.ts", ...options], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [output] = await within(10_000, once(child.stdout, "data"), "The first line of the server")
  const line = String(output)
  return { child, line, url: new URL(/http:\/\/[\d.]+:\d+/.exec(line)?.[0] ?? "") }
}

// The example, as a process of its own.
const inNode = (): Server => {
  let child: ChildProcess | undefined
  let output = ""
  return {
    start: async () => {
      const started = await startNode("--port", "0")
      child = started.child
      child.stdout?.on("data", (data) => output += data)
      return started.url
    },
    stop: async () => {
      if (child?.kill("SIGINT")) await once(child, "exit")
    },
    evict: () => Promise.resolve(),
    crash: () => Promise.reject(new Error("A room in Node goes with its process")),
    logs: () => output.split("\n").filter((line) => line !== "")
  }
}

/** Runs the chat's server, for the tests of one file. The Worker has these secrets. */
export const useWorker = (secrets: Readonly<Record<string, string>> = {}) => {
  const { crash, evict, logs, start, stop } = server === "worker" ? deployed(secrets) : inNode()
  let origin = new URL("http://127.0.0.1")
  let rooms = 0
  const leftOver: Array<() => void> = []

  beforeAll(async () => {
    origin = await start()
  })
  afterAll(() => {
    for (const end of leftOver) end()
    return stop()
  })

  const address = (room: string, query: Query, scheme: string): URL => {
    const url = new URL(`/rooms/${room}`, origin)
    url.protocol = scheme
    url.search = new URLSearchParams(query).toString()
    return url
  }

  return {
    /** The host and the port that the server listens on. */
    host: () => origin.host,

    /** Each line that the server has logged, the oldest first. */
    logs,

    /** A room that no other test enters. */
    room: (): string => `room-${++rooms}`,

    /** Enters a room, by the `ws` client. */
    join: async (room: string, query: Query = {}, options: WebSocket.ClientOptions = {}): Promise<ChatClient> => {
      const client = new ChatClient(address(room, query, "ws:").href, options)
      leftOver.push(() => client.socket.terminate())
      return client.enter()
    },

    /** Enters a room as several clients, one after the other; each knows of those after it by the time all are in. */
    joinAll: async (room: string, ...names: ReadonlyArray<string>): Promise<ReadonlyArray<ChatClient>> => {
      const clients: Array<ChatClient> = []
      for (const name of names) {
        const client = new ChatClient(address(room, { name }, "ws:").href)
        leftOver.push(() => client.socket.terminate())
        await client.enter()
        await Promise.all(clients.map((other) => other.next("Joined")))
        clients.push(client)
      }
      return clients
    },

    /** Enters a room, by a bare TCP socket. */
    joinRaw: async (room: string, query: Query = {}): Promise<RawClient> => {
      const client = new RawClient(address(room, query, "http:"))
      leftOver.push(() => client.socket.destroy())
      return client.enter()
    },

    /** Sends the room to sleep, where rooms sleep. Its sockets stay open. */
    sleep: evict,

    /** The room's object goes, and its sockets with it. */
    crash,

    /** Tells whether a room sleeps, without waking it; sends it to sleep where it does not. */
    isAsleep: async (room: string): Promise<boolean> => {
      try {
        await evict(room)
        return false
      } catch (cause) {
        if (cause instanceof Error && cause.message.includes("not currently running")) return true
        throw cause
      }
    },

    /** Asks for a path exactly as it is written. */
    ask: async (
      path: string,
      { body: sent, headers = {}, method = "GET" }: {
        readonly method?: string
        readonly headers?: http.OutgoingHttpHeaders
        readonly body?: string
      } = {}
    ): Promise<Answer> => {
      const request = http.request({ host: origin.hostname, port: origin.port, path, method, headers, agent: false })
      leftOver.push(() => request.destroy())
      const answer = Promise.withResolvers<http.IncomingMessage>()
      request.on("response", answer.resolve)
      request.on("error", answer.reject)
      request.on("upgrade", (response, socket) => {
        leftOver.push(() => socket.destroy())
        answer.resolve(response)
      })
      request.end(sent)
      const response = await within(5_000, answer.promise, "The response")
      let body = ""
      if (response.statusCode !== 101) {
        for await (const chunk of response.setEncoding("utf8")) body += chunk
      }
      return { status: response.statusCode ?? 0, headers: response.headers, body }
    }
  }
}

/** The headers that ask for a WebSocket. */
export const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="
}
