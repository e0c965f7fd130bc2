import { assert, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")

const rules = [...read("docs/SPEC.md").matchAll(/^\| ([A-Z]{2}-\d+) \|/gm)].map(([, id]) => id!)

const titles = globSync("test/**/*.ts", { cwd: root.pathname })
  .flatMap((path) => [...read(path).matchAll(/["'`]([^"'`\n]*\(([A-Z]{2}-\d+(?:, [A-Z]{2}-\d+)*)\))["'`]/g)])

const named = new Set(titles.flatMap(([, , ids]) => ids!.split(", ")))

it("every rule of the specification stands in the title of a test", () => {
  assert.isAbove(rules.length, 40)
  assert.deepStrictEqual(rules.filter((id) => !named.has(id)), [])
})

it("every rule that a test names stands in the specification, once", () => {
  assert.deepStrictEqual([...named].filter((id) => !rules.includes(id)), [])
  assert.strictEqual(new Set(rules).size, rules.length)
})
