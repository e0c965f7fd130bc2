/**
 * Prints what the Workers and a client weigh, minified and gzipped, and what takes the space. Fails where one is over its bound, or
 * carries what it does not use.
 *
 *     npm run size
 */
import { build, type BuildOptions } from "esbuild"
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import * as page from "./page.ts"

const KiB = 1024

interface Bundle {
  readonly title: string
  /** A file, or what the program is that is bundled instead. */
  readonly entry: string
  readonly program?: string
  /** Bytes, gzipped. */
  readonly limit: number
  readonly without: ReadonlyArray<string>
  readonly shared?: ReadonlyArray<string>
  /** What else is built otherwise than a Worker is. */
  readonly options?: BuildOptions
  /** What is loaded with it. */
  readonly beside?: ReadonlyArray<string>
}

/** What is weighed, and what it may weigh at most. The benchmark holds the Workers to the same. */
export const bundles = {
  worker: {
    title: "The deployed Worker",
    entry: "src/worker.ts",
    limit: 90 * KiB,
    without: ["effect/http", "effect/http-api", "src/client"]
  },
  example: {
    title: "The seed example",
    entry: "examples/hibernation-server/src/worker.ts",
    // What it weighed before rooms could store anything, 1 KiB for that, 1 KiB for limits, and 320 bytes for clients
    // that want to know whether a message was handled.
    limit: 44_966 + 2 * KiB + 320,
    // Who imports no API and no routes carries none.
    without: ["src/http", "src/inspector", "effect/http", "effect/http-api", "src/client"]
  },
  client: {
    title: "A client of the chat",
    entry: "a page that says hello and listens",
    program: `
      import * as Effect from "effect/Effect"
      import * as Stream from "effect/Stream"
      import { Chat, Say } from "./src/Chat.ts"
      import * as RoomClient from "./src/client/RoomClient.ts"

      Effect.gen(function*() {
        const client = yield* RoomClient.make(Chat, { url: "/rooms/lobby", query: { name: "Ada" } })
        yield* client.send(new Say({ text: "hello" }))
        yield* Stream.runForEach(client.messages, (message) => Effect.log(message._tag))
      }).pipe(Effect.scoped, Effect.runFork)
    `,
    limit: 45 * KiB,
    // The definition, and nothing of the server.
    without: ["src/services", "src/durable", "src/listeners", "src/memory", "src/doors", "src/http", "src/rpc"],
    shared: ["src/services/Room.ts", "src/services/Handlers.ts", "src/services/Protocol.ts"]
  },
  page: {
    title: "The page, without the inspector",
    entry: "web/app.ts",
    beside: ["web/index.html", "web/theme.css", "web/style.css", "web/chat.css"],
    limit: 60 * KiB,
    without: ["src/services", "src/durable", "src/inspector", "src/doors", "src/http"],
    shared: ["src/services/Room.ts", "src/services/Handlers.ts", "src/services/Protocol.ts"],
    options: page.options
  }
} satisfies Record<string, Bundle>

// `node_modules/effect/dist/Schema.js` belongs to `effect/Schema`, `src/services/Room.ts` to `services`.
const partOf = (path: string): string =>
  /node_modules\/(effect\/dist\/(?:internal|[^/.]+))/.exec(path)?.[1]?.replace("/dist", "") ??
    /(?:^|\/)(src\/[^/]+|examples\/[^/]+)/.exec(path)?.[1] ?? path

const format = (bytes: number) => `${(bytes / KiB).toFixed(1).padStart(6)} KiB`

const weigh = async ({ beside = [], entry, limit, options, program, shared = [], title, without }: Bundle) => {
  const { metafile, outputFiles: [output] } = await build({
    ...options,
    ...(program === undefined ? { entryPoints: [entry] } : { stdin: { contents: program, resolveDir: "." } }),
    bundle: true,
    minify: true,
    format: "esm",
    ...(options === undefined ? { target: "es2024", conditions: ["workerd", "worker", "browser"] } : {}),
    external: ["cloudflare:*"],
    metafile: true,
    write: false
  })
  const gzipped = [output!.contents, ...beside.map((path) => readFileSync(path))]
    .reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0)
  const parts = new Map<string, number>()
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const part = shared.includes(path) ? path : partOf(path)
      parts.set(part, (parts.get(part) ?? 0) + bytesInOutput)
    }
  }
  console.log(`${title} (${entry})`)
  console.log(`  ${format(gzipped)} gzipped, at most ${format(limit).trim()}`)
  console.log(`  ${format(output!.contents.length)} minified, of which`)
  for (const [part, bytes] of [...parts].toSorted(([, a], [, b]) => b - a).slice(0, 16)) {
    console.log(`    ${format(bytes)}  ${part}`)
  }
  for (const part of without.filter((part) => (parts.get(part) ?? 0) > 0)) {
    console.error(`  ${title} carries ${part}`)
    process.exitCode = 1
  }
  if (gzipped > limit) {
    console.error(`  ${title} is ${format(gzipped - limit).trim()} too large`)
    process.exitCode = 1
  }
}

if (import.meta.main) { for (const bundle of Object.values(bundles)) await weigh(bundle) }
