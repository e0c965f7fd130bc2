/** Frames of the WebSocket protocol (RFC 6455), right or wrong, byte by byte. */
import { randomBytes } from "node:crypto"

export const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

/** A frame of a client: right, unless told otherwise. */
export interface Options {
  readonly opcode: number
  readonly payload?: Buffer
  readonly fin?: boolean
  readonly reserved?: number
  readonly masked?: boolean
  /** Four bytes; random ones unless given. */
  readonly mask?: Buffer
  /** The length that it announces; that of its payload unless given. */
  readonly length?: number | bigint
  /** In how many bytes it announces it, beside the first; as few as do, unless given. */
  readonly width?: 0 | 2 | 8
}

/** One frame, masked as a client has to. */
export const encode = (options: Options): Buffer => {
  const { masked = true, payload = Buffer.alloc(0) } = options
  const head = header({ ...options, length: options.length ?? payload.length })
  if (!masked) return Buffer.concat([head, payload])
  const { mask = randomBytes(4) } = options
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index & 3]!)])
}

/** The beginning of a frame, without its mask. */
export const header = (
  { fin = true, length = 0, masked = true, opcode, reserved = 0, width }: Omit<Options, "mask" | "payload">
): Buffer => {
  const bytes = width ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
  const head = Buffer.alloc(2 + bytes)
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode
  head[1] = (masked ? 0x80 : 0) | (bytes === 0 ? Number(length) & 0x7f : bytes === 2 ? 126 : 127)
  if (bytes === 2) head.writeUInt16BE(Number(length) & 0xffff, 2)
  if (bytes === 8) head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

/** A close frame's payload. */
export const closePayload = (code: number, reason: string | Buffer = ""): Buffer =>
  Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])

/** A frame of a server, as it came. */
export interface Frame {
  readonly opcode: number
  readonly fin: boolean
  readonly reserved: number
  readonly payload: Buffer
}

/** The first frame of what a server has sent, and its bytes; `undefined` until it is whole. */
export const read = (bytes: Buffer): Frame & { readonly size: number } | undefined => {
  if (bytes.length < 2) return undefined
  // Frames of a server carry no mask.
  if ((bytes[1]! & 0x80) !== 0) throw new Error("a frame of the server is masked")
  const short = bytes[1]! & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < start) return undefined
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < start + length) return undefined
  return {
    opcode: bytes[0]! & 0x0f,
    fin: (bytes[0]! & 0x80) !== 0,
    reserved: bytes[0]! >> 4 & 0b111,
    payload: bytes.subarray(start, start + length),
    size: start + length
  }
}
