/**
 * The processes that a chaos run kills: a server of the room in plain Node, or in a workerd of its own.
 */
import { build } from "esbuild"
import { join } from "node:path"
import * as Workerd from "../bench/workerd.ts"

/** Where a server keeps what outlives its process. */
export interface Place {
  readonly start: () => Promise<Workerd.Server>
  readonly remove: () => void
}

/** The room in plain Node, with a directory. */
export const node = (): Place => {
  const folder = Workerd.makeFolder()
  return {
    start: () => Workerd.run(process.execPath, [join(import.meta.dirname, "node.ts"), folder], 1, /^(\d+)\n/),
    remove: () => Workerd.removeFolder(folder)
  }
}

let bundled: Promise<string> | undefined

const bundle = async (): Promise<string> => {
  const { outputFiles: [code] } = await build({
    entryPoints: [join(import.meta.dirname, "worker.ts")],
    write: false,
    bundle: true,
    format: "esm",
    target: "es2024",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*", "workerd:*"],
    logLevel: "error"
  })
  return code!.text
}

/** The room in a workerd of its own, with a disk. */
export const workerd = async (): Promise<Place> => {
  const { folder, start } = Workerd.install({
    modules: { "worker.js": await (bundled ??= bundle()) },
    object: { className: "AnnalsRoom", binding: "ANNALS" },
    unsafe: true
  })
  return { start, remove: () => Workerd.removeFolder(folder) }
}
