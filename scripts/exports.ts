/**
 * Writes the `exports` of package.json: one entry for each module of the library. A test demands that it was run.
 *
 *     npm run exports
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"

/** Modules that others need and nobody may import: they are built and have no entry. Named like `services/Room`. */
const internal: ReadonlySet<string> = new Set([
  "listeners/NodeProblem",
  "listeners/NodeSocket",
  "memory/MemoryAlarm",
  "protocol/RpcCalls",
  "services/Launch",
  "services/OneTurn"
])

const manifest = new URL("../package.json", import.meta.url)

/** The modules of the library. What stands in `src` itself is the deployed Worker, which is no part of it. */
export const modules: ReadonlyArray<string> = globSync("*/**/*.ts", {
  cwd: new URL("../src", import.meta.url).pathname
})
  .map((path) => path.slice(0, -".ts".length))
  .filter((module) => !internal.has(module))
  .toSorted()

/** The `exports` that the package is to have. */
export const entries = {
  "./package.json": "./package.json",
  ...Object.fromEntries(modules.map((module) => [
    `./${module}`,
    { types: `./dist/${module}.d.ts`, default: `./dist/${module}.js` }
  ]))
}

if (import.meta.main) {
  const fields = JSON.parse(readFileSync(manifest, "utf8"))
  writeFileSync(manifest, `${JSON.stringify({ ...fields, exports: entries }, null, 2)}\n`)
}
