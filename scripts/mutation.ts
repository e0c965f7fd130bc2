/**
 * Says how much of the domain and of the services the tests in memory hold: changes the code in many small ways, one at
 * a time, and counts the changes that a test notices. Fails where that is less than 85 %.
 *
 *     npm run mutation
 *     npm run mutation -- --since main
 *
 * Stryker does it, with a few operators more (`mutation/operators.ts`) and without what only people read
 * (`mutation/plugin.ts`). What survives with good reason is listed in `mutation/survivors.json`.
 */
import type { LogLevel } from "@stryker-mutator/api/core"
import Stryker from "@stryker-mutator/core"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, matchesGlob, relative } from "node:path"
import { parseArgs } from "node:util"
import { changes } from "./mutation/changes.ts"
import { fromResult, makeReasons } from "./mutation/mutants.ts"
import { addOperators } from "./mutation/operators.ts"
import { render, scoreOf } from "./mutation/report.ts"

/** What is mutated. */
const folders = ["src/domain", "src/services"]

/** Of a hundred mutants, how many the tests are to notice. */
const bound = 85

const help = `npm run mutation -- [options]

  --since REV    only the lines that were changed since REV and this branch parted, committed or not
  --files GLOB   only these files, like "src/services/Room*.ts"
  --json FILE    writes what became of each mutant, and the survivors as scripts/mutation/survivors.json lists them
  --strict       fails also where a survivor is not listed there
  --help         prints this
`

const { values: options } = parseArgs({
  options: {
    since: { type: "string" },
    files: { type: "string", default: "**" },
    json: { type: "string" },
    strict: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const main = async () => {
  const files = folders
    .flatMap((folder) => globSync(`${folder}/**/*.ts`))
    .filter((file) => matchesGlob(file, options.files))
    .toSorted()
  // As they are now: a run is long enough to go on working.
  const sources = new Map(files.map((file) => [file, readFileSync(file, "utf8")]))
  const reasons = makeReasons(JSON.parse(readFileSync(new URL("mutation/survivors.json", import.meta.url), "utf8")))

  const results = await mutate(options.since === undefined ? files : changes(options.since, files))
  const ignored = results.filter(({ status }) => status === "Ignored")
  const mutants = files.flatMap((file) =>
    results
      .filter(({ fileName, status }) => status !== "Ignored" && relative(".", fileName) === file)
      .map((result) => fromResult(file, sources.get(file)!, result, reasons))
      .toSorted((a, b) => a.line - b.line)
  )
  const survivors = mutants.filter(({ survived }) => survived)

  process.stdout.write(render(
    mutants,
    Map.groupBy(ignored, ({ statusReason }) => statusReason ?? ""),
    // Of a file that was not mutated as a whole, this cannot be said.
    options.since === undefined ? files.flatMap((file) => reasons.left(file).map(({ code }) => `${file}  ${code}`)) : []
  ))
  if (options.json !== undefined) {
    const listed = Object.fromEntries(
      [...Map.groupBy(survivors, ({ file }) => file)].map(([file, survivors]) => [
        file,
        survivors.map(({ code, from, to, why }) => ({ code, from, to, why }))
      ])
    )
    writeFileSync(options.json, `${JSON.stringify({ score: scoreOf(mutants), mutants, survivors: listed }, null, 2)}\n`)
  }
  if (scoreOf(mutants) < bound || (options.strict && survivors.some(({ why }) => why === ""))) process.exitCode = 1
}

/** Mutates files, or some lines of them: `src/services/Room.ts`, `src/services/Room.ts:12-14`. */
const mutate = async (targets: ReadonlyArray<string>) => {
  if (targets.length === 0) return []
  // Where the copy lies that is mutated: outside, so that nobody who looks for sources finds it.
  const copies = mkdtempSync(join(tmpdir(), "dormouse-mutation-"))
  process.on("exit", () => rmSync(copies, { recursive: true, force: true }))
  await addOperators()
  return new Stryker({
    mutate: [...targets],
    testRunner: "vitest",
    vitest: { configFile: "scripts/mutation/vitest.config.ts", related: false },
    coverageAnalysis: "perTest",
    concurrency: 2,
    // A test that hangs fails by itself before that. Only what never comes back is killed, which costs more.
    timeoutMS: 10_000,
    plugins: ["@stryker-mutator/vitest-runner", new URL("mutation/plugin.ts", import.meta.url).href],
    reporters: ["stderr"],
    ignorers: ["for-people"],
    logLevel: "warn" as LogLevel,
    warnings: false,
    tempDirName: copies,
    ignorePatterns: ["dist", ".wrangler"],
    // Vitest reads no types. And Stryker would rewrite the file with an API that TypeScript 7 does not have.
    disableTypeChecks: false,
    tsconfigFile: "none"
  }).runMutationTest()
}

if (options.help) process.stdout.write(help)
else await main()
