/** Plays what hostile connections do against a server, and looks at what comes back. */
import { randomBytes } from "node:crypto"
import * as net from "node:net"
import * as Frame from "./Frame.ts"
import type { Handshake } from "./Handshake.ts"
import { canary } from "./Payload.ts"
import type { Script } from "./Script.ts"

/** How long an answer may take on a busy machine, in milliseconds. */
const patience = 15_000

interface Line {
  readonly socket: net.Socket
  /** Ends when TCP has. */
  readonly gone: Promise<void>
}

const connect = (port: number): Promise<Line> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true })
    const gone = new Promise<void>((end) => socket.once("close", () => end()))
    socket.on("error", reject)
    socket.once("connect", () => resolve({ socket, gone }))
  })

const wait = <A>(millis: number, promise: Promise<A>): Promise<A | "late"> => {
  let timer: NodeJS.Timeout
  const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), millis)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** What is wrong with an answer to a request; nothing, if it is none at all. Of a failure of the Worker the log tells. */
const answerProblem = (answer: string, name: string): string | undefined => {
  if (answer === "") return undefined
  const status = /^HTTP\/1\.[01] (\d{3}) [^\r\n]*\r\n/.exec(answer)?.[1]
  if (status === undefined) return `${name} was answered ${JSON.stringify(answer.slice(0, 200))}`
  if (status !== "101" && answer.includes(canary)) return `${name} was answered with its own words`
  return undefined
}

/** A request; it fails with what is wrong. */
export const request = async (port: number, { bytes, name }: Handshake): Promise<void> => {
  const { gone, socket } = await connect(port)
  let answer = ""
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (data) => {
      answer += data.toString("latin1")
      if (answer.includes("\r\n\r\n")) resolve()
      if (answer.length > 100_000) socket.destroy()
    })
  })
  socket.end(bytes)
  await wait(patience, Promise.race([answered, gone]))
  socket.destroy()
  const problem = answerProblem(answer, name)
  if (problem !== undefined) throw new Error(problem)
}

const tags = new Set(["Welcome", "Joined", "Said", "Left", "Error"])

// What is wrong with a frame of the server.
const frameProblem = ({ fin, opcode, payload, reserved }: Frame.Frame, script: Script): string | undefined => {
  if (!fin || (reserved & 0b011) !== 0 || (reserved !== 0 && !script.deflates)) return "a frame that is not right"
  if (opcode === Frame.opcodes.pong) return undefined
  if (opcode === Frame.opcodes.close) {
    const code = payload.length === 0 ? 1000 : payload.length === 1 ? 0 : payload.readUInt16BE()
    const isSendable = code >= 1000 && code <= 4999 && ![1004, 1005, 1006, 1015].includes(code)
    if (!isSendable) return `a close with ${code}`
    return payload.includes(canary) ? "a close with the client's own words" : undefined
  }
  if (opcode !== Frame.opcodes.text) return `a frame with the opcode ${opcode}`
  if (reserved !== 0) return undefined
  for (const line of payload.toString().split("\n")) {
    if (line === "pong" || line === "") continue
    const message: unknown = JSON.parse(line)
    const tag = (message as { readonly _tag?: unknown } | null)?._tag
    if (typeof tag !== "string" || !tags.has(tag)) return `the message ${line.slice(0, 200)}`
    if (tag === "Error" && line.includes(canary)) return "an error with the client's own words"
  }
  return undefined
}

const upgrade = (room: string, { deflates, name, protocol }: Script) =>
  [
    `GET /rooms/${room}?name=${name} HTTP/1.1`,
    "Host: fuzz",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ...(deflates ? ["Sec-WebSocket-Extensions: permessage-deflate"] : []),
    "\r\n"
  ].join("\r\n")

/** How it went. */
export interface Played {
  /** How many frames were sent before the server closed. */
  readonly written: number
  /** The code with which the server closed. */
  readonly closed: number | undefined
}

/** A whole connection; it fails with what is wrong. */
export const play = async (port: number, room: string, script: Script): Promise<Played> => {
  const { gone, socket } = await connect(port)
  const opened = Promise.withResolvers<string>()
  const done = Promise.withResolvers<void>()
  const goodbye = randomBytes(8)
  let received: Buffer = Buffer.alloc(0)
  let isOpen = false
  let closed: number | undefined
  let problem: string | undefined
  const read = (data: Buffer) => {
    received = received.length === 0 ? data : Buffer.concat([received, data])
    if (!isOpen) {
      const head = received.indexOf("\r\n\r\n")
      if (head < 0) return
      opened.resolve(received.toString("latin1", 0, head))
      received = received.subarray(head + 4)
      isOpen = true
    }
    for (let frame = Frame.read(received); frame !== undefined; frame = Frame.read(received)) {
      received = received.subarray(frame.size)
      problem ??= frameProblem(frame, script)
      if (frame.opcode === Frame.opcodes.close) closed = frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE()
      if (closed !== undefined || frame.payload.equals(goodbye)) done.resolve()
    }
  }
  socket.on("data", (data) => {
    try {
      read(data)
    } catch (cause) {
      problem ??= String(cause)
    }
  })
  // Whatever follows happens to a connection that may be gone.
  void gone.then(() => {
    opened.resolve("")
    done.resolve()
  })
  socket.write(upgrade(room, script))
  const answer = await wait(patience, opened.promise)
  if (!answer.startsWith("HTTP/1.1 101")) {
    socket.destroy()
    throw new Error(`an upgrade was answered ${JSON.stringify(answer.slice(0, 200))}`)
  }
  if (script.leaves === "deaf") socket.pause()

  const { deeds } = script
  const bytes = Buffer.concat(deeds.map(({ bytes }) => bytes))
  const cuts = [...script.cuts.map((share) => Math.floor(share * bytes.length)).toSorted((a, b) => a - b), bytes.length]
  let at = 0
  for (const cut of cuts) {
    if (closed !== undefined || socket.destroyed) break
    socket.write(bytes.subarray(at, cut))
    at = cut
    await new Promise(setImmediate)
  }
  let sent = 0
  let written = 0
  for (const deed of deeds) if ((sent += deed.bytes.length) <= at) written += deed.frames

  const isRight = deeds.every(({ ends = false }) => !ends)
  if (isRight && (script.leaves === "close" || script.leaves === "end")) {
    const opcode = script.leaves === "close" ? Frame.opcodes.close : Frame.opcodes.ping
    const payload = script.leaves === "close" ? Frame.closePayload(4000) : goodbye
    socket.write(Frame.encode({ opcode, payload }))
    if (await wait(patience, done.promise) === "late") {
      problem ??= `the ${script.leaves} of a connection is not answered`
    }
  } else {
    await wait(10, done.promise)
  }
  if (script.leaves === "reset") socket.resetAndDestroy()
  else if (script.leaves === "deaf") socket.destroy()
  else socket.end()
  await wait(20, gone)
  socket.destroy()
  if (problem !== undefined) throw new Error(problem)
  return { written, closed }
}
