/**
 * Makes the pages that the Worker serves, `web/dist`, of what stands in `web`. Wrangler runs it whenever it bundles the
 * Worker.
 *
 *     node scripts/page.ts
 */
import { build, type BuildOptions } from "esbuild"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const out = join(root, "web/dist")

/** How a page is bundled. */
export const options = {
  absWorkingDir: root,
  outdir: out,
  entryPoints: ["web/app.ts", "web/inspect.ts"],
  inject: ["web/immediate.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome120", "firefox121", "safari17"],
  write: false
} as const satisfies BuildOptions

const contentOf = (path: string) => {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

// What has not changed is not written, and what has is there at once: whoever serves the folder at the same time never
// sees half a page, and is not told of a change that is none.
const write = (name: string, content: Uint8Array) => {
  const path = join(out, name)
  if (contentOf(path)?.equals(content)) return
  const beside = join(root, "web", `.${process.pid}.tmp`)
  writeFileSync(beside, content)
  renameSync(beside, path)
}

export const make = async () => {
  const { outputFiles } = await build(options)
  const files = new Map(outputFiles.map(({ contents, path }) => [path.slice(out.length + 1), contents]))
  for (const name of readdirSync(join(root, "web"))) {
    if (/\.(?:html|css)$|^_headers$/.test(name)) files.set(name, readFileSync(join(root, "web", name)))
  }
  mkdirSync(out, { recursive: true })
  for (const [name, content] of files) write(name, content)
  for (const name of readdirSync(out)) if (!files.has(name)) rmSync(join(out, name), { force: true })
}

if (import.meta.main) await make()
