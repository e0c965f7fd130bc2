/** `npm run bench`: the same work on Dormouse and on its peers, in one run. */
import { writeFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os"
import { join } from "node:path"
import { performance } from "node:perf_hooks"
import { parseArgs } from "node:util"
import { against, figures } from "./figures.ts"
import { type Report, verdict, write } from "./report.ts"
import type { Figure, Sample } from "./rounds.ts"
import { bundle, installPeers, moduleOf, subjects, versions } from "./servers.ts"
import { check, number, summarize, tables } from "./summary.ts"

const help = `npm run bench -- [options]

  --quick            fewer and shorter rounds: about five minutes
  --only NAMES       only these figures, separated by commas
  --against COMMIT   instead of the figures: the seed example's wake, here and at another commit
  --check            exit with 1 and name each measure that falls short
  --json FILE        write the numbers, each sample included
  --write            write docs/BENCHMARKS.md, as a full run does by itself
  --without-peers    measure only Dormouse and the floor; installs nothing
  --help             this text

Figures:
${figures.map(({ name, work }) => `  ${name.padEnd(18)} ${work}`).join("\n")}
`

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const options = (() => {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
        against: { type: "string" },
        check: { type: "boolean", default: false },
        json: { type: "string" },
        write: { type: "boolean", default: false },
        "without-peers": { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${help}`)
  }
})()

if (options.help) {
  console.log(help)
  process.exit(0)
}
if (process.platform !== "linux") {
  fail("The benchmark reads processor time and memory from /proc: it runs on Linux only.")
}

const chosen: ReadonlyArray<Figure> = (() => {
  if (options.against !== undefined) {
    if (options.only !== undefined || options.write) fail("--against is a run of its own: no --only, and no --write.")
    return [against(options.against)]
  }
  if (options.only === undefined) return figures
  const names = options.only.flatMap((list) => list.split(",")).map((name) => name.trim()).filter((name) => name !== "")
  const unknown = names.filter((name) => !figures.some((figure) => figure.name === name))
  if (unknown.length > 0 || names.length === 0) {
    fail(
      `There is no figure ${unknown.map((name) => `"${name}"`).join(", ")}. There are ${
        figures.map(({ name }) => name).join(", ")
      }.`
    )
  }
  return figures.filter(({ name }) => names.includes(name))
})()

// The servers are ended by the exit handler in servers.ts.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    clearLine()
    process.exit(130)
  })
}

const started = performance.now()
const loadBefore = loadavg()[0]!
const estimate = ({ seconds }: Figure) => options.quick ? seconds.quick : seconds.full

let shown = ""
function clearLine() {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
}

/** One line that tells what runs and how long is left; without a terminal it is printed once a figure. */
const progress = (figure: Figure, done: number, what: string) => {
  const index = chosen.indexOf(figure)
  const sum = (some: ReadonlyArray<Figure>) => some.reduce((total, each) => total + estimate(each), 0)
  const past = sum(chosen.slice(0, index)) + done * estimate(figure)
  const all = sum(chosen)
  const elapsed = (performance.now() - started) / 1000
  // The estimates are for an idle machine. What has passed tells how far off they are on this one.
  const pace = past > 10 ? elapsed / past : 1
  const left = Math.max(0, (all - past) * pace)
  const rest = left > 90 ? `${Math.round(left / 60)} min` : `${Math.ceil(left)} s`
  if (process.stderr.isTTY) {
    const line = `${figure.name}: ${what} – about ${rest} left`
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  } else if (shown !== figure.name) {
    shown = figure.name
    console.error(`${figure.name}: about ${rest} left`)
  }
}

const print = (lines: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  for (const line of lines) {
    console.log("  " + line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
  }
}

try {
  const isWithoutPeers = options["without-peers"] || options.against !== undefined
  if (!isWithoutPeers) installPeers((line) => console.error(line))
  const present = subjects.filter((subject) => moduleOf(subject) !== undefined && !(subject.peer && isWithoutPeers))
  for (const subject of subjects) {
    if (!present.includes(subject)) console.error(`${subject.title} is left out`)
    else if (!subject.ndjson) await bundle(moduleOf(subject)!, subject.module)
  }

  const samples: Array<Sample> = []
  for (const figure of chosen) {
    await figure.measure({
      quick: options.quick,
      subjects: present,
      record: (setting, metric, subject, round, value) => {
        samples.push({ figure: figure.name, setting, metric, subject, round, value })
      },
      progress: (done, what) => progress(figure, done, what)
    })
    clearLine()
    console.log(`\n${figure.title}: ${figure.work}`)
    for (const { head, rows, setting } of tables(figure, summarize(samples))) {
      print([[setting, ...head.slice(1)], ...rows])
    }
  }

  const summaries = summarize(samples)
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    mode: options.quick ? "quick" : "full",
    seconds: (performance.now() - started) / 1000,
    machine: {
      processor: cpus()[0]!.model.trim(),
      cores: availableParallelism(),
      memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
      system: `${type()} ${release()}`,
      load: [loadBefore, loadavg()[0]!]
    },
    versions: versions(),
    summaries,
    checks: check(summaries).filter((each) => chosen.some(({ name }) => name === each.figure))
  }

  if (report.checks.length > 0) {
    console.log("\nMeasures")
    print(report.checks.map((each) => [
      verdict(each).replaceAll("*", ""),
      each.figure,
      each.line,
      each.limit,
      each.value === undefined ? "" : number(each.value)
    ]))
  }
  if (options.json !== undefined) {
    writeFileSync(options.json, JSON.stringify({ ...report, samples }, undefined, 2) + "\n")
  }
  if (options.write || (!options.quick && options.only === undefined && !isWithoutPeers)) {
    write(join(import.meta.dirname, "../docs"), report)
    console.log("\ndocs/BENCHMARKS.md is written")
  }
  console.log(`\n${Math.round(report.seconds)} s`)
  const short = report.checks.filter(({ holds }) => !holds)
  if (options.check && short.length > 0) {
    for (const { figure, limit, line, value } of short) {
      console.error(`${figure}: ${line} is ${value === undefined ? "not measured" : number(value)}, must be ${limit}`)
    }
    process.exit(1)
  }
  process.exit(0)
} catch (error) {
  clearLine()
  fail((error as Error).stack ?? String(error))
}
