import { assert, it } from "vitest"
import { createTestHarness } from "wrangler"

it("a room that is kept serves one request after the other, and many at once (RO-12)", async () => {
  const root = new URL("kept", import.meta.url).pathname
  const harness = createTestHarness({ root, workers: [{ configPath: "./wrangler.toml" }] })
  try {
    const { url } = await harness.listen()
    const earn = async () => (await fetch(url)).json()
    for (const coins of [1, 2, 3]) assert.strictEqual(await earn(), coins)
    const many = await Promise.all(Array.from({ length: 20 }, earn))
    assert.strictEqual(new Set(many).size, 20)
  } finally {
    await harness.close()
  }
})
