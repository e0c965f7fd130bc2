/**
 * Writes the `exports` of package.json: one flat entry for each module of the library that users use. A test demands that it was run.
 *
 *     npm run exports
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"

/** Modules that users have no use for: they are built, others need them, and nobody imports them. */
const internal: ReadonlySet<string> = new Set([
  "Assembly",
  "ClockAlarm",
  "DurableAlarm",
  "DurableSockets",
  "ListenerRoom",
  "ListenerSockets",
  "Mailbox",
  "NodeHttp",
  "NodeSocket",
  "NodeUpgrade",
  "OneTurn",
  "Plain",
  "PushedStreams",
  "RoomsEndpoints",
  "RpcCalls",
  "RpcFrames"
])

const manifest = new URL("../package.json", import.meta.url)

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1)

/**
 * The modules of the library, by their places below `src`. What stands in `src` itself is the deployed Worker, which is
 * no part of it.
 */
export const modules: ReadonlyArray<string> = globSync("*/**/*.ts", {
  cwd: new URL("../src", import.meta.url).pathname
})
  .map((path) => path.slice(0, -".ts".length))
  .filter((module) => !internal.has(nameOf(module)))
  .toSorted((a, b) => nameOf(a) < nameOf(b) ? -1 : 1)

/** The `exports` that the package is to have: one flat name a module, so that a move inside the house breaks nobody. */
export const entries = {
  "./package.json": "./package.json",
  ...Object.fromEntries(modules.map((module) => [
    `./${nameOf(module)}`,
    { types: `./dist/${module}.d.ts`, default: `./dist/${module}.js` }
  ]))
}

if (import.meta.main) {
  const fields = JSON.parse(readFileSync(manifest, "utf8"))
  writeFileSync(manifest, `${JSON.stringify({ ...fields, exports: entries }, null, 2)}\n`)
}
