import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

const linked = ["effect", "@cloudflare/workers-types", "@types/node", "@types/ws", "jose", "undici-types", "ws"]

/**
 * Builds and packs the package, and puts it into an otherwise empty project, as an installation would. Nothing is asked
 * of a registry: the peers are linked.
 */
export const install = (): { readonly project: string; readonly tarball: string } => {
  const run = (command: string, ...args: ReadonlyArray<string>) =>
    execFileSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
  run("npm", "run", "--silent", "build")
  // A link in the path would make two modules of one.
  const project = realpathSync(mkdtempSync(join(tmpdir(), "dormouse-")))
  const packed = run("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", project).trim()
  const tarball = join(project, packed.slice(packed.lastIndexOf("\n") + 1))

  const installed = join(project, "node_modules/effect-dormouse")
  mkdirSync(installed, { recursive: true })
  run("tar", "-xzf", tarball, "-C", installed, "--strip-components", "1")
  for (const name of linked) {
    const link = join(project, "node_modules", name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, "node_modules", name), link)
  }
  cpSync(join(root, "test/package/consumer"), project, { recursive: true })
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }))
  return { project, tarball }
}
