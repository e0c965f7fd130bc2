/**
 * What the runtime allows, measured on workerd 1.20261117. The memory layers keep the same bounds.
 */

/** Tags of one socket, fixed when it is accepted. */
export const tagsPerSocket = 10

/** UTF-8 bytes of one tag. */
export const tagBytes = 256

/** Serialized bytes of one attachment, the few bytes of our own envelope included. */
export const attachmentBytes = 16_384

/** UTF-8 bytes of the reason of a close. */
export const closeReasonBytes = 123

/** UTF-8 bytes of an auto-response's request and of its response. */
export const autoResponseBytes = 2_048

/** Sockets of one object. */
export const socketsPerObject = 32_768

const encoder = new TextEncoder()

/** The length of a text in UTF-8 bytes. */
export const utf8Bytes = (text: string): number => encoder.encode(text).length
