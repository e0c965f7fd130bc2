/**
 * What others call themselves and say, where they would be taken for somebody else, cover what others say, or say
 * nothing.
 */
import type { Page } from "playwright-core"
import { assert, it } from "vitest"
import { describeInBrowser, say, sees, until } from "./browser.ts"
import { idOf, useStage } from "./stage.ts"

const joined = (name: string) => ({ _tag: "Joined", connection: idOf(999), name, connections: 2 })

const said = (name: string, text: string, connection = idOf(999)) => ({ _tag: "Said", connection, name, text })

describeInBrowser("the page among impostors", () => {
  const { address, visit, visitStage } = useStage()

  // The entries of the conversation, as they are read out.
  const heard = async (page: Page) => {
    const session = await page.context().newCDPSession(page)
    const { nodes } = await session.send("Accessibility.getFullAXTree")
    await session.detach()
    const byId = new Map(nodes.map((node) => [node.nodeId, node]))
    const textOf = (id: string): string => {
      const { childIds = [], name, role } = byId.get(id)!
      return role?.value === "StaticText" ? String(name?.value) : childIds.map(textOf).join(" ")
    }
    return nodes.filter(({ ignored, role }) => !ignored && role?.value === "listitem").map(({ nodeId }) =>
      textOf(nodeId).replaceAll(/\d\d:\d\d(?:.[AP]M)?/gu, "#").replaceAll(/\s+/g, " ").trim()
    )
  }

  it("reads nobody else out as oneself, nor as the page (PG-2)", async () => {
    await using bob = await visitStage()
    const { frames, handle, page, send } = bob
    await say(page, "I owe nobody anything")
    await until(() => assert.lengthOf(frames, 1))
    handle("I owe nobody anything")
    await page.locator("#entries [data-fate=sent]").waitFor()
    const names = ["You", " yOU\u200B ", "\uFF39\uFF4F\uFF55.", "You 04:02 PM sent", "Note: Eve left.", "Youssef"]
    send(joined("You"), ...names.map((name, n) => said(name, "I owe Bob 100 euros", idOf(900 + n))))
    await until(async () => assert.strictEqual(await page.locator(".said:not(.mine)").count(), 6))
    assert.deepStrictEqual(await heard(page), [
      "Note: You joined as Ada .",
      "Note: Nobody else is here yet. Send somebody this page’s address.",
      "You # sent I owe nobody anything",
      "Note: “You” (somebody else) joined.",
      "From “You” (somebody else) # I owe Bob 100 euros",
      "From “You” (somebody else) # I owe Bob 100 euros",
      "From “You” (somebody else) # I owe Bob 100 euros",
      "From You # sent # I owe Bob 100 euros",
      "From Note: Eve left. # I owe Bob 100 euros",
      "From Youssef # I owe Bob 100 euros"
    ])
    send({ ...joined("You"), _tag: "Left", code: 1000, reason: "" })
    await sees(page, "“You” (somebody else) left.")
  })

  it("lets nobody join as “You” (PG-2)", async () => {
    await using ada = await visit()
    const { page } = ada
    for (const name of ["You", "yOU\u200B"]) {
      await page.goto(address("/?room=you"))
      await page.getByLabel("Your name").fill(name)
      await page.getByRole("button", { name: "Join the room" }).click()
      await page.getByText("Everybody is “You” to themselves. Take another name.").waitFor()
      assert.isTrue(await page.locator("#chat").isHidden())
    }
  })

  it("shows a message of which nothing can be seen as such (PG-2)", async () => {
    await using ada = await visitStage()
    const { page, said, tell } = ada
    const nothing = "\u200B\u2060"
    tell(nothing, `\u3164${"\n".repeat(600)}\u2800`, "after")
    await sees(page, "after")
    await say(page, nothing)
    await until(() => assert.deepStrictEqual(said(), [nothing]))
    assert.deepStrictEqual(
      await page.locator(".said .text").allTextContents(),
      ["(invisible)", "(invisible)", "after", "(invisible)"]
    )
    assert.strictEqual(await page.locator(".text.long").count(), 0)
  })

  it("lets no heap of marks paint over what others say (PG-2)", async () => {
    await using ada = await visitStage()
    const { page, send } = ada
    const [above, below] = ["\u0300".repeat(63), "\u0323".repeat(63)]
    const words = [said("Eve", "first", idOf(900)), said("Eve", "last", idOf(903))]
    send(
      words[0]!,
      said(`a${above}${below}`, `a${above}${below}`, idOf(901)),
      joined(`a${above}${below}`),
      said("Eve", `a${above}${below}`, idOf(902)),
      words[1]!
    )
    await sees(page, "last")
    const shown = () =>
      Promise.all(["first", "last"].map(async (text) => [
        ...await page.locator(".said", { hasText: text }).screenshot()
      ]))
    const before = await shown()
    await page.evaluate(`{
      const walker = document.createTreeWalker(document.getElementById("entries"), NodeFilter.SHOW_TEXT)
      while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replace(/[\\u0300\\u0323]+/gu, "")
    }`)
    assert.notInclude(await page.locator("#entries").textContent(), "\u0300")
    // An edge may be drawn a little otherwise each time; a mark is as dark as a letter.
    const painted = await page.evaluate(`(async (pairs) => {
      const pixels = async (png) => {
        const image = await createImageBitmap(new Blob([new Uint8Array(png)]))
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d")
        canvas.drawImage(image, 0, 0)
        return canvas.getImageData(0, 0, image.width, image.height).data
      }
      const counts = pairs.map(async (pair) => {
        const [before, after] = await Promise.all(pair.map(pixels))
        return before.filter((value, at) => Math.abs(value - after[at]) > 32).length
      })
      return Promise.all(counts)
    })(${JSON.stringify((await shown()).map((after, at) => [before[at], after]))})`)
    assert.deepStrictEqual(painted, [0, 0])
  })

  it("cuts no ring of what has the focus (PG-12)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    tell("high\n".repeat(40))
    await page.locator(".text.long").waitFor()
    await page.locator("#log").focus()
    await page.keyboard.press("Tab")
    const [ring, entry] = await page.evaluate<ReadonlyArray<ReadonlyArray<number>>>(`{
      const text = document.activeElement
      const { outlineOffset, outlineStyle, outlineWidth } = getComputedStyle(text)
      const width = outlineStyle === "none" ? -Infinity : parseFloat(outlineOffset) + parseFloat(outlineWidth)
      const { bottom, left, right, top } = text.getBoundingClientRect()
      const entry = text.closest("li").getBoundingClientRect()
      ;[
        [left - width, top - width, -right - width, -bottom - width],
        [entry.left, entry.top, -entry.right, -entry.bottom]
      ]
    }`)
    for (const [side, at] of ring!.entries()) assert.isAtLeast(at, entry![side]!)
  })
})
