/**
 * The Worker as wrangler.toml deploys it, in a workerd of its own: built by wrangler, with its bindings, and with a socket on
 * which nothing stands between a client and the Worker.
 */
import { convertV4MiniflareOptions, Miniflare } from "miniflare"
import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { unstable_getMiniflareWorkerOptions } from "wrangler"
import WebSocket from "ws"
import { residentBytes } from "../bench/proc.ts"

export interface Server {
  readonly port: number
  /** The process of workerd. */
  readonly pid: number
  /** What the Worker and workerd have logged. */
  readonly log: ReadonlyArray<Line>
  /** Sends a room to sleep; its connections stay. `false` if it slept already. */
  readonly evict: (room: string) => Promise<boolean>
  /** What is used once garbage is collected. It is collected when a room has something to do. */
  readonly memory: () => Promise<Memory>
  readonly stop: () => Promise<void>
}

/** In bytes. */
export interface Memory {
  /** The JavaScript heap of the Worker and its rooms, with its buffers. */
  readonly heap: number
  /** Anonymous resident memory of workerd. Its allocator gives little of it back. */
  readonly resident: number
}

export interface Line {
  readonly level: string
  readonly message: string
}

const root = join(import.meta.dirname, "..")
const name = "dormouse"

// wrangler asks for no account, and looks nothing up on the network.
const quiet = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_WRITE_LOGS: "false"
}

const build = async (main: string): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "dormouse-fuzz-"))
  try {
    const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js")
    await promisify(execFile)(process.execPath, [wrangler, "deploy", main, "--dry-run", "--outdir", folder], {
      cwd: root,
      env: { ...process.env, ...quiet }
    })
    const code = readdirSync(folder).find((file) => file.endsWith(".js"))
    return readFileSync(join(folder, code!), "utf8")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// What a debugger sees: workerd's log says nothing of an exception in an event of an object.
const inspect = async (url: string, log: Array<Line>) => {
  const socket = new WebSocket(url)
  const answers = new Map<number, (result: { readonly [name: string]: number }) => void>()
  let last = 0
  socket.on("message", (data) => {
    const { id, method, params, result } = JSON.parse(String(data))
    answers.get(id)?.(result)
    if (method !== "Runtime.exceptionThrown") return
    const { exception, text } = params.exceptionDetails
    log.push({ level: "error", message: `${text} ${exception?.description ?? ""}` })
  })
  socket.on("error", () => undefined)
  await once(socket, "open")
  const ask = (method: string): Promise<{ readonly [name: string]: number }> =>
    new Promise((resolve) => {
      answers.set(++last, resolve)
      socket.send(JSON.stringify({ id: last, method }))
    })
  await ask("Runtime.enable")
  await ask("HeapProfiler.enable")
  return {
    heap: async () => {
      for (let time = 0; time < 2; time++) await ask("HeapProfiler.collectGarbage")
      const { backingStorageSize, embedderHeapUsedSize, usedSize } = await ask("Runtime.getHeapUsage")
      return usedSize! + embedderHeapUsedSize! + backingStorageSize!
    },
    close: () => socket.terminate()
  }
}

const workerdOf = (parent: number): number => {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, "latin1").trim().split(" ")
  const found = children.findLast((pid) => readFileSync(`/proc/${pid}/comm`, "latin1").startsWith("workerd"))
  if (found === undefined) throw new Error("There is no workerd.")
  return Number(found)
}

/** What the Worker is given. A crowd comes from one address. */
const variables = {
  LIMITS: JSON.stringify({
    connectionsPerAddress: 10_000,
    connectsPerAddress: 1_000_000,
    newRoomsPerAddress: 1_000_000,
    lockoutSeconds: 0
  })
}

/** Starts it. With another entry, or with more variables, it may have a fault that is to be found. */
export const start = async (
  { main = "src/worker.ts", more = {} }: { readonly main?: string; readonly more?: Readonly<Record<string, string>> } =
    {}
): Promise<Server> => {
  Object.assign(process.env, quiet)
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(root, "wrangler.toml"))
  const log: Array<Line> = []
  const miniflare = new Miniflare(convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    inspectorPort: 0,
    cf: false,
    handleStructuredLogs: (line) => log.push(line),
    workers: [{
      ...workerOptions,
      name,
      rootPath: root,
      modules: [{ type: "ESModule", path: "worker.js", contents: await build(main) }],
      modulesRoot: ".",
      bindings: Object.assign({}, workerOptions.bindings, variables, more),
      unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }]
    }]
  }))
  const { port } = await miniflare.unsafeGetDirectURL()
  const inspector = await inspect(`${(await miniflare.getInspectorURL()).href}core:user:${name}`, log)
  const pid = workerdOf(process.pid)
  return {
    port: Number(port),
    pid,
    log,
    memory: async () => ({ heap: await inspector.heap(), resident: residentBytes(pid) }),
    evict: async (room) => {
      try {
        await miniflare.unsafeEvictDurableObject(name, "ChatRoom", { name: room, webSockets: "hibernate" })
        return true
      } catch (cause) {
        if (cause instanceof Error && cause.message.includes("not currently running")) return false
        throw cause
      }
    },
    stop: async () => {
      inspector.close()
      await miniflare.dispose()
    }
  }
}

// What workerd itself remarks of clients that are wrong, or gone. No Worker can catch it.
const remarks = [
  // Of a host or a target no URL can be made: the request reaches no Worker.
  /^Uncaught exception: .*Fetch API cannot load: /,
  // The object is told, too.
  /^Uncaught exception: .*WebSocket protocol error; protocolError\.statusCode = \d+/,
  // Of a connection that breaks off while much is being sent to it.
  /^e = kj\/compat\/http\.c\+\+:\d+: failed: expected !currentlySending;/
]

// The house logs JSON, by `console.log`: the level is in the line.
const isFault = ({ level, message }: Line): boolean =>
  level === "error" || level === "warn" || /"level":"(?:WARN|ERROR|FATAL)"/.test(message)

/** What was logged and should not have been. */
export const faults = ({ log }: Server): ReadonlyArray<string> =>
  log
    .filter((line) => isFault(line) && remarks.every((remark) => !remark.test(line.message)))
    .map(({ level, message }) => `logged as ${level}: ${message.slice(0, 500)}`)

export const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`
