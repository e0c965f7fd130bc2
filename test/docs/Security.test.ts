import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

const rules = new Set([...read("docs/SPEC.md").matchAll(/^\| ([A-Z]{2}-\d+) \|/gm)].map(([, id]) => id!))

const rows = [...read("SECURITY.md").matchAll(/^\| (\d+) \| (.+) \| (.+) \| (.+) \|$/gm)]

it("SECURITY.md answers each of the 25 questions, with the rules that show it", () => {
  const numbers = rows.map(([, number]) => Number(number))
  assert.deepStrictEqual(numbers.toSorted((a, b) => a - b), Array.from({ length: 25 }, (_, index) => index + 1))
  for (const [row, , , , ids] of rows) assert.match(ids!, /^(?:—|[A-Z]{2}-[\d?]+(?:, [A-Z]{2}-[\d?]+)*)$/, row)
})

it("every rule that SECURITY.md names stands in the specification", () => {
  const named = [...read("SECURITY.md").matchAll(/\b[A-Z]{2}-(?:\d+|\?)/g)].map(([id]) => id)
  assert.isAbove(named.length, 25)
  assert.deepStrictEqual([...new Set(named)].filter((id) => !rules.has(id)), [])
})
