/**
 * What the runtime allows, measured on workerd 1.20261117. The memory layers keep the same bounds.
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

const encoder = new TextEncoder()

/** The length of a text in UTF-8 bytes. */
export const utf8Bytes = (text: string): number => encoder.encode(text).length

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
