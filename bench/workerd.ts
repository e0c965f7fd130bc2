/**
 * Processes that a run owns, and a workerd of its own among them. Nothing outlives the run, however it ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The date that every Worker runs under. */
export const compatibilityDate = "2026-11-17"

const children = new Set<ChildProcess>()
const folders = new Set<string>()

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

export const owned = <A extends ChildProcess>(child: A): A => {
  children.add(child)
  child.once("exit", () => children.delete(child))
  return child
}

/** Kills a process with SIGKILL, and ends when it has gone. */
export const gone = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
    child.kill("SIGKILL")
  })

export const makeFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "dormouse-run-"))
  folders.add(folder)
  return folder
}

export const removeFolder = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true })
  folders.delete(folder)
}

export interface Server {
  readonly pid: number
  readonly port: number
  /** Kills the process with SIGKILL, and ends when it has gone. */
  readonly kill: () => Promise<void>
}

/** Starts a process that tells the port that it listens on, by one of its outputs. */
export const run = async (
  command: string,
  args: ReadonlyArray<string>,
  control: 1 | 3,
  portIn: RegExp
): Promise<Server> => {
  const child = owned(spawn(command, args, {
    stdio: ["ignore", control === 1 ? "pipe" : "ignore", "pipe", control === 3 ? "pipe" : "ignore"],
    // A Ctrl-C is for the run alone: it ends its children itself.
    detached: true
  }))
  let errors = ""
  child.stderr!.on("data", (data: Buffer) => (errors = (errors + data).slice(-4_000)))
  const port = await new Promise<number>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`The server ended by itself.\n${errors}`)))
    child.stdio[control]!.on("data", (data: Buffer) => {
      const found = portIn.exec(String(data))?.[1]
      if (found !== undefined) resolve(Number(found))
    })
  })
  return { pid: child.pid!, port, kill: () => gone(child) }
}

/** A Worker for a workerd of its own. */
export interface Worker {
  /** Its modules by name, the main one first. */
  readonly modules: Readonly<Record<string, string>>
  /** The class of its objects and their binding, for a Worker that has objects. */
  readonly object?: { readonly className: string; readonly binding: string }
  /** `workerd:unsafe`, which sends objects to sleep. */
  readonly unsafe?: boolean
}

const capnp = ({ modules, object, unsafe }: Worker, disk: string) => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "disk", disk = (path = ${JSON.stringify(disk)}, writable = true)),
    (name = "main", worker = .main)
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [${Object.keys(modules).map((name) => `(name = "${name}", esModule = embed "${name}")`).join(", ")}],
  compatibilityDate = "${compatibilityDate}",
  compatibilityFlags = [${unsafe === true ? `"unsafe_module"` : ""}],
  ${
  object === undefined ? "" : `durableObjectNamespaces = [
    (className = "${object.className}", uniqueKey = "${object.binding}", enableSql = true)
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "${object.binding}", durableObjectNamespace = "${object.className}")]`
}
);
`

/** Writes a Worker into a folder, from which it can be started many times on the same disk. */
export const install = (worker: Worker): { readonly folder: string; readonly start: () => Promise<Server> } => {
  const command: string = createRequire(import.meta.url)("workerd").default
  const folder = makeFolder()
  const config = join(folder, "config.capnp")
  mkdirSync(join(folder, "disk"))
  for (const [name, code] of Object.entries(worker.modules)) writeFileSync(join(folder, name), code)
  writeFileSync(config, capnp(worker, join(folder, "disk")))
  const experimental = worker.unsafe === true ? ["--experimental"] : []
  return { folder, start: () => run(command, ["serve", ...experimental, "--control-fd=3", config], 3, /"port":(\d+)/) }
}
