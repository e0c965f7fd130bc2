/**
 * The client against the deployed Worker, with the `WebSocket` of a browser.
 */
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"
import { assert, beforeAll, it } from "vitest"
import { suite } from "../contract/client.ts"
import { useWorker } from "../worker/client.ts"
import { describeInBrowser, useChromium } from "./browser.ts"
import type { Outside } from "./suite.ts"

describeInBrowser("the client in a browser", () => {
  const { crash, host, isAsleep, sleep } = useWorker()
  const visit = useChromium()
  let script = ""

  beforeAll(async () => {
    const { outputFiles } = await build({
      absWorkingDir: fileURLToPath(new URL("../..", import.meta.url)),
      entryPoints: ["test/web/suite.ts"],
      inject: ["web/immediate.ts"],
      // Of the test's own modules only `assert` is used, and that is what it is.
      alias: { "@effect/vitest": "chai" },
      bundle: true,
      format: "iife",
      write: false
    })
    script = outputFiles[0]!.text
  })

  const outside: Outside = async (what, room) => {
    if (what === "isAsleep") return isAsleep(room)
    await (what === "sleep" ? sleep : crash)(room)
    return true
  }

  suite((title) =>
    it(`${title}, in a browser`, async () => {
      await using visitor = await visit()
      const { page, problems } = visitor
      await page.exposeFunction("outside", outside)
      await page.goto(`http://${host()}/`)
      await page.evaluate(script)
      await page.evaluate(`run(${JSON.stringify(title)})`)
      assert.deepStrictEqual(problems, [])
    }), { pass: Effect.never, room: Effect.never })
})
