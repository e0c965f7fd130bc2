/**
 * A browser, and the Worker as it is deployed, for the tests of one file.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, vi } from "vitest"
import { createTestHarness, type TestHarness } from "wrangler"

const executablePath = "/usr/bin/chromium"
const isMissing = !existsSync(executablePath)
if (isMissing) console.warn(`There is no ${executablePath}, so the page is not tested.`)

/** Tests in a browser. Where nobody looks, a skipped test passes for a good one: in CI they fail without one. */
export const describeInBrowser = describe.skipIf(isMissing && !process.env.CI)

/** Runs the browser, for the tests of one `describe`. */
export const useChromium = () => {
  let browser: Browser | undefined

  beforeAll(async () => {
    assert.isFalse(isMissing, `${executablePath} is needed: apt-get install chromium`)
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

  afterAll(() => browser?.close())

  /** Another person's browser: it shares no storage. `problems` is what it reports as an error. */
  return async (options: Parameters<Browser["newContext"]>[0] = {}) => {
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

/** Runs the browser and the Worker, for the tests of one `describe`. */
export const useBrowser = (secrets: Readonly<Record<string, string>> = {}) => {
  let harness: TestHarness | undefined
  let url = new URL("http://127.0.0.1")

  beforeAll(async () => {
    harness = createTestHarness({
      root: fileURLToPath(new URL("../..", import.meta.url)),
      workers: [{ configPath: "./wrangler.toml", secrets: { ...secrets } }]
    })
    ;({ url } = await harness.listen())
  })

  afterAll(() => harness?.close())

  return {
    /** The page's address, with a path and a query. */
    address: (path = "/") => new URL(path, url).href,

    /** Sends a room to sleep. */
    sleep: (name: string) => harness!.getWorker().evictDurableObject("ChatRoom", { name, webSockets: "hibernate" }),

    visit: useChromium()
  }
}

/** Waits until it holds, for as long as whatever is slow may take. */
export const until = (assertion: () => void | Promise<void>) => vi.waitFor(assertion, 15_000)

/** Says something on the page, as one does with a keyboard. */
export const say = async (page: Page, text: string) => {
  await page.getByLabel("Message").fill(text)
  await page.getByLabel("Message").press("Enter")
}

/** Waits until the conversation has it. */
export const sees = (page: Page, text: string) => page.getByRole("log").getByText(text).last().waitFor()

/** Waits until a part of the page says it, and nothing else. */
export const shows = (page: Page, selector: string, text: string) =>
  page.locator(selector).getByText(text, { exact: true }).waitFor()

/** Waits until the log shows its end. It follows as the next frame is drawn. */
export const isAtEnd = (page: Page) =>
  until(async () => {
    const rest = await page.locator("#log").evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight)
    assert.isBelow(rest, 2)
  })

/** Reads further up in the log. The page hears of that a frame later, after what has come has been laid out. */
export const scrollUp = async (page: Page, top: number) => {
  await isAtEnd(page)
  await page.locator("#log").evaluate((log, top) =>
    new Promise<void>((resolve) => {
      log.addEventListener("scroll", () => resolve(), { once: true })
      log.scrollTop = top
    }), top)
}
