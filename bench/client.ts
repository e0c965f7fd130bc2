/**
 * WebSocket clients on raw TCP sockets. They frame and mask by hand, and of what comes back they only count frames and
 * messages, so that the client is not what is measured.
 */
import { randomBytes } from "node:crypto"
import { connect as connectTcp, type Socket } from "node:net"

/** A text frame as a client must send it: masked. */
export const masked = (message: string): Buffer => {
  const payload = Buffer.from(message)
  const mask = randomBytes(4)
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = 0x81
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, mask, payload])
}

export interface Options {
  readonly port: number
  readonly path: string
  /** Where it says that it comes from, as Cloudflare would. */
  readonly address: string
  readonly ndjson: boolean
  /** Called with how many messages a frame had: one or, with `ndjson`, one a line. */
  readonly count: (messages: number) => void
  /** Called once when the server closes or drops the connection. */
  readonly closed: (why: string) => void
}

export interface Client {
  readonly socket: Socket
  /** Called with the text of each message; reading it costs, so only few clients are tapped. */
  tap: ((text: string) => void) | undefined
}

/** The parser of what a server sends. */
const parser = (client: Client, { closed, count, ndjson }: Options) => {
  const head = Buffer.alloc(10)
  let have = 0
  let left = -1 // bytes of the payload still to come; -1 while the head is read
  let lines = 0
  let open = false // the last line seen has no newline yet
  let pieces = ""
  const end = () => {
    const opcode = head[0]! & 15
    if (opcode === 8) closed(`${pieces.charCodeAt(0) << 8 | pieces.charCodeAt(1)} ${pieces.slice(2)}`.trim())
    if (opcode < 3) count(ndjson ? lines + (open ? 1 : 0) : 1)
    if (opcode < 3 && client.tap !== undefined) {
      for (const line of ndjson ? pieces.split("\n") : [pieces]) if (line !== "") client.tap(line)
    }
    pieces = ""
    lines = 0
    open = false
    left = -1
    have = 0
  }
  return (data: Buffer, size: number) => {
    let at = 0
    while (at < size) {
      if (left === -1) {
        head[have++] = data[at++]!
        if (have < 2) continue
        const short = head[1]! & 127
        if (have < (short < 126 ? 2 : short === 126 ? 4 : 10)) continue
        left = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
      } else {
        const stop = at + Math.min(left, size - at)
        if (ndjson) {
          for (let next = data.indexOf(10, at); next !== -1 && next < stop; next = data.indexOf(10, next + 1)) lines++
          open = data[stop - 1] !== 10
        }
        if (client.tap !== undefined || (head[0]! & 15) === 8) pieces += data.toString("latin1", at, stop)
        left -= stop - at
        at = stop
      }
      if (left === 0) end()
    }
  }
}

// One buffer for all sockets: a read is parsed before the next one starts.
const shared = Buffer.allocUnsafe(1 << 18)

/** Connects a client to a server on this machine, and to no other. */
export const dial = (options: Options): Promise<Client> =>
  new Promise((resolve, reject) => {
    let greeting = ""
    let upgraded = false
    let over = false
    const gone = (why: string) => {
      if (over) return
      over = true
      client.socket.destroy()
      if (upgraded) options.closed(why)
      else reject(new Error(why))
    }
    const client: Client = {
      socket: connectTcp({
        port: options.port,
        host: "127.0.0.1",
        noDelay: true,
        onread: {
          buffer: shared,
          callback: (size) => {
            if (upgraded) {
              parse(shared, size)
              return true
            }
            greeting += shared.toString("latin1", 0, size)
            const end = greeting.indexOf("\r\n\r\n")
            if (end === -1) return true
            if (!greeting.startsWith("HTTP/1.1 101")) {
              gone(`the upgrade was answered ${JSON.stringify(greeting.slice(0, 200))}`)
              return false
            }
            upgraded = true
            const rest = Buffer.from(greeting.slice(end + 4), "latin1")
            parse(rest, rest.length)
            resolve(client)
            return true
          }
        }
      }),
      tap: undefined
    }
    const parse = parser(client, { ...options, closed: gone })
    client.socket.on("error", ({ message }) => gone(message))
    client.socket.on("close", () => gone("it was dropped"))
    client.socket.write([
      `GET /${options.path} HTTP/1.1`,
      "Host: bench",
      `CF-Connecting-IP: ${options.address}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      ...(options.ndjson ? ["Sec-WebSocket-Protocol: ndjson"] : []),
      "\r\n"
    ].join("\r\n"))
  })
