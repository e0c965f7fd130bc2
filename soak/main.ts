/** `npm run soak`: a crowd on the deployed Worker that talks, comes and goes, and pings, for a while. */
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Terminal from "../chaos/Terminal.ts"
import * as Server from "../fuzz/Server.ts"
import * as Crowd from "./Crowd.ts"

const help = `npm run soak -- [options]

  --clients N   how many clients are there (8000); one process holds some 9,000 sockets
  --minutes N   for how long (10), after a minute of warm-up
  --help        this text

The Worker runs as wrangler.toml deploys it, with limits that a crowd from one address needs. Its clients are in rooms of 50.
In each tenth room nobody speaks: its object is sent to sleep, and its clients only ping. In the others they talk, leave and
come back. Each minute tells how long a message took from its sender to all others, and what memory is used.

It ends with 1 if the heap goes on to grow after the warm-up, if a ping woke an object, if a message got lost, or if
something was logged as an error.
`

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

/** The heap may be so much larger at the end than after the warm-up. */
const growth = 1.1

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`

const token = "the token of the soak"
const server = await Server.start({ more: { API_TOKEN: token } })
const problems: Array<string> = []
const crowd = Crowd.make(server.port)
let minute = 0

Terminal.onInterrupt(() => `minute ${minute} of ${minutes}, ${crowd.open()} clients`)

const wakesOf = async (room: string): Promise<Readonly<Record<string, number>>> => {
  const response = await fetch(`http://127.0.0.1:${server.port}/api/rooms/${room}/inspection`, {
    headers: { authorization: `Bearer ${token}` }
  })
  const { wakes } = await response.json() as {
    readonly wakes: { readonly by: ReadonlyArray<{ readonly cause: string; readonly count: number }> }
  }
  return Object.fromEntries(wakes.by.map(({ cause, count }) => [cause, count]))
}

try {
  await crowd.fill(clients, (open) => Terminal.progress(`${open} of ${clients} clients`))
  Terminal.clearLine()
  console.log(`${crowd.open()} clients in ${crowd.rooms.length} rooms, of which ${crowd.quiet.length} are quiet`)
  await sleep(2_000)
  const before = new Map<string, Readonly<Record<string, number>>>()
  for (const room of crowd.quiet) before.set(room, await wakesOf(room))
  for (const room of crowd.quiet) await server.evict(room)
  crowd.start()
  let base = 0
  for (; minute <= minutes; minute++) {
    await sleep(60_000)
    const { heap, resident } = await server.memory()
    const { lost, p50, p99, pings, said } = crowd.report()
    if (lost > 0) problems.push(`${lost} messages were not heard by all`)
    if (minute === 0) base = heap
    else if (minute === minutes && heap > growth * base) {
      problems.push(`the heap has grown from ${megabytes(base)} to ${megabytes(heap)}`)
    }
    console.log(
      `${
        minute === 0 ? "warm-up  " : `minute ${String(minute).padStart(2)}`
      }  ${said} messages, p50 ${p50} ms, p99 ${p99} ms, ` +
        `${pings} pings, ${crowd.open()} clients, heap ${megabytes(heap)}, resident ${megabytes(resident)}`
    )
  }
  crowd.stop()
  let woken = 0
  for (const room of crowd.quiet) {
    const after = await wakesOf(room)
    for (const cause of new Set([...Object.keys(after), ...Object.keys(before.get(room)!)])) {
      if (cause !== "inspection") woken += (after[cause] ?? 0) - (before.get(room)![cause] ?? 0)
    }
  }
  console.log(`${crowd.quietPings()} pings in quiet rooms have woken their objects ${woken} times`)
  if (woken > 0) problems.push(`quiet rooms were woken ${woken} times`)
  if (crowd.unanswered() > 0) problems.push(`${crowd.unanswered()} pings had no answer`)
  for (const { level, message } of server.log) if (level === "error") problems.push(`logged: ${message.slice(0, 200)}`)
} finally {
  crowd.close()
  await server.stop()
}
for (const problem of problems.slice(0, 20)) console.error(problem)
console.log(problems.length === 0 ? `No violation, ${Terminal.seconds()}` : `${problems.length} violations`)
process.exit(problems.length === 0 ? 0 : 1)
