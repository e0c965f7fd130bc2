/** docs/BENCHMARKS.md and its pictures. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { figures } from "./figures.ts"
import { bars, lines } from "./plot.ts"
import { subjects } from "./servers.ts"
import { type Check, number, type Summary, tables, title } from "./summary.ts"
import { compatibilityDate } from "./workerd.ts"

export interface Report {
  readonly date: string
  readonly mode: "quick" | "full"
  readonly seconds: number
  readonly machine: {
    readonly processor: string
    readonly cores: number
    readonly memory: string
    readonly system: string
    /** The load average of the minute before the run, and of its last minute. */
    readonly load: readonly [before: number, after: number]
  }
  readonly versions: Record<string, string>
  readonly summaries: ReadonlyArray<Summary>
  readonly checks: ReadonlyArray<Check>
}

/** Only where a picture says more than the table does. */
const pictures = (summaries: ReadonlyArray<Summary>): Record<string, string> => {
  const of = (figure: string, metric: string) =>
    subjects.flatMap(({ name }) =>
      summaries.filter((each) => each.figure === figure && each.metric === metric && each.subject === name)
    )
  const grouped = (figure: string, metric: string) =>
    Array.from(Map.groupBy(of(figure, metric), ({ setting }) => setting), ([label, group]) => ({
      label,
      bars: group.map(({ high, low, median, subject }) => ({ label: title(subject), value: median, low, high }))
    }))
  const series = (figure: string, metric: string) =>
    Array.from(Map.groupBy(of(figure, metric), ({ subject }) => subject), ([subject, group]) => ({
      label: title(subject),
      points: group.map(({ median, setting }) => [Number.parseInt(setting), median] as const)
    }))
  const drawings: Record<string, () => string> = {
    delivery: () => bars({ title: "Delivery", unit: "CPU µs" }, grouped("delivery", "CPU µs")),
    burst: () =>
      bars({ title: "Burst", unit: "deliveries a second", logarithmic: true }, grouped("burst", "deliveries/s")),
    talkers: () => bars({ title: "Many talkers", unit: "CPU µs a delivery" }, grouped("talkers", "CPU µs")),
    wake: () => lines({ title: "Wake", x: "sockets in the room", y: "round trip in ms" }, series("wake", "ms")),
    growth: () =>
      lines({ title: "Growth", x: "clients in the room", y: "CPU µs a delivery" }, series("growth", "CPU µs"))
  }
  const drawn = Object.entries(drawings).filter(([name]) => summaries.some(({ figure }) => figure === name))
  return Object.fromEntries(drawn.map(([name, draw]) => [name, draw()]))
}

const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>, align = "--:") =>
  [row(head), row(head.map((_, index) => index === 0 ? "---" : align)), ...rows.map(row)].join("\n")

export const verdict = ({ holds, value }: Check): string =>
  value === undefined ? "not measured" : holds ? "holds" : "**falls short**"

const method =
  `- Every subject is the smallest room that does the work (\`bench/subjects\`): it parses a JSON message, looks at its \`_tag\`
  and answers with a new object made into JSON. So a library that decodes with schemas is compared with rooms that at least
  parse. The floor is a Durable Object written by hand on the Hibernation API, with its connections' identity in tags.
- Each is bundled and minified by esbuild with wrangler's options and served by the same plain \`workerd\`, without a proxy before it
  and without a tail worker, hibernation on, SQLite storage on local disk, compatibility date ${compatibilityDate}.
- The clients are another process on raw TCP sockets that counts frames and messages and parses nothing else. How busy it was is
  in the tables, and how much it can take is the last of them.
- Rounds interleave the subjects, each round in another order, and after some rounds all servers are started anew, each time
  beginning with another subject. A cell is the median of its rounds, the least and the most of
  them in brackets, and after × the median of the ratios to the floor *of the same round*.
- CPU is the processor time of the workerd process, all its threads, in nanoseconds from the kernel's scheduler: on a shared
  machine it is worth more than wall time. Deliveries a second and latencies are wall time.
- Ndjson is asked for at the upgrade, as a WebSocket subprotocol: several messages then share a frame, a line each.
  In the burst its client joins 50 messages to a frame as well.
- crossws keeps no state a connection, and the peers' lookups are not compared.
- Many talkers asks for more than one object can deliver without joining frames. Whoever falls behind delivers what it can; latency
  is read from the messages that arrived, from the time at which each was due, and would grow with a longer run.
- One client against all has three processes at work: the server, the bystanders' and that of the one who attacks, which has the
  lowest priority, so that what the bystanders wait for is the server. It never pauses, and when it is closed it comes back at
  once. A bystander's median says little of long stalls between many quick echoes; its 99th percentile does.
- Who writes waits for the disk before what it sends leaves, by hand as well: there the processor time is to be compared,
  and the time says how fast this machine's disk is.
- The 1,000 deadlines carry a number each. Setting them ends when the room's answer arrives, firing them begins when they are due
  and ends when the last handler has run. Many to few is the room of 100,000 to the one of 100, in the same round.
- What the journal is compared with is the same room without one.
- Each client of the figure Client is a process of its own in Node, and CPU is that process's own. All of them talk to the same Dormouse,
  in rooms of their own, and do the same with each message: \`JSON.parse\` or \`JSON.stringify\` by hand, the schemas of the room
  in \`RoomClient\`. Without a word of ndjson a message is a frame, for whoever is compared; the rows with ndjson say what the
  subprotocol gives. It is the same \`ws\` below all but the last of them, and without compression, for which Node's own \`WebSocket\` asks.
- What a client hears as it comes is as fast as the room says it, and mostly reads of a few messages. To hear what waits, the
  process is halted until everything has been said: nothing but the client is at work then.
- The figure Back cuts each connection by a TCP reset, six seconds after it was made, through a proxy before the room. \`ws\` comes back by
  a line of hand-written code, at once and again; the others as they do where nobody says otherwise.
- Memory is anonymous resident memory, freshly connected; the evaluation of a bundle is processor time to compile and run its top level.`

const missing =
  `- **Cloudflare's own network.** All of this is a local workerd on the loopback interface: no TLS, no distance, no limits of memory or
  processor time, no placement, no neighbours. It compares programs, not what a deployed Worker will see.
- Compression (\`permessage-deflate\`), binary messages, messages other than about 100 bytes but from one client against all,
  the room's database beyond one row a message, and its own alarm.
- Rooms at work beside each other in one process.`

export const write = (folder: string, report: Report): void => {
  const drawn = pictures(report.summaries)
  mkdirSync(join(folder, "benchmarks"), { recursive: true })
  for (const [name, picture] of Object.entries(drawn)) writeFileSync(join(folder, "benchmarks", `${name}.svg`), picture)
  const { machine } = report
  const sections = figures.flatMap((figure) => {
    const found = tables(figure, report.summaries)
    if (found.length === 0) return []
    return [
      `## ${figure.title}`,
      `${figure.work[0]!.toUpperCase()}${figure.work.slice(1)}.`,
      ...(figure.name in drawn ? [`![${figure.title}](benchmarks/${figure.name}.svg)`] : []),
      ...found.flatMap(({ head, rows, setting }) => [
        ...(setting === "" ? [] : [`**${setting}**`]),
        table(head, rows)
      ])
    ]
  })
  const text = [
    "# Benchmarks",
    "Written by `npm run bench`; not edited by hand.",
    "## Measures",
    table(
      ["figure", "measure", "limit", "measured", ""],
      report.checks.map((each) => [
        each.figure,
        each.line,
        each.limit,
        each.value === undefined ? "–" : number(each.value),
        verdict(each)
      ]),
      "---"
    ),
    "## Where it falls short",
    readFileSync(join(import.meta.dirname, "shortfalls.md"), "utf8").trim(),
    ...sections,
    "## Method",
    method,
    "## Not measured",
    missing,
    "## Run",
    [
      `- ${report.date}, ${report.mode} run, ${Math.round(report.seconds / 60)} minutes.`,
      `- ${machine.cores} × ${machine.processor}, ${machine.memory}, ${machine.system}; load average ${
        machine.load.map((load) => load.toFixed(1)).join(" before, ")
      } at the end.`,
      `- ${Object.entries(report.versions).map(([name, version]) => `${name} ${version}`).join(", ")}.`
    ].join("\n")
  ].join("\n\n")
  writeFileSync(join(folder, "BENCHMARKS.md"), `${text}\n`)
}
