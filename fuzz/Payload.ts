/** What a hostile client says: texts and bytes that a room may stumble over. */
import type { Random } from "./Random.ts"

/** Stands in whatever is wrong. Nothing that the server says may contain it. */
export const canary = "fuzz-canary"

interface Kind {
  readonly name: string
  /** How often it comes, beside the others. */
  readonly weight: number
  readonly make: (random: Random) => string | Buffer
}

const say = (text: string): string => JSON.stringify({ _tag: "Say", text })

const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "_tag", "then", "toJSON", ""]

const numbers = ["1e999", "-1e999", "1e-999", "-0", "0x10", "1e+", "01", ".5", "NaN", "Infinity", "9".repeat(1_000)]

const texts = [
  "\0",
  "\u001b[31m\u001b]0;title\u0007",
  "a\r\n{\"level\":\"ERROR\"}\r\n",
  "\u2028\u2029",
  "\u202e\u2066",
  "\ufeff",
  "💤".repeat(2_048),
  "e" + "\u0301".repeat(2_000),
  "x".repeat(4_096),
  "x".repeat(4_097),
  "💤".repeat(4_097),
  "</script><script>",
  "${7*7}{{7*7}}%s%n",
  " "
]

const brokenUtf8 = [
  "ff",
  "c0af",
  "e08080",
  "eda080",
  "eda080edb080",
  "f4908080",
  "f0288c28",
  "e282",
  "80",
  "f8888080afc0",
  "efbfbe"
].map((hex) => Buffer.from(hex, "hex"))

const nested = (random: Random): string => {
  const depth = random.pick([1, 31, 32, 33, 100, 1_000, 5_000, 20_000])
  const [open, close] = random.pick([["[", "]"], ["{\"a\":", "}"], ["{\"text\":[", "]}"]] as const)
  const inner = open.repeat(depth) + "0" + close.repeat(random.chance(0.8) ? depth : depth - 1)
  return random.chance(0.5) ? inner : `{"_tag":"Say","text":${inner}}`
}

const wide = (random: Random): string => {
  const keys = random.pick([10, 999, 1_000, 1_001, 5_000])
  const all = Array.from({ length: keys }, (_, index) => `"${random.chance(0.01) ? "text" : `k${index}`}":${index}`)
  const list = Array.from({ length: keys }, () => "null").join()
  return random.chance(0.5) ? `{"_tag":"Say","text":"wide",${all.join()}}` : `{"_tag":"Say","text":[${list}]}`
}

const polluted = (random: Random): string => {
  const name = JSON.stringify(random.pick(names))
  const value = random.pick([
    `{"_tag":"Say","text":"${canary}","isAdmin":true}`,
    `{"prototype":{"text":"${canary}"}}`,
    "null",
    `"${canary}"`,
    "[]"
  ])
  return random.pick([
    `{"_tag":"Say","text":"polluted",${name}:${value}}`,
    `{"_tag":${name},"text":"${canary}"}`,
    `{${name}:${value}}`,
    `{"_tag":"Say",${name}:${value},"text":${value}}`
  ])
}

const misshapen = (random: Random): string =>
  random.pick([
    "",
    " ",
    "null",
    "true",
    "[]",
    "{}",
    `"${canary}"`,
    `[{"_tag":"Say","text":"${canary}"}]`,
    `{"_tag":"Say"}`,
    `{"_tag":"Say","text":null}`,
    `{"_tag":"Say","text":["${canary}"]}`,
    `{"_tag":"say","text":"${canary}"}`,
    `{"_tag":["Say"],"text":"${canary}"}`,
    `{"_tag":"Welcome","connection":"${canary}","name":"${canary}","connections":1}`,
    `{"_tag":"Left","connection":"${canary}"}`,
    `{"_tag":"Say","text":"twice","text":1}`,
    `{"_tag":"Say","text":"${canary}"`,
    `{'_tag':'Say','text':'${canary}'}`,
    `{"_tag":"Say","text":"${canary}"}trailing`,
    `/* ${canary} */{"_tag":"Say","text":"x"}`
  ])

// Something that is right, of which some bytes are not.
const mutated = (random: Random): Buffer => {
  const bytes = Buffer.from(say(`mutated ${random.below(1_000)}`))
  for (let time = random.between(1, 4); time > 0; time--) bytes[random.below(bytes.length)] = random.below(256)
  return random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes
}

const lines = (random: Random): string => {
  const count = random.pick([2, 3, 10, 255, 256, 257, 1_000])
  const end = random.pick(["\n", "\n", "\r\n", "\n\n", "\r"])
  const line = () =>
    random.chance(0.7) ? say(`line ${random.below(100)}`) : random.pick(["x", "", "{", misshapen(random)])
  // A crowd of lines that are right would only be a crowd.
  return Array.from({ length: count }, (_, index) => count > 10 && index > 3 ? "x" : line()).join(end)
}

const kinds: ReadonlyArray<Kind> = [
  { name: "a message", weight: 14, make: (random) => say(`said ${random.below(1_000_000)}`) },
  { name: "an odd text", weight: 4, make: (random) => say(random.pick(texts)) },
  { name: "almost a ping", weight: 1, make: (random) => random.pick(["ping ", "PING", "pong", "\"ping\""]) },
  { name: "random bytes", weight: 4, make: (random) => random.bytes(random.pick([0, 1, 2, 7, 125, 126, 127, 1_000])) },
  {
    name: "broken UTF-8",
    weight: 4,
    make: (random) => Buffer.concat([Buffer.from(`{"_tag":"Say","text":"`), random.pick(brokenUtf8), Buffer.from(`"}`)])
  },
  {
    name: "lone surrogates",
    weight: 3,
    make: (random) => `{"_tag":"Say","text":"${random.pick(["\\ud800", "\\udfff\\ud800", "\\ud83d", "x\\uDC00x"])}"}`
  },
  {
    name: "numbers",
    weight: 3,
    make: (random) => {
      const number = random.pick(numbers)
      return random.pick([number, `{"_tag":"Say","text":${number}}`, `{"_tag":${number}}`, `[${number}]`])
    }
  },
  { name: "deep JSON", weight: 3, make: nested },
  { name: "wide JSON", weight: 1, make: wide },
  { name: "prototype keys", weight: 5, make: polluted },
  { name: "the wrong shape", weight: 6, make: misshapen },
  { name: "a message with wrong bytes", weight: 5, make: mutated },
  { name: "lines", weight: 3, make: lines },
  {
    name: "much",
    weight: 0.1,
    make: (random) => {
      const length = random.pick([65_535, 65_536, 65_537, 262_144, 1_048_577])
      return random.chance(0.5) ? say("x".repeat(length - 24)) : "[".repeat(length)
    }
  }
]

const total = kinds.reduce((sum, { weight }) => sum + weight, 0)

/** One of them, by its name. */
export const make = (random: Random): { readonly name: string; readonly bytes: Buffer } => {
  let rest = random.below(total * 100) / 100
  const kind = kinds.find(({ weight }) => (rest -= weight) < 0) ?? kinds[0]!
  return { name: kind.name, bytes: Buffer.from(kind.make(random)) }
}
