/** What the samples say: medians, spreads, ratios to the floor, and the measures that Dormouse holds itself to. */
import { bundles } from "../scripts/size.ts"
import * as Hostile from "./hostile.ts"
import type { Figure, Sample } from "./rounds.ts"
import { subjects } from "./servers.ts"

export interface Summary {
  readonly figure: string
  readonly setting: string
  readonly metric: string
  readonly subject: string
  readonly samples: number
  readonly median: number
  readonly low: number
  readonly high: number
  /** The median of the ratios to the floor, or whom the figure compares with, of the same round. */
  readonly ratio: number | undefined
}

/** Whom a figure's subjects are compared with. */
const baseOf = (figure: string): string =>
  ({ journal: "dormouse", limits: "dormouse", against: "other", client: "ws", back: "ws" })[figure] ?? "floor"

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const summarize = (samples: ReadonlyArray<Sample>): ReadonlyArray<Summary> => {
  const line = ({ figure, metric, setting }: Sample) => [figure, setting, metric].join("\n")
  const floors = new Map<string, number>()
  for (const each of samples) {
    if (each.subject === baseOf(each.figure)) floors.set(`${line(each)}\n${each.round}`, each.value)
  }
  const groups = Map.groupBy(samples, (each) => `${line(each)}\n${each.subject}`)
  return Array.from(groups.values(), (group) => {
    const values = group.map(({ value }) => value)
    const ratios = group.flatMap((each) => {
      const floor = floors.get(`${line(each)}\n${each.round}`)
      return floor === undefined || floor === 0 ? [] : [each.value / floor]
    })
    const { figure, metric, setting, subject } = group[0]!
    return {
      figure,
      setting,
      metric,
      subject,
      samples: values.length,
      median: median(values),
      low: Math.min(...values),
      high: Math.max(...values),
      ratio: ratios.length === 0 ? undefined : median(ratios)
    }
  })
}

export interface Check {
  readonly figure: string
  readonly line: string
  readonly limit: string
  /** Undefined when its figure or one of its subjects was not part of the run. */
  readonly value: number | undefined
  readonly holds: boolean
}

const peers = subjects.filter(({ peer }) => peer).map(({ name }) => name)

export const check = (summaries: ReadonlyArray<Summary>): ReadonlyArray<Check> => {
  const find = (figure: string, setting: string, metric: string, subject: string) =>
    summaries.find((each) =>
      each.figure === figure && each.setting === setting && each.metric === metric && each.subject === subject
    )
  const ratio = (figure: string, setting: string, metric: string, subject: string) =>
    find(figure, setting, metric, subject)?.ratio
  const quotient = (above: number | undefined, below: number | undefined) =>
    above === undefined || below === undefined ? undefined : above / below
  const checks: Array<Check> = []
  const atMost = (figure: string, line: string, value: number | undefined, limit: number, unit = "") => {
    const holds = value !== undefined && value <= limit
    checks.push({ figure, line, limit: `at most ${number(limit)}${unit}`, value, holds })
  }
  const atLeast = (figure: string, line: string, value: number | undefined, limit: number) => {
    checks.push({ figure, line, limit: `at least ${limit}`, value, holds: value !== undefined && value >= limit })
  }

  for (const setting of ["100 clients", "1000 clients"]) {
    const rates = peers.flatMap((peer) => find("burst", setting, "deliveries/s", peer)?.median ?? [])
    const best = rates.length === 0 ? undefined : Math.max(...rates)
    const rate = find("burst", setting, "deliveries/s", "ndjson")?.median
    atLeast("burst", `${setting}: ndjson, deliveries a second to those of the best peer`, quotient(rate, best), 50)
    atLeast(
      "burst",
      `${setting}: plain, deliveries a second to the floor's`,
      ratio("burst", setting, "deliveries/s", "dormouse"),
      0.95
    )
  }
  atMost("talkers", "ndjson: CPU a delivery to the floor's", ratio("talkers", "", "CPU µs", "ndjson"), 0.2)
  atMost("talkers", "ndjson: p99 latency to the floor's", ratio("talkers", "", "p99 ms", "ndjson"), 1)
  atMost("echo", "CPU to the floor's", ratio("echo", "", "CPU µs", "dormouse"), 1.15)
  atMost("echo", "p50 latency to the floor's", ratio("echo", "", "p50 µs", "dormouse"), 1)
  atMost("delivery", "CPU to the floor's", ratio("delivery", "no state", "CPU µs", "dormouse"), 1.05)
  atMost(
    "delivery",
    "CPU with state to CPU without",
    quotient(
      find("delivery", "5 KB of state", "CPU µs", "dormouse")?.median,
      find("delivery", "no state", "CPU µs", "dormouse")?.median
    ),
    1.05
  )
  for (const [setting, limit] of [["1 sockets", 1.2], ["100 sockets", 1.25], ["1000 sockets", 1.35]] as const) {
    atMost("wake", `${setting}: round trip to the floor's`, ratio("wake", setting, "ms", "dormouse"), limit)
  }

  const clients = (setting: string) => Number.parseInt(setting)
  const lookup = (what: string) =>
    summaries
      .filter(({ figure, metric, subject }) => figure === "growth" && metric === what && subject === "dormouse")
      .toSorted((a, b) => clients(a.setting) - clients(b.setting))
  // Costs below a microsecond jitter; what depends on the number of clients grows by far more than this.
  const flat = 1.5
  for (
    const [line, what] of [
      ["lookup by id", "lookup by id, µs"],
      ["lookup by user", "lookup by user, µs"],
      ["lookup by label that finds ten", "lookup by label, 10 found, µs"]
    ] as const
  ) {
    const costs = lookup(what)
    atMost("growth", `${line}: largest room to smallest`, quotient(costs.at(-1)?.median, costs[0]?.median), flat)
  }
  // Both find the same connections, so this is the ratio of what one that is found costs.
  atMost(
    "growth",
    "lookup by label, a connection found in the largest room: to the floor's",
    lookup("lookup by label, all others found, µs").at(-1)?.ratio,
    1.3
  )

  const speakers = [["plain", "dormouse"], ["ndjson", "ndjson"]] as const
  for (const [line, subject] of speakers) {
    const quotient = find("addressed", "4000 clients", "each its own to all", subject)?.median
    atMost("addressed", `${line}: a message each to one message to all`, quotient, 2)
  }
  for (const deed of Hostile.names) {
    for (const [line, subject] of speakers) {
      const quotient = find("hostile", deed, "attacked to quiet", subject)?.median
      atMost("hostile", `${deed}, ${line}: a bystander's echo, attacked to quiet`, quotient, 3)
    }
    for (const [line, subject] of [["plain", "guarded"], ["ndjson", "guarded ndjson"]] as const) {
      const quotient = find("hostile", deed, "attacked to quiet", subject)?.median
      atMost("hostile", `${deed}, ${line}, behind doors: a bystander's echo, attacked to quiet`, quotient, 1.5)
    }
  }
  atMost("limits", "an echo: CPU to that without limits", ratio("limits", "an echo", "CPU µs", "guarded"), 1.05)
  atMost("limits", "a delivery: CPU to that without limits", ratio("limits", "a delivery", "CPU µs", "guarded"), 1.03)

  atMost("calls", "time to that of a call by hand", ratio("calls", "", "µs", "dormouse"), 1.2)
  atMost("calls", "CPU to that of a call by hand", ratio("calls", "", "CPU µs", "dormouse"), 1.2)

  for (const setting of ["1 clients", "10 clients", "100 clients"]) {
    atMost("write", `${setting}: CPU to that by hand`, ratio("write", setting, "CPU µs", "dormouse"), 1.25)
  }
  for (const what of ["set", "fire"]) {
    for (const unit of ["CPU µs", "µs"]) {
      atMost(
        "deadlines",
        `${what}, ${unit}: with 100,000 others to with 100`,
        find("deadlines", what, `${unit}, many to few`, "dormouse")?.median,
        2
      )
    }
  }

  for (const setting of ["received, as they come", "received, when all wait", "sent"]) {
    for (const [line, subject] of [["plain", "RoomClient"], ["ndjson", "RoomClient, ndjson"]] as const) {
      atMost(
        "client",
        `${setting}, ${line}: CPU a message to that of ws with JSON`,
        ratio("client", setting, "CPU µs", subject),
        1.3
      )
    }
  }

  atMost("against", "round trip to that of the other build", ratio("against", "1 sockets", "ms", "this"), 1.02)
  atMost("memory", "an idle connection to the floor's", ratio("memory", "", "KiB", "dormouse"), 1.05)
  for (
    const [name, line, milliseconds] of [
      ["example", "the example's Worker", 15],
      ["worker", "the deployed Worker", 25]
    ] as const
  ) {
    atMost(
      "size",
      `${line}, gzipped`,
      find("size", "", "KiB gzipped", name)?.median,
      bundles[name].limit / 1024,
      " KiB"
    )
    atMost("size", `${line}, evaluated`, find("size", "", "evaluated, CPU ms", name)?.median, milliseconds, " ms")
  }
  return checks
}

export const title = (subject: string): string =>
  subjects.find(({ name }) => name === subject)?.title ??
    ({
      example: "Dormouse, the seed example",
      worker: "Dormouse, the deployed Worker",
      journal: "Dormouse, with a journal",
      guarded: "Dormouse, behind doors",
      "guarded ndjson": "Dormouse, behind doors, ndjson",
      ws: "ws",
      partysocket: "partysocket",
      RoomClient: "RoomClient over ws, plain",
      connect: "connect over ws, plain",
      "ws, ndjson": "ws, ndjson by hand",
      "RoomClient, ndjson": "RoomClient over ws, ndjson",
      "RoomClient, platform": "RoomClient over Node's WebSocket, ndjson",
      other: "the other build",
      this: "this one"
    })[subject] ?? "ready-made frames"

/** Three significant digits, and thousands apart. */
export const number = (value: number): string =>
  value >= 1000
    ? Math.round(Number(value.toPrecision(3))).toLocaleString("en")
    : String(Number(value.toPrecision(3)))

export interface Table {
  readonly setting: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** A table a setting: a row a subject, a column a metric. */
export const tables = (figure: Figure, summaries: ReadonlyArray<Summary>): ReadonlyArray<Table> => {
  const mine = summaries.filter((each) => each.figure === figure.name)
  return Array.from(Map.groupBy(mine, ({ setting }) => setting), ([setting, lines]) => {
    const metrics = Array.from(new Set(lines.map(({ metric }) => metric)))
    const order = (subject: string) => subjects.findIndex(({ name }) => name === subject) >>> 0
    const bySubject = Array.from(Map.groupBy(lines, ({ subject }) => subject))
      .toSorted(([a], [b]) => order(a) - order(b))
    const rows = bySubject.map(([subject, cells]) => [
      title(subject),
      ...metrics.map((metric) => {
        const cell = cells.find((each) => each.metric === metric)
        if (cell === undefined) return "–"
        const spread = cell.low === cell.high ? "" : ` (${number(cell.low)}–${number(cell.high)})`
        const times = cell.ratio === undefined || subject === baseOf(figure.name) || metric.endsWith("%")
          ? ""
          : ` ×${number(cell.ratio)}`
        return number(cell.median) + spread + times
      })
    ])
    return { setting, head: [figure.title, ...metrics], rows }
  })
}
