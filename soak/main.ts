/** `npm run soak`: thousands of clients that talk, ping, come and go, for as long as is wanted. */
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Terminal from "../chaos/Terminal.ts"
import * as Server from "../fuzz/Server.ts"
import * as Crowd from "./Crowd.ts"

const help = `npm run soak -- [options]

  --clients N   how many clients are connected (8000). Each takes two file descriptors of workerd.
  --minutes N   for how long, after a warm-up of a minute (10)
  --help        this text

The Worker runs as wrangler.toml deploys it. Three quarters of the clients talk, in rooms of 20, and some of them leave and
come back. The others are silent, in rooms of 100 that sleep. Each client pings every 20 seconds.

Each minute is told: how long a message took from its sender to each of its listeners, what the Worker's heap has once
garbage is collected, what workerd has in memory, and how often a room was awake in which only pings arrive.

It ends with 1 if the heap or the memory of workerd is more than a tenth larger at the end than after the warm-up, if a
silent room wakes, if a ping or a message is not answered, or if something is logged as an error.
`

/** By how much memory may grow after the warm-up. */
const growth = 1.1

/** A room that wakes is awake for ten seconds: looked at so often, no wake is missed. */
const lookEvery = 5_000

const minute = 60_000

const { clients, minutes } = Terminal.options(help, () => {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "8000" },
      minutes: { type: "string", default: "10" },
      help: { type: "boolean", default: false }
    }
  })
  return {
    ...values,
    clients: Terminal.number("clients", values.clients),
    minutes: Terminal.number("minutes", values.minutes)
  }
})

let told = 0
Terminal.onInterrupt(() => `${told} of ${minutes} minutes with ${clients} clients, ${Terminal.seconds()}`)

const percentile = (sorted: Float64Array, share: number): string =>
  `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1)} ms`

const server = await Server.start()
const crowd = await Crowd.make(
  server.port,
  clients,
  (entered) => Terminal.progress(`${entered} of ${clients} clients have entered`)
)

let wakes = 0
/** How many of the silent rooms were awake. They sleep afterwards. */
const awake = async () => {
  const found = await Promise.all(crowd.silent.map(server.evict))
  return found.filter(Boolean).length
}
/** Until then the crowd goes on. */
const watch = async (until: number) => {
  while (performance.now() < until) {
    await sleep(Math.min(lookEvery, Math.max(0, until - performance.now())))
    wakes += await awake()
  }
}

const problems: Array<string> = []
const memories: Array<Server.Memory> = []

crowd.begin()
Terminal.progress("a minute of warm-up")
let until = performance.now() + minute
// They fall asleep by themselves, though everybody pings.
await sleep(lookEvery * 3)
const sleepless = await awake()
if (sleepless > 0) problems.push(`${sleepless} of ${crowd.silent.length} silent rooms did not fall asleep`)
await watch(until)

for (; told <= minutes; told++) {
  const latencies = crowd.takeLatencies()
  const memory = await server.memory()
  memories.push(memory)
  Terminal.clearLine()
  console.log([
    told === 0 ? "warm-up" : `minute ${told}`,
    `p50 ${percentile(latencies, 0.5)}`,
    `p99 ${percentile(latencies, 0.99)}`,
    `${latencies.length} deliveries`,
    `${crowd.pongs()} pongs`,
    `${crowd.returned()} returned`,
    `heap ${Server.megabytes(memory.heap)}`,
    `resident ${Server.megabytes(memory.resident)}`,
    `${wakes} wakes of ${crowd.silent.length} silent rooms`
  ].join(", "))
  problems.push(...Server.faults(server), ...crowd.problems)
  if (problems.length > 0 || told === minutes) break
  await watch(until += minute)
}

const [before, after] = [memories[0]!, memories.at(-1)!]
for (const kind of ["heap", "resident"] as const) {
  if (after[kind] > before[kind] * growth) {
    problems.push(
      `${kind}: ${Server.megabytes(before[kind])} after the warm-up, and ${Server.megabytes(after[kind])} now`
    )
  }
}
if (wakes > 0) problems.push(`silent rooms were awake ${wakes} times`)
for (const problem of problems) console.error(`  ${problem}`)
process.exitCode = problems.length > 0 ? 1 : 0
if (problems.length === 0) console.log(`Nothing grew, and nobody woke: ${clients} clients, ${Terminal.seconds()}`)
crowd.stop()
await server.stop()
