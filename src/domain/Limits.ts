/**
 * What the runtime allows, measured on workerd 1.20261117, and what a room allows one client.
 *
 * The memory layers keep the runtime's bounds, too.
 */

/** Tags of one socket, fixed when it is accepted. */
export const tagsPerSocket = 10

/** UTF-8 bytes of one tag. */
export const tagBytes = 256

/** Serialized bytes of one attachment, including the few bytes of our own envelope. */
export const attachmentBytes = 16_384

/** UTF-8 bytes of the reason of a close. */
export const closeReasonBytes = 123

/** UTF-8 bytes of an auto-response's request and of its response. */
export const autoResponseBytes = 2_048

/** Bytes of a text, a blob or a row in storage. */
export const storedBytes = 2_000_000

/** Sockets of one object. */
export const socketsPerObject = 32_768

/** What one client may send, and what a room keeps for it. */
export interface ClientLimits {
  /** UTF-8 bytes of a frame. A longer one closes the connection, before it is parsed. 65,536 unless given. */
  readonly messageBytes: number
  /** Levels of objects and arrays in a message of JSON. 32 unless given. */
  readonly jsonDepth: number
  /** Keys of all objects in a message of JSON. 1,000 unless given. */
  readonly jsonKeys: number
  /** Malformed frames in a row: the last of them closes the connection. 10 unless given. */
  readonly malformedFrames: number
  /** UTF-8 bytes of a connection's state as JSON, of the runtime's 16,384. 2,048 unless given. */
  readonly stateBytes: number
}

/** What a client may do where nobody says otherwise. */
export const client: ClientLimits = {
  messageBytes: 65_536,
  jsonDepth: 32,
  jsonKeys: 1_000,
  malformedFrames: 10,
  stateBytes: 2_048
}

const encoder = new TextEncoder()

/** The length of a text in UTF-8 bytes. */
export const utf8Bytes = (text: string): number => encoder.encode(text).length

/** Whether a text has at most so many UTF-8 bytes. Its bytes are counted only where its length does not tell. */
export const isWithin = (text: string, bytes: number): boolean =>
  text.length * 3 <= bytes || text.length <= bytes && utf8Bytes(text) <= bytes

/**
 * Whether a value of JSON has at most so many levels, and so many keys in all its objects. It looks no further than the
 * bounds reach, so a hostile value costs no more than they say.
 */
export const isBounded = (value: unknown, depth: number, keys: number): boolean => {
  let left = keys
  const visit = (value: unknown, level: number): boolean => {
    if (typeof value !== "object" || value === null) return true
    if (level === 0) return false
    if (Array.isArray(value)) return value.every((item) => visit(item, level - 1))
    for (const key in value) {
      // SAFETY: `key` is one of its own: values of JSON inherit none that `for` finds.
      if (left-- === 0 || !visit((value as Record<string, unknown>)[key], level - 1)) return false
    }
    return true
  }
  return visit(value, depth)
}

/**
 * The distinct tags of a socket that is to be accepted beside `others`. Throws where the runtime throws, for sockets
 * that the runtime does not keep.
 */
export const acceptedTags = (tags: ReadonlyArray<string>, others: number): ReadonlyArray<string> => {
  const distinct = [...new Set(tags)]
  if (distinct.length > tagsPerSocket) throw new Error(`A socket cannot have more than ${tagsPerSocket} tags.`)
  for (const tag of distinct) {
    if (utf8Bytes(tag) > tagBytes) throw new Error(`"${tag}" is longer than ${tagBytes} bytes.`)
  }
  if (others >= socketsPerObject) throw new Error(`Only ${socketsPerObject} sockets can be accepted.`)
  return distinct
}

/** An auto-response. Throws where the runtime throws, for sockets that the runtime does not keep. */
export const autoResponse = (request: string, response: string): readonly [request: string, response: string] => {
  for (const text of [request, response]) {
    if (utf8Bytes(text) > autoResponseBytes) {
      throw new RangeError(`An auto-response cannot be larger than ${autoResponseBytes} bytes.`)
    }
  }
  return [request, response]
}
