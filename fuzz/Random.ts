/** Random numbers that are the same for the same seed (sfc32). */
import { createHash } from "node:crypto"

export interface Random {
  /** An integer from 0 to below an end. */
  readonly below: (end: number) => number
  /** An integer from one to another, both included. */
  readonly between: (first: number, last: number) => number
  /** True so often: with 0.1, one time in ten. */
  readonly chance: (share: number) => boolean
  readonly pick: <A>(values: ReadonlyArray<A>) => A
  readonly bytes: (length: number) => Buffer
}

export const make = (seed: string): Random => {
  const hash = createHash("sha256").update(seed).digest()
  let [a, b, c, counter] = [hash.readInt32LE(0), hash.readInt32LE(4), hash.readInt32LE(8), 1]
  const next = (): number => {
    const result = (a + b | 0) + counter | 0
    counter = counter + 1 | 0
    a = b ^ b >>> 9
    b = c + (c << 3) | 0
    c = (c << 21 | c >>> 11) + result | 0
    return result >>> 0
  }
  const below = (end: number) => Math.floor(next() / 2 ** 32 * end)
  return {
    below,
    between: (first, last) => first + below(last - first + 1),
    chance: (share) => next() < share * 2 ** 32,
    pick: (values) => values[below(values.length)]!,
    bytes: (length) => {
      const bytes = Buffer.alloc(length + 3)
      for (let at = 0; at < length; at += 4) bytes.writeUInt32LE(next(), at)
      return bytes.subarray(0, length)
    }
  }
}
