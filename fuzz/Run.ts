/**
 * Hostile connections and requests against the deployed Worker, while others go on to talk. Each session is made of a seed
 * of its own, so one can be played again alone.
 */
import { setTimeout as sleep } from "node:timers/promises"
import * as Attacker from "./Attacker.ts"
import * as Handshake from "./Handshake.ts"
import * as Pair from "./Pair.ts"
import * as Random from "./Random.ts"
import * as Script from "./Script.ts"
import * as Server from "./Server.ts"

export interface Options {
  /** `7` begins with the first session of the seed 7, and `7.42` with its session 42. */
  readonly seed: string
  /** It goes on until there were so many of both. */
  readonly frames: number
  readonly handshakes: number
  /** Compares the memory of workerd before and after, which takes half a minute more. */
  readonly measures?: boolean
  readonly onProgress?: (report: Report) => void
}

export interface Report {
  readonly frames: number
  readonly handshakes: number
  readonly sessions: number
  /** How often the server has closed a hostile connection with a code. */
  readonly closes: ReadonlyMap<number, number>
  /** How many messages the others have said to each other, and the longest time that one took, in milliseconds. */
  readonly said: number
  readonly slowest: number
  /** What is used once all is quiet: after the warm-up, and before anybody breaks the protocol. */
  readonly memory: { readonly before: Server.Memory; readonly after: Server.Memory } | undefined
}

/** Something was not as it should be. */
export class Violation extends Error {
  override readonly name = "Violation"
  readonly problems: ReadonlyArray<string>
  /** The first session that may have done it. */
  readonly seed: string

  constructor(problems: ReadonlyArray<string>, seed: string) {
    super(problems.join("\n"))
    this.problems = problems
    this.seed = seed
  }
}

/** Sessions at a time. */
const concurrency = 12

/** In the first of them the pair talks, too. */
const rooms = ["open", "open-1", "open-2", "open-3"]

/**
 * The number of the first session that may break the WebSocket protocol. They come last: workerd 1.20261117 never lets go of
 * some connections that break it, or that break off while the runtime answers their pings, and keeps their object awake.
 * An object of ten lines, without this library, shows the same. So only the memory before them tells anything.
 */
const breaking = 1_000_000

/** Which share of the frames and the requests has come by then. */
const unbroken = 0.6

/** Which share is the warm-up: after it the allocator has what such a load needs. */
const warmUp = 0.25

/** An object sleeps after ten seconds without anything to do. */
const untilAsleep = 12_000

/**
 * By how much the heap may have grown. Resident memory tells less: it grows by as much when an object of ten lines, without
 * this library, is sent the same.
 */
const growth = 1.1

// Once everybody hostile has gone, and their rooms sleep.
const settled = async ({ memory }: Server.Server): Promise<Server.Memory> => {
  await sleep(untilAsleep)
  return memory()
}

/** Plays sessions until there were enough frames and handshakes. Rejects with a {@link Violation}. */
export const run = async (server: Server.Server, options: Options): Promise<Report> => {
  const { frames, handshakes, measures = true, onProgress } = options
  const [seed, first = "0"] = options.seed.split(".")
  const closes = new Map<number, number>()
  const underWay = new Map<number, string>()
  const ended: Array<readonly [session: number, what: string]> = []
  const problems: Array<string> = []
  const pairs = [await Pair.start(server.port, "quiet", true), await Pair.start(server.port, rooms[0]!, false)]
  let next = Number(first)
  let [sent, asked, sessions] = [0, 0, 0]
  let memory: Report["memory"]
  let culprit: number | undefined

  const report = (): Report => ({
    frames: sent,
    handshakes: asked,
    sessions,
    closes,
    said: pairs.reduce((sum, { said }) => sum + 2 * said(), 0),
    slowest: Math.max(...pairs.map(({ slowest }) => slowest())),
    memory
  })
  // What shows at the others, or in the log, was done by one of these.
  const look = () => {
    const found = [...Server.faults(server), ...pairs.flatMap((pair) => pair.problems)]
    if (found.length === 0) return
    const sessions = [...ended, ...underWay].map(([session, what]) => `  ${seed}.${session}: ${what}`)
    problems.push(...found, "One of these has done it:", ...sessions)
    culprit ??= Math.min(next, ...underWay.keys(), ...ended.map(([session]) => session))
  }
  const isOver = () => problems.length > 0

  const session = async (number: number) => {
    const random = Random.make(`${seed}.${number}`)
    const tell = (what: string) => underWay.set(number, what)
    try {
      for (let times = random.between(1, 3); times > 0 && !isOver(); times--) {
        const handshake = Handshake.make(random, random.pick(rooms), number >= breaking)
        tell(`a request with ${handshake.name}`)
        await Attacker.request(server.port, handshake)
        asked++
      }
      const script = Script.script(random, rooms.length, number >= breaking)
      tell(`a connection to ${rooms[script.room]}, with ${script.deeds.map(({ name }) => name).join("; ")}`)
      const { closed, written } = await Attacker.play(server.port, rooms[script.room]!, script)
      sent += written
      if (closed !== undefined) closes.set(closed, (closes.get(closed) ?? 0) + 1)
    } catch (cause) {
      culprit ??= number
      problems.push(
        `${seed}.${number}: ${cause instanceof Error ? cause.message : String(cause)}`,
        `  It was ${underWay.get(number)}`
      )
    }
    ended.push([number, underWay.get(number)!])
    if (ended.length > 2 * concurrency) ended.shift()
    underWay.delete(number)
    sessions++
    onProgress?.(report())
  }
  const sessionsUntil = async (share: number) => {
    const isEnough = () => sent >= frames * share && asked >= handshakes * share
    const inTurn = async () => {
      while (!isEnough() && !isOver()) await session(next++)
    }
    await Promise.all(Array.from({ length: concurrency }, inTurn))
  }

  const watch = setInterval(() => problems.length === 0 && look(), 250)
  try {
    if (next < breaking) {
      if (measures) {
        await sessionsUntil(warmUp)
        const before = await settled(server)
        await sessionsUntil(unbroken)
        memory = { before, after: await settled(server) }
        if (memory.after.heap > before.heap * growth) {
          problems.push(
            `the heap had ${Server.megabytes(before.heap)} after the warm-up, and has ${
              Server.megabytes(memory.after.heap)
            }`
          )
        }
      }
      await sessionsUntil(unbroken)
      next = breaking
    }
    await sessionsUntil(1)
  } finally {
    clearInterval(watch)
    await Promise.all(pairs.map(({ stop }) => stop()))
  }
  if (problems.length === 0) look()
  if (problems.length > 0) throw new Violation(problems, culprit === undefined ? seed! : `${seed}.${culprit}`)
  return report()
}
