/**
 * What was changed, as git knows it.
 */
import { execFileSync } from "node:child_process"

const git = (...args: ReadonlyArray<string>) => execFileSync("git", args, { encoding: "utf8" })

/**
 * The lines of some files that were changed since another branch and this one parted, as `path:first-last`, and those
 * of the files that git does not know yet. What was only deleted leaves nothing to look at.
 */
export const changes = (since: string, files: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (files.length === 0) return []
  const untracked = git("ls-files", "--others", "--exclude-standard", "--", ...files).split("\n")
  const changed: Array<string> = []
  let path = ""
  for (const line of git("diff", "--merge-base", "--unified=0", "--no-prefix", since, "--", ...files).split("\n")) {
    path = /^\+\+\+ (.*)$/.exec(line)?.[1] ?? path
    const [, first, count = "1"] = /^@@ \S+ \+(\d+)(?:,(\d+))? @@/.exec(line) ?? []
    if (first !== undefined && count !== "0") changed.push(`${path}:${first}-${Number(first) + Number(count) - 1}`)
  }
  return [...changed, ...untracked.filter((file) => file !== "")]
}
