import { assert, it } from "vitest"
import { upgrade, useWorker } from "./client.ts"

const worker = useWorker()

const welcomed = async (name: string) => (await worker.join(worker.room(), { name })).welcome.name

const refused = async (name: string) => {
  const path = `/rooms/${worker.room()}?${new URLSearchParams({ name })}`
  const { body, headers, status } = await worker.ask(path, { headers: upgrade })
  assert.strictEqual(status, 400)
  assert.strictEqual(headers["content-type"]?.split(";")[0], "application/problem+json")
  assert.strictEqual(JSON.parse(body).status, 400)
}

it("a client without a name is anonymous (CH-1)", async () => {
  assert.strictEqual((await worker.join(worker.room())).welcome.name, "anonymous")
})

it("a name has 1 to 64 characters (CH-1)", async () => {
  for (const name of ["a", "Ada Lovelace", "x".repeat(64), "李", "\"}{\\"]) {
    assert.strictEqual(await welcomed(name), name)
  }
})

it("a name is trimmed before it is measured (CH-1)", async () => {
  assert.strictEqual(await welcomed("  ada \t"), "ada")
  assert.strictEqual(await welcomed(`   ${"x".repeat(64)}   `), "x".repeat(64))
})

it("a longer name is refused (CH-1, WK-3)", async () => {
  for (const name of ["x".repeat(65), "😀".repeat(65), "x".repeat(10_000)]) await refused(name)
})

it("an emoji is one character of a name (CH-1)", async () => {
  assert.strictEqual(await welcomed("😀".repeat(64)), "😀".repeat(64))
})
