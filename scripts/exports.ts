/**
 * Writes the `exports` of package.json: one flat entry for each module of the library that users use. A test demands
 * that it was run.
 *
 *     npm run exports
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"

/** Modules that users have no use for. They are built, since others need them; nobody can import them. */
export const internal: ReadonlySet<string> = new Set([
  "Assembly",
  "Beside",
  "ClockAlarm",
  "Crowd",
  "DurableAlarm",
  "DurableSockets",
  "Expiry",
  "Feed",
  "Idle",
  "Listeners",
  "ListenerRoom",
  "ListenerSockets",
  "Mailbox",
  "NodeHttp",
  "NodeSocket",
  "NodeStorage",
  "NodeUpgrade",
  "OneTurn",
  "Outgoing",
  "Pace",
  "Plain",
  "PushedStreams",
  "Register",
  "RoomService",
  "RoomsEndpoints",
  "RpcCalls",
  "RpcFrames",
  "Since",
  "Spans",
  "SocketRules",
  "SqliteStorage",
  "Stub",
  "Tables",
  "Tally",
  "Wire"
])

const manifest = new URL("../package.json", import.meta.url)

/** The name by which users import a module. */
export const nameOf = (module: string): string => module.slice(module.lastIndexOf("/") + 1)

/** All modules of the library, by their places below `src`. The files in `src` itself are the deployed Worker. */
export const all: ReadonlyArray<string> = globSync("*/**/*.ts", { cwd: new URL("../src", import.meta.url).pathname })
  .map((path) => path.slice(0, -".ts".length))

/** The modules that users import. */
export const modules: ReadonlyArray<string> = all
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
