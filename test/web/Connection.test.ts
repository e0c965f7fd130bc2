/**
 * The page while its connection comes and goes.
 */
import type { Page } from "playwright-core"
import { assert, it, vi } from "vitest"
import { describeInBrowser, say, sees, shows, useBrowser } from "./browser.ts"

describeInBrowser("the page without a connection", () => {
  const { address, visit } = useBrowser()

  const enter = async (page: Page, room: string, name: string) => {
    await page.goto(address(`/?room=${room}&name=${name}`))
    await sees(page, "You joined as ")
  }

  const saidOn = (page: Page) => page.locator("#entries .said .text").allTextContents()

  const fates = (page: Page) => page.locator("#typed .fate").allTextContents()

  // How far what has been laid out has moved by itself: layout shifts, as the browser counts them.
  const watchShifts = (page: Page) =>
    page.addInitScript(`
      shifts = []
      new PerformanceObserver((list) => {
        for (const { hadRecentInput, sources, value } of list.getEntries()) {
          if (!hadRecentInput && sources.some(({ node }) => node?.closest?.("#log, #events") == null)) shifts.push(value)
        }
      }).observe({ type: "layout-shift", buffered: true })
    `)

  it("comes back after a cut, and the others are told in words (PG-6)", async () => {
    await using ada = await visit()
    await using brian = await visit({ colorScheme: "dark", viewport: { width: 1100, height: 760 } })
    await enter(ada.page, "cut", "Ada")
    await enter(brian.page, "cut", "Brian")
    await sees(ada.page, "Brian joined.")
    await brian.page.getByRole("button", { name: "Cut the connection" }).click()
    await sees(ada.page, "Brian lost the connection.")
    await sees(brian.page, "You are back as Brian.")
    await sees(ada.page, "Brian is back.")
    await say(brian.page, "Was I away?")
    await sees(ada.page, "Was I away?")
    await say(ada.page, "Not for long.")
    await sees(brian.page, "Not for long.")
    assert.deepStrictEqual([...ada.problems, ...brian.problems], [])
  })

  it("keeps what is typed while offline, and sends it in order, once (PG-7)", async () => {
    await using ada = await visit()
    await using brian = await visit()
    const { page } = ada
    await watchShifts(page)
    await enter(page, "offline", "Ada")
    await enter(brian.page, "offline", "Brian")
    await sees(page, "Brian joined.")
    const offline = page.getByRole("button", { name: "Offline" })
    await offline.click()
    assert.strictEqual(await offline.getAttribute("aria-pressed"), "true")
    await shows(page, "#status", "You are offline")
    await page.getByText(/^next attempt at .+, in \d+ s$/).waitFor()
    await say(page, "one")
    await say(page, "two")
    assert.deepStrictEqual(await fates(page), ["waiting", "waiting"])
    assert.deepStrictEqual(await saidOn(brian.page), [])

    await offline.click()
    await shows(page, "#status", "Connected")
    await sees(brian.page, "two")
    await vi.waitFor(async () => assert.deepStrictEqual(await fates(page), []))
    for (const told of [page, brian.page]) assert.deepStrictEqual(await saidOn(told), ["one", "two"])
    assert.deepStrictEqual(await page.locator("#entries .fate").allTextContents(), ["sent", "sent"])
    assert.deepStrictEqual(await page.evaluate("shifts"), [])
    assert.deepStrictEqual([...ada.problems, ...brian.problems], [])
  })

  it("does the same where it is the browser that is offline (PG-7)", async () => {
    await using ada = await visit()
    const { page } = ada
    await enter(page, "tunnel", "Ada")
    await page.context().setOffline(true)
    // A connection that stands does not break off by that.
    await page.getByRole("button", { name: "Cut the connection" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "from the tunnel")
    assert.deepStrictEqual(await fates(page), ["waiting"])
    await page.context().setOffline(false)
    await shows(page, "#status", "Connected")
    await vi.waitFor(async () => assert.deepStrictEqual(await saidOn(page), ["from the tunnel"]))
  })

  it("loses nothing on a reload: what was said, what waits, and what is being typed (PG-8)", async () => {
    await using ada = await visit()
    const { page } = ada
    await enter(page, "reload", "Ada")
    // The address is for others, too: the name is not in it.
    assert.strictEqual(new URL(page.url()).search, "?room=reload")
    await say(page, "before")
    await vi.waitFor(async () => assert.deepStrictEqual(await saidOn(page), ["before"]))
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "while away")
    await page.getByLabel("Message").fill("half a sen")

    await page.reload()
    await sees(page, "You are back as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")
    await vi.waitFor(async () => assert.deepStrictEqual(await saidOn(page), ["before", "while away"]))
    // A copy of the tab would copy this, too, and send it again.
    assert.isNull(await page.evaluate("sessionStorage.getItem('dormouse.stay')"))
    await page.getByRole("button", { name: "Leave" }).click()
    await page.goto(address("/?room=reload&name=Ada"))
    await sees(page, "You joined as Ada.")
    assert.deepStrictEqual(await saidOn(page), [])
    assert.deepStrictEqual(ada.problems, [])
  })
})
