/**
 * A browser, and the Worker as it is deployed, for the tests of one file.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Browser, chromium } from "playwright-core"
import { afterAll, assert, beforeAll, describe } from "vitest"
import { createTestHarness, type TestHarness } from "wrangler"

const executablePath = "/usr/bin/chromium"
const isMissing = !existsSync(executablePath)
if (isMissing) console.warn(`There is no ${executablePath}, so the page is not tested.`)

/** Tests in a browser. Where nobody looks, a skipped test passes for a good one: in CI they fail without one. */
export const describeInBrowser = describe.skipIf(isMissing && !process.env.CI)

/** Runs the browser and the Worker, for the tests of one `describe`. */
export const useBrowser = () => {
  let harness: TestHarness | undefined
  let browser: Browser | undefined
  let url = new URL("http://127.0.0.1")

  beforeAll(async () => {
    assert.isFalse(isMissing, `${executablePath} is needed: apt-get install chromium`)
    harness = createTestHarness({
      root: fileURLToPath(new URL("../..", import.meta.url)),
      workers: [{ configPath: "./wrangler.toml" }]
    })
    ;({ url } = await harness.listen())
    browser = await chromium.launch({
      executablePath,
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync"
      ]
    })
  })

  afterAll(async () => {
    await browser?.close()
    await harness?.close()
  })

  return {
    /** The page's address, with a path and a query. */
    address: (path = "/") => new URL(path, url).href,

    /** Sends a room to sleep. */
    sleep: (name: string) => harness!.getWorker().evictDurableObject("ChatRoom", { name, webSockets: "hibernate" }),

    /** Another person's browser: it shares no storage. `problems` is what it reports as an error. */
    visit: async (options: Parameters<Browser["newContext"]>[0] = {}) => {
      const context = await browser!.newContext({ viewport: { width: 390, height: 760 }, ...options })
      const page = await context.newPage()
      page.setDefaultTimeout(15_000)
      const problems: Array<string> = []
      page.on("pageerror", (error) => problems.push(error.message))
      page.on("console", (message) => {
        if (message.type() === "error") problems.push(message.text())
      })
      return { page, problems, [Symbol.asyncDispose]: () => context.close() }
    }
  }
}
