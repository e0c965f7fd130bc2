/**
 * The processes that a chaos run kills: a server of the room in plain Node, or in a workerd of its own.
 */
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A process, and the port that it listens on. */
export interface Server {
  readonly port: number
  /** Kills the process with SIGKILL, and ends when it has gone. */
  readonly kill: () => Promise<void>
}

/** Where a server keeps what outlives its process. */
export interface Place {
  readonly start: () => Promise<Server>
  readonly remove: () => void
}

const children = new Set<ChildProcess>()
const folders = new Set<string>()

/** Nothing outlives a run, however it ends. */
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const makeFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "dormouse-chaos-"))
  folders.add(folder)
  return folder
}

const removeFolder = (folder: string) => {
  rmSync(folder, { recursive: true, force: true })
  folders.delete(folder)
}

const run = async (
  command: string,
  args: ReadonlyArray<string>,
  control: 1 | 3,
  portIn: RegExp
): Promise<Server> => {
  const child = spawn(command, args, {
    stdio: ["ignore", control === 1 ? "pipe" : "ignore", "pipe", control === 3 ? "pipe" : "ignore"],
    // A Ctrl-C is for the run alone: it ends its children itself.
    detached: true
  })
  children.add(child)
  const gone = once(child, "exit").then(() => void children.delete(child))
  let errors = ""
  child.stderr?.on("data", (data: Buffer) => (errors = (errors + data).slice(-4_000)))
  const port = await new Promise<number>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`The server ended by itself.\n${errors}`)))
    child.stdio[control]!.on("data", (data: Buffer) => {
      const found = portIn.exec(String(data))?.[1]
      if (found !== undefined) resolve(Number(found))
    })
  })
  return {
    port,
    kill: () => {
      child.kill("SIGKILL")
      return gone
    }
  }
}

/** The room in plain Node, with a directory. */
export const node = (): Place => {
  const folder = makeFolder()
  return {
    start: () => run(process.execPath, [join(import.meta.dirname, "node.ts"), folder], 1, /^(\d+)\n/),
    remove: () => removeFolder(folder)
  }
}

const capnp = (disk: string) => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "disk", disk = (path = ${JSON.stringify(disk)}, writable = true)),
    (name = "main", worker = .main)
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-17",
  compatibilityFlags = ["unsafe_module"],
  durableObjectNamespaces = [(className = "AnnalsRoom", uniqueKey = "annals", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "ANNALS", durableObjectNamespace = "AnnalsRoom")]
);
`

let bundled: Promise<string> | undefined

const bundle = async (): Promise<string> => {
  const outfile = join(makeFolder(), "worker.js")
  await build({
    entryPoints: [join(import.meta.dirname, "worker.ts")],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2024",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*", "workerd:*"],
    logLevel: "error"
  })
  return outfile
}

/** The room in a workerd of its own, with a disk. */
export const workerd = async (): Promise<Place> => {
  const code = await (bundled ??= bundle())
  const command: string = createRequire(import.meta.url)("workerd").default
  const folder = makeFolder()
  const config = join(folder, "config.capnp")
  mkdirSync(join(folder, "disk"))
  copyFileSync(code, join(folder, "worker.js"))
  writeFileSync(config, capnp(join(folder, "disk")))
  return {
    start: () => run(command, ["serve", "--experimental", "--control-fd=3", config], 3, /"port":(\d+)/),
    remove: () => removeFolder(folder)
  }
}
