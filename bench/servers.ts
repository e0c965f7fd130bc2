/** The subjects, how each is bundled, and a server of it together with the process that loads it. */
import { build as esbuild } from "esbuild"
import { execFileSync, fork } from "node:child_process"
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { bundles } from "../scripts/size.ts"
import type { Operations } from "./generator.ts"
import { drive, type Driven } from "./ipc.ts"
import { cpuMicros } from "./proc.ts"
import * as Workerd from "./workerd.ts"

export interface Subject {
  readonly name: string
  readonly title: string
  /** The module below subjects/, without its extension. */
  readonly module: string
  /** Ask for newline-delimited frames. */
  readonly ndjson: boolean
  /** It is measured to be compared with, not to be judged. */
  readonly peer: boolean
  /** It has per-connection state that survives a hibernation. */
  readonly state: boolean
  /** It can look connections up by id, user and label. */
  readonly find: boolean
}

const peer = { ndjson: false, peer: true, state: true, find: false }
const ours = { peer: false, state: true, find: true }

export const subjects: ReadonlyArray<Subject> = [
  { name: "floor", title: "by hand", module: "floor", ndjson: false, ...ours },
  { name: "dormouse", title: "Dormouse", module: "dormouse", ndjson: false, ...ours },
  { name: "ndjson", title: "Dormouse, ndjson", module: "dormouse", ndjson: true, ...ours },
  { name: "partyserver", title: "partyserver", module: "partyserver", ...peer },
  { name: "agents", title: "agents", module: "agents", ...peer },
  { name: "crossws", title: "crossws", module: "crossws", ...peer, state: false }
]

const root = join(import.meta.dirname, "..")

/** The Workers whose size is measured. */
export const workers = {
  example: join(root, bundles.example.entry),
  worker: join(root, bundles.worker.entry)
}

const output = join(import.meta.dirname, ".out")
const peers = join(import.meta.dirname, "peers")

export const moduleOf = (subject: Subject): string | undefined =>
  [".ts", ".js"].map((extension) => join(import.meta.dirname, "subjects", subject.module + extension)).find(existsSync)

const versionIn = (folder: string): string => {
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { readonly version: string }
  return version
}

/** Installs the peers exactly as the lock file says, unless they are there already. */
export const installPeers = (say: (line: string) => void): void => {
  const lock = readFileSync(join(peers, "package-lock.json"), "utf8")
  const stamp = join(peers, "node_modules", ".bench-lock")
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return
  say("installing the peers into bench/peers (about 70 MB, once)")
  try {
    // The peers' install scripts build nothing that a bundle needs.
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: peers,
      stdio: ["ignore", "ignore", "inherit"]
    })
  } catch {
    throw new Error("`npm ci` failed in bench/peers; without its peers the benchmark runs with --without-peers")
  }
  writeFileSync(stamp, lock)
}

export const versions = (): Record<string, string> => {
  const installed = (name: string) => versionIn(join(root, "node_modules", name))
  const versions: Record<string, string> = {
    workerd: installed("workerd"),
    esbuild: installed("esbuild"),
    effect: installed("effect"),
    node: process.versions.node,
    ws: installed("ws"),
    partysocket: installed("partysocket")
  }
  for (const name of ["partyserver", "agents", "crossws"]) {
    const folder = join(peers, "node_modules", name)
    if (existsSync(folder)) versions[name] = versionIn(folder)
  }
  return versions
}

export interface Bundle {
  readonly file: string
  readonly bytes: number
  readonly gzip: number
}

/** Bundles as wrangler does with `minify = true` and `keep_names = false`. */
export const bundle = async (
  entry: string,
  name: string,
  alias: Readonly<Record<string, string>> = {}
): Promise<Bundle> => {
  const file = join(output, `${name}.js`)
  await esbuild({
    entryPoints: [entry],
    outfile: file,
    alias,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    define: { "process.env.NODE_ENV": "\"production\"" },
    nodePaths: [join(peers, "node_modules")],
    logLevel: "error"
  })
  const code = readFileSync(file)
  return { file, bytes: code.length, gzip: gzipSync(code, { level: 9 }).length }
}

/** The files of a commit, in a folder that goes with the benchmark. They are given the packages of this tree. */
const checkout = (commit: string): string => {
  const folder = Workerd.makeFolder()
  const git = (...parameters: ReadonlyArray<string>) =>
    execFileSync("git", parameters, { cwd: root, maxBuffer: 2 ** 30, stdio: ["ignore", "pipe", "inherit"] })
  const hash = git("rev-parse", "--verify", "--end-of-options", `${commit}^{commit}`).toString().trim()
  execFileSync("tar", ["-x", "-C", folder], { input: git("archive", hash) })
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  return folder
}

/** The seed example as another commit has it, and as it is here: bundled, and ready to be opened. */
export const builds = async (commit: string): Promise<ReadonlyArray<Subject>> => {
  const seeds = [["other", join(checkout(commit), bundles.example.entry)], ["this", workers.example]] as const
  const wrapper = join(import.meta.dirname, "subjects/seed.js")
  for (const [name, seed] of seeds) await bundle(wrapper, `seed-${name}`, { seed })
  return seeds.map(([name]) => ({ name, title: name, module: `seed-${name}`, ndjson: false, ...ours }))
}

/** A workerd of its own for a Worker. */
const serve = async (modules: Record<string, string>, durable: boolean): Promise<Workerd.Server> => {
  const { folder, start } = Workerd.install({
    modules,
    ...(durable ? { object: { className: "Room", binding: "ROOM" } } : {})
  })
  const server = await start()
  return {
    ...server,
    kill: async () => {
      await server.kill()
      Workerd.removeFolder(folder)
    }
  }
}

/** A process that loads a server. */
export type Generator = Driven<Operations>

export interface Target extends Generator {
  readonly subject: Subject
  readonly pid: number
  readonly port: number
  /** Another process that loads the same server: what it is busy with does not delay what this one measures. */
  readonly another: () => Generator
}

const generator = join(import.meta.dirname, "generator.ts")

const generate = (subject: Subject, server: Workerd.Server): Generator =>
  drive(subject.title, generator, [String(server.port), String(server.pid)])

const load = (subject: Subject, server: Workerd.Server): Target => {
  const { call, close } = generate(subject, server)
  return {
    subject,
    pid: server.pid,
    port: server.port,
    call,
    another: () => generate(subject, server),
    close: async () => {
      await close()
      await server.kill()
    }
  }
}

/** A fresh workerd with a subject in it, and the process that loads it. */
export const open = async (subject: Subject): Promise<Target> =>
  load(subject, await serve({ "worker.js": readFileSync(join(output, `${subject.module}.js`), "utf8") }, true))

const importer = `export default {
  fetch: async (request) => {
    if (request.url.endsWith("/import")) await import("./bundle.js")
    return new Response("done")
  }
}`

/**
 * Milliseconds of processor time that a workerd needs to compile and to evaluate a bundle: those of a request that imports it,
 * without those of a request that does not.
 */
export const evaluate = async (bundle: Bundle): Promise<number> => {
  const server = await serve({ "worker.js": importer, "bundle.js": readFileSync(bundle.file, "utf8") }, false)
  const request = async (path: string) => {
    const before = cpuMicros(server.pid)
    const response = await fetch(`http://127.0.0.1:${server.port}/${path}`)
    await response.text()
    if (!response.ok) throw new Error(`the bundle ${bundle.file} cannot be evaluated`)
    return (cpuMicros(server.pid) - before) / 1000
  }
  try {
    for (let i = 0; i < 3; i++) await request("")
    const nothing = await request("")
    return Math.max(0, await request("import") - nothing)
  } finally {
    await server.kill()
  }
}

/** A server of ready-made frames in place of workerd: it shows how much the load generator itself can take. */
export const openSource = async (ndjson: boolean): Promise<Target> => {
  const child = Workerd.owned(fork(generator, ["source"]))
  const { port } = await new Promise<{ readonly port: number }>((resolve) => child.once("message", resolve as never))
  const subject = { ...subjects[0]!, name: "source", title: "ready-made frames", ndjson }
  return load(subject, { pid: child.pid!, port, kill: () => Workerd.gone(child) })
}
