/**
 * Both pages for those who do not see them, see them otherwise, or have no pointer.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Page } from "playwright-core"
import { assert, it } from "vitest"
import { describeInBrowser, isAtEnd, say, sees, shows, useBrowser } from "./browser.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const token = "a token that may everything"

describeInBrowser("both pages", () => {
  const { address, visit } = useBrowser({ API_TOKEN: token })

  const violations = async (page: Page) => {
    await page.evaluate(axe)
    return page.evaluate<Array<string>>(`
      axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map(({ failureSummary, html }) => id + ": " + html + failureSummary))
      )
    `)
  }

  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [320, 1280]) {
      it(`axe finds nothing, in ${colorScheme}, ${width} pixels wide (PG-12)`, async () => {
        const options = { colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" } as const
        await using ada = await visit(options)
        await using developer = await visit(options)
        const room = `axe-${colorScheme}-${width}`
        await ada.page.goto(address(`/?room=${room}`))
        await ada.page.getByRole("button", { name: "Join the room" }).click()
        assert.deepStrictEqual(await violations(ada.page), [])
        await ada.page.goto(address(`/?room=${room}&name=Ada`))
        await sees(ada.page, "You joined as ")
        await developer.page.goto(address(`/inspect/${room}`))
        assert.deepStrictEqual(await violations(developer.page), [])
        await developer.page.getByLabel("Token").fill(token)
        await developer.page.getByRole("button", { name: "Look" }).click()
        await shows(developer.page, "#status", "You look")
        await say(ada.page, "hello")
        await ada.page.locator("[data-fate=sent]").waitFor()
        await developer.page.locator("[data-event=Sent]").last().waitFor()
        assert.deepStrictEqual(await violations(ada.page), [])
        assert.deepStrictEqual(await violations(developer.page), [])
        await ada.page.getByRole("button", { name: "Offline" }).click()
        await shows(ada.page, "#status", "You are offline")
        await say(ada.page, "later")
        assert.deepStrictEqual(await violations(ada.page), [])
        // Nothing covers anything, and the name of the room is there.
        assert.isTrue(
          await ada.page.evaluate(`{
            const [next, again] = ["next", "again"].map((id) => document.getElementById(id).getBoundingClientRect())
            next.width > 0 && next.right <= again.left
          }`)
        )
        assert.isTrue(
          await developer.page.evaluate(`{
            const { clientWidth, scrollWidth } = document.getElementById("room-name")
            clientWidth >= 100 && scrollWidth <= clientWidth
          }`)
        )
        for (const { page } of [ada, developer]) {
          // Nothing reaches beyond the window, and nothing moves for those who do not want it.
          assert.isTrue(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
          assert.strictEqual(await page.evaluate("document.getAnimations().length"), 0)
        }
      })
    }
  }

  it("all of it is reached and done with the keyboard (PG-12)", async () => {
    await using ada = await visit()
    const { page } = ada
    await page.goto(address("/?room=keys"))
    await page.keyboard.type("Ada")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await sees(page, "You joined as Ada.")
    await page.keyboard.type("first line")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("second line")
    await page.keyboard.press("Enter")
    await sees(page, "first line")
    assert.strictEqual(await page.locator(".text").textContent(), "first line\nsecond line")
    const reached: Array<unknown> = []
    for (let tab = 0; tab < 3; tab++) {
      await page.keyboard.press("Tab")
      reached.push(await page.evaluate("document.activeElement.id"))
    }
    assert.deepStrictEqual(reached, ["send", "cut", "offline"])
    await page.keyboard.press("Space")
    await shows(page, "#status", "You are offline")
  })

  it("nobody loses the place where he is when the connection comes and goes (PG-12)", async () => {
    await using ada = await visit()
    const { page } = ada
    const focus = () => page.evaluate("document.activeElement.id")
    // What has had the focus, in each frame.
    await page.addInitScript(`
      const seen = globalThis.seen = new Set()
      const look = () => { seen.add(document.activeElement?.id); requestAnimationFrame(look) }
      addEventListener("DOMContentLoaded", look)
    `)
    await page.goto(address("/?room=focus&name=Ada"))
    await sees(page, "You joined as ")
    await page.locator("#cut").focus()
    await page.evaluate("seen.clear()")
    await page.context().setOffline(true)
    await page.keyboard.press("Enter")
    await shows(page, "#status", "You are offline")
    assert.strictEqual(await focus(), "text")
    await page.locator("#cut").focus()
    await page.keyboard.press("Enter")
    assert.strictEqual(await focus(), "cut")

    // It is there once the connection has ended.
    await page.locator("#again").waitFor()
    await page.locator("#again").focus()
    await page.evaluate("seen.clear()")
    // Some attempts later it stands there still.
    await page.waitForTimeout(3_000)
    assert.deepStrictEqual(await page.evaluate("[...seen]"), ["again"])
    await page.context().setOffline(false)
    await shows(page, "#status", "Connected")
    assert.strictEqual(await focus(), "text")

    // It is the other side that ends it.
    await page.locator("#cut").focus()
    await page.evaluate("seen.clear()")
    const drained = await fetch(address("/api/rooms/focus/drain"), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ over: 1_000 })
    })
    assert.isTrue(drained.ok)
    await page.getByText("You are back as ").nth(1).waitFor()
    assert.deepStrictEqual(await page.evaluate("[...seen]"), ["cut"])
  })

  for (const [width, height] of [[568, 320], [320, 256], [640, 400], [844, 390]] as const) {
    it(`the conversation can be read in a window of ${width} by ${height} pixels, whatever is typed (PG-12)`, async () => {
      await using ada = await visit({ viewport: { width, height } })
      const { page } = ada
      await page.goto(address(`/?room=small-${width}&name=Ada`))
      await sees(page, "You joined as ")
      await say(page, "hello")
      await page.locator("#entries [data-fate=sent]").waitFor()
      await page.getByLabel("Message").fill("a\nb\nc\nd\ne\nf\ng")
      // What one types takes the place of what is said above it: that follows as the next frame is drawn.
      await isAtEnd(page)
      const [log, said, field] = await Promise.all(
        ["#log", "#entries .mine", "#text"].map((part) => page.locator(part).boundingBox())
      )
      assert.isAtLeast(log!.height, 100)
      for (const box of [said!, field!]) {
        assert.isAtLeast(box.y, Math.max(0, box === said ? log!.y : 0))
        assert.isAtMost(box.y + box.height, height + 2)
      }
      assert.isTrue(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
      assert.deepStrictEqual(await violations(page), [])
    })
  }
})
