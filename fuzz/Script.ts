/**
 * What one hostile connection sends, made of nothing but a seed: so the same seed sends the same bytes, whatever the server
 * does meanwhile.
 */
import { deflateRawSync } from "node:zlib"
import * as Frame from "./Frame.ts"
import * as Payload from "./Payload.ts"
import type { Random } from "./Random.ts"

/** One thing that it sends. */
export interface Deed {
  readonly name: string
  /** One frame or several. */
  readonly frames: number
  readonly bytes: Buffer
  /** Breaks the WebSocket protocol, or ends the connection: nothing can be expected of the server after it. */
  readonly ends?: boolean
}

/** A whole connection. */
export interface Script {
  readonly room: number
  readonly name: string
  readonly protocol: string | undefined
  /** Offers `permessage-deflate`. */
  readonly deflates: boolean
  readonly deeds: ReadonlyArray<Deed>
  /** How it leaves: by a close, by ending TCP, by a reset, or by reading no more. */
  readonly leaves: "close" | "end" | "reset" | "deaf"
  /** How its bytes are cut into writes. */
  readonly cuts: ReadonlyArray<number>
}

const { binary, close, continuation, ping, pong, text } = Frame.opcodes

// Each mask is of the seed, too.
const frame = (random: Random, options: Frame.Options): Buffer => Frame.encode({ mask: random.bytes(4), ...options })

const said = (random: Random): Deed => {
  const { bytes, name } = Payload.make(random)
  return { name, frames: 1, bytes: frame(random, { opcode: text, payload: bytes }) }
}

// A message in parts, with control frames between them.
const fragments = (random: Random): Deed => {
  const { bytes, name } = Payload.make(random)
  const frames: Array<Buffer> = []
  const parts = random.between(2, 6)
  for (let part = 0, at = 0; part < parts; part++) {
    const end = part === parts - 1 ? bytes.length : Math.min(bytes.length, at + random.below(bytes.length + 1))
    const fin = part === parts - 1
    frames.push(frame(random, { opcode: part === 0 ? text : continuation, fin, payload: bytes.subarray(at, end) }))
    if (!fin && random.chance(0.3)) {
      frames.push(frame(random, { opcode: ping, payload: random.bytes(random.below(126)) }))
    }
    at = end
  }
  return { name: `${name}, in parts`, frames: frames.length, bytes: Buffer.concat(frames) }
}

const harmless = (random: Random): Deed => {
  const bytes = random.bytes(random.below(126))
  return random.pick<() => Deed>([
    () => ({ name: "bytes", frames: 1, bytes: frame(random, { opcode: binary, payload: bytes }) }),
    () => ({ name: "a ping", frames: 1, bytes: frame(random, { opcode: ping, payload: bytes }) }),
    () => ({ name: "a pong that nobody asked for", frames: 1, bytes: frame(random, { opcode: pong, payload: bytes }) }),
    () => ({ name: "nothing", frames: 1, bytes: frame(random, { opcode: random.pick([text, binary]) }) })
  ])()
}

const reservedCodes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535]

const wrongClose = (random: Random): Buffer =>
  random.pick([
    () => random.bytes(1),
    () => Frame.closePayload(random.pick(reservedCodes)),
    () => Frame.closePayload(random.pick(reservedCodes), "why not"),
    () => Frame.closePayload(random.pick([1000, 4000]), Buffer.from("c328ff", "hex")),
    () => Frame.closePayload(4000, Buffer.alloc(123, 0xff)),
    () => random.bytes(random.between(2, 125))
  ])()

const breaks: ReadonlyArray<readonly [name: string, make: (random: Random, payload: Buffer) => Buffer]> = [
  ["an unmasked frame", (random, payload) => frame(random, { opcode: text, masked: false, payload })],
  ["reserved bits", (random, payload) => frame(random, { opcode: text, reserved: random.between(1, 7), payload })],
  ["a reserved opcode", (random, payload) => frame(random, { opcode: random.pick([3, 4, 7, 11, 13, 15]), payload })],
  [
    "a continuation of nothing",
    (random, payload) => frame(random, { opcode: continuation, fin: random.chance(0.5), payload })
  ],
  [
    "a message within a message",
    (random, payload) =>
      Buffer.concat([
        frame(random, { opcode: random.pick([text, binary]), fin: false, payload }),
        frame(random, { opcode: random.pick([text, binary]), payload })
      ])
  ],
  [
    "a control frame that is too long",
    (random) =>
      frame(random, { opcode: random.pick([close, ping, pong]), payload: random.bytes(random.pick([126, 70_000])) })
  ],
  ["a control frame in parts", (random) => frame(random, { opcode: random.pick([close, ping, pong]), fin: false })],
  [
    "a length in too many bytes",
    (random, payload) => frame(random, { opcode: text, width: random.pick([2, 8]), payload })
  ],
  [
    "a length that is too long",
    (random, payload) =>
      frame(random, { opcode: text, payload, length: random.pick([70_000, 2 ** 25 + 1, 2 ** 40, 2 ** 52]) })
  ],
  [
    "a length beyond 63 bits",
    (random, payload) => frame(random, { opcode: text, payload, width: 8, length: 2n ** 63n + 5n })
  ],
  [
    "a length that is too short",
    (random, payload) =>
      frame(random, { opcode: text, payload, length: Math.max(0, payload.length - random.between(1, 9)), width: 2 })
  ],
  ["a wrong close", (random) => frame(random, { opcode: close, payload: wrongClose(random) })],
  [
    "data behind a close",
    (random, payload) =>
      Buffer.concat([
        frame(random, { opcode: close, payload: Frame.closePayload(random.pick([1000, 1001, 4000, 4999])) }),
        frame(random, { opcode: text, payload }),
        frame(random, { opcode: ping, payload: random.bytes(4) }),
        frame(random, { opcode: close, payload: Frame.closePayload(4001) })
      ])
  ],
  ["bytes that are no frame", (random) => random.bytes(random.between(1, 600))],
  ["HTTP", () => Buffer.from("GET /rooms/quiet HTTP/1.1\r\nHost: fuzz\r\n\r\n")]
]

const broken = (random: Random): Deed => {
  const [name, make] = random.pick(breaks)
  return { name, frames: 1, bytes: make(random, Payload.make(random).bytes.subarray(0, 4_096)), ends: true }
}

const zeros = deflateRawSync(Buffer.alloc(4_000_000), { level: 9, finishFlush: 2 })

// Compressed: right, broken, or with four million zeros in some thousand bytes.
const compressed = (random: Random): Deed => {
  const { bytes, name } = Payload.make(random)
  const [what, payload] = random.pick<readonly [string, Buffer]>([
    [name, deflateRawSync(bytes, { finishFlush: 2 }).subarray(0, -4)],
    ["zeros", random.chance(0.1) ? zeros.subarray(0, -4) : Buffer.from([0])],
    ["what is not", random.bytes(random.between(1, 100))]
  ])
  const ends = what === "what is not"
  return {
    name: `${what}, compressed`,
    frames: 1,
    ends,
    bytes: frame(random, { opcode: text, reserved: 0b100, payload })
  }
}

const pinged = (random: Random): Deed => ({
  name: "a ping of the runtime",
  frames: 1,
  bytes: frame(random, { opcode: text, payload: Buffer.from("ping") })
})

const protocols = [
  undefined,
  undefined,
  "ndjson",
  "ndjson",
  "chat, ndjson",
  "bearer, fuzz",
  "\u00fcber",
  "a".repeat(500)
]

/**
 * What a connection does, in one of so many rooms. If it may not break the WebSocket protocol, what it says is as bad as
 * ever, but workerd can let go of it.
 */
export const script = (random: Random, rooms: number, mayBreak: boolean): Script => {
  const pings = random.chance(0.3)
  const deflates = mayBreak && random.chance(0.2)
  const kinds = [said, said, said, said, said, said, fragments, harmless, pings ? pinged : deflates ? compressed : said]
  const deeds = Array.from({ length: random.between(8, 50) }, () => random.pick(kinds)(random))
  if (mayBreak && random.chance(0.7)) {
    deeds.push(broken(random), ...Array.from({ length: random.below(4) }, () => said(random)))
  }
  return {
    room: random.below(rooms),
    name: random.pick(["mallory", "%00", "%F0%9F%92%A4", "%C0%AF", "a".repeat(64), "__proto__", "%0D%0Ax:%20y"]),
    protocol: random.pick(protocols),
    deflates,
    deeds,
    leaves: pings && !mayBreak ? "close" : random.pick(["close", "end", "end", "reset", "reset", "deaf"]),
    cuts: Array.from({ length: random.below(6) }, () => random.below(2 ** 31) / 2 ** 31)
  }
}
