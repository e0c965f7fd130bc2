/**
 * What a tab keeps of its stays, over a reload, and where it is killed or copied.
 */
import type { Page } from "playwright-core"
import { assert, it } from "vitest"
import { describeInBrowser, say, sees, shows, until } from "./browser.ts"
import { kill, show, stored, useStage } from "./stage.ts"

describeInBrowser("what a tab keeps", () => {
  const { address, open, visit, visitStage } = useStage()

  it("keeps what waits and what is being typed where the browser has no room for what was said (PG-8)", async () => {
    await using ada = await visitStage()
    const { frames, page, tell } = ada
    // In JSON each of these characters is six.
    for (let at = 0; at < 40; at++) tell(`${at}: ${"\u0001".repeat(4_000)}`)
    await until(async () => assert.strictEqual(await page.locator(".said").count(), 40))
    // Of 5 MiB, there is room for 300,000 characters more.
    const fillUp = (left: number) =>
      page.evaluate(`
        let more = "x".repeat(5 * 1024 * 1024)
        while (more.length > 0) {
          try { sessionStorage.setItem("other", (sessionStorage.getItem("other") ?? "") + more) } catch {}
          more = more.slice(more.length / 2 + 1)
        }
        sessionStorage.setItem("other", sessionStorage.getItem("other").slice(${left}))
      `)
    await fillUp(300_000)
    await show(page, "hidden")
    await show(page, "visible")
    await fillUp(0)
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "I wait")
    assert.include((await stored(page))["dormouse.unsaid"], "I wait")
    await page.getByLabel("Message").fill("half a sen")

    await page.reload()
    await sees(page, "You are back as Ada.")
    await until(() => assert.include(frames.at(-1), "I wait"))
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")
    await sees(page, "What was said before is gone: the browser has no room for it.")
    const kept = await page.locator("#entries .said .text").allTextContents()
    assert.isAtLeast(kept.length, 5)
    assert.isTrue(kept.at(-1)!.startsWith("39: "))
  })

  it("works with what another version of it has kept (PG-8)", async () => {
    for (const kept of ["{}", "[null]", "[{}]", "[{\"room\":\"older\",\"name\":\"Ada\"}]", "no JSON"]) {
      await using ada = await visit()
      const { page, problems } = ada
      await page.addInitScript(
        `for (const slot of ["said", "unsaid"]) sessionStorage["dormouse." + slot] = ${JSON.stringify(kept)}`
      )
      await page.goto(address("/?room=older&name=Ada"))
      await sees(page, "You joined as Ada.")
      assert.deepStrictEqual(problems, [], kept)
    }
  })

  it("loses nothing to an entry that cannot be shown (PG-8)", async () => {
    await using ada = await visitStage()
    const { page } = ada
    await page.getByLabel("Message").fill("half a sen")
    for (const entry of ["null", "{}", `{"_tag":"Said","from":"","name":"Ada","text":"a","at":1e300}`]) {
      await page.evaluate("void dispatchEvent(new PageTransitionEvent('pagehide'))")
      await page.evaluate(`sessionStorage["dormouse.said"] = '[{"room":"stage","name":"Ada","entries":[${entry}]}]'`)
      await page.reload()
      await sees(page, "You joined as Ada.")
      assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")
    }
  })

  it("begins anew, where it was only frozen, with what the tab has kept since (PG-7, PG-8)", async () => {
    await using ada = await visitStage()
    const { page, routes } = ada
    let isClosed = false
    routes[0]!.onClose(() => {
      isClosed = true
    })
    const pass = (event: string) =>
      page.evaluate(`void dispatchEvent(new PageTransitionEvent("${event}", { persisted: true }))`)
    await page.getByLabel("Message").fill("half a sen")
    await pass("pagehide")
    // What waits is not said by both.
    await until(() => assert.isTrue(isClosed))
    await Promise.all([page.waitForEvent("load"), pass("pageshow")])
    await sees(page, "You are back as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")

    await pass("pagehide")
    // Another page of the tab has said it, and left nothing.
    await page.evaluate("sessionStorage.clear()")
    await Promise.all([page.waitForEvent("load"), pass("pageshow")])
    await sees(page, "You joined as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "")
  })

  it("holds the last 500 entries, also over a reload (PG-1, PG-8)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    for (let at = 0; at < 510; at++) tell(`message ${at}`)
    const entries = page.locator("#entries > li")
    for (const first of ["message 10", "message 11"]) {
      await sees(page, "message 509")
      await until(async () => assert.strictEqual(await entries.count(), 500))
      assert.strictEqual(await page.locator("#entries .text").first().textContent(), first)
      await page.evaluate("void dispatchEvent(new PageTransitionEvent('pagehide'))")
      assert.strictEqual(await page.evaluate("JSON.parse(sessionStorage['dormouse.said'])[0].entries.length"), 500)
      // Then it is told that one is back.
      await page.reload()
      await sees(page, "You are back as Ada.")
    }
  })

  it("keeps what waits and what is being typed where the tab is killed (PG-8)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    tell("heard")
    await sees(page, "heard")
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "I wait")
    // Before anything else is done.
    assert.include((await stored(page))["dormouse.unsaid"], "I wait")
    await page.getByLabel("Message").fill("half")
    await show(page, "hidden")
    await show(page, "visible")
    assert.include((await stored(page))["dormouse.unsaid"], `"draft":"half"`)
    await page.getByLabel("Message").fill("half a sen")
    await page.clock.runFor(500)
    const storage = await stored(page)
    assert.notInclude(storage["dormouse.unsaid"], "heard")
    await kill(page)

    // In the lobby it is kept on.
    const lobby = await page.context().newPage()
    await lobby.addInitScript(`Object.assign(sessionStorage, ${JSON.stringify(storage)})`)
    await lobby.goto(address("/?room=stage"))
    await lobby.getByText("a message waits, a message is not finished").waitFor()
    const again = await stored(lobby)
    assert.notStrictEqual(again["dormouse.page"], storage["dormouse.page"])
    await kill(lobby)

    const restored = await open(page, again)
    await sees(restored.page, "You are back as Ada.")
    await sees(restored.page, "heard")
    await until(() => assert.deepStrictEqual(restored.said(), ["I wait"]))
    assert.strictEqual(await restored.page.getByLabel("Message").inputValue(), "half a sen")
  })

  it("says nothing twice that a tab had sent before it was killed (PG-7, PG-8)", async () => {
    for (const isTold of [false, true]) {
      await using ada = await visitStage()
      const { handle, page, said } = ada
      const offline = page.getByRole("button", { name: "Offline" })
      await offline.click()
      await shows(page, "#status", "You are offline")
      await say(page, "one")
      await offline.click()
      await until(() => assert.deepStrictEqual(said(), ["one"]))
      if (isTold) {
        handle("one")
        await page.locator("#entries [data-fate=sent]").waitFor()
      }
      const storage = await stored(page)
      await kill(page)
      const next = await open(page, storage)
      await sees(next.page, isTold ? "You joined as Ada." : "This may not have arrived: one")
      if (isTold) assert.strictEqual(await next.page.getByText("one", { exact: true }).count(), 0)
      // What waits would leave before it.
      await say(next.page, "two")
      await until(() => assert.deepStrictEqual(next.said(), ["two"]))
    }
  })

  it("keeps what has left as what may have arrived, until that is told (PG-7, PG-8)", async () => {
    await using ada = await visitStage()
    const { page, routes, said } = ada
    await page.evaluate(`{
      written = []
      const { setItem } = Storage.prototype
      Storage.prototype.setItem = function(slot, value) {
        if (slot === "dormouse.unsaid") written.push(...JSON.parse(value).flatMap(({ waiting }) => waiting))
        setItem.call(this, slot, value)
      }
    }`)
    await say(page, "one")
    await until(() => assert.deepStrictEqual(said(), ["one"]))
    await routes[0]!.close({ code: 1012 })
    await sees(page, "This may not have arrived: one")
    assert.notInclude(await page.evaluate<ReadonlyArray<string>>("written"), "one")
  })

  it("says what waits in one of many copies of a tab that is gone, and only the last of it (PG-8)", async () => {
    const say = async (page: Page, ...texts: ReadonlyArray<string>) => {
      for (const text of texts) {
        await page.getByLabel("Message").fill(text)
        await page.getByLabel("Message").press("Enter")
      }
    }
    for (const isKilled of [true, false]) {
      await using ada = await visitStage()
      const { page, said } = ada
      const offline = page.getByRole("button", { name: "Offline" })
      await offline.click()
      await shows(page, "#status", "You are offline")
      await say(page, "one")
      const early = await stored(page)
      await offline.click()
      await until(() => assert.deepStrictEqual(said(), ["one"]))
      await offline.click()
      await shows(page, "#status", "You are offline")
      await say(page, "two")
      // As it leaves it signs anew.
      if (!isKilled) await page.evaluate("void dispatchEvent(new PageTransitionEvent('pagehide'))")
      const late = await stored(page)
      await kill(page)
      const heard: Array<ReadonlyArray<string>> = []
      for (const storage of [early, late, late]) {
        const copy = await open(page, storage)
        await say(copy.page, "three")
        await until(() => assert.include(copy.said(), "three"))
        heard.push(copy.said())
      }
      assert.deepStrictEqual(heard, [["three"], ["two", "three"], ["three"]])
    }
  })

  it("says nothing in a copy of the tab, as long as that lives (PG-8)", async () => {
    await using ada = await visitStage()
    const { page, said } = ada
    const offline = page.getByRole("button", { name: "Offline" })
    await offline.click()
    await shows(page, "#status", "You are offline")
    await say(page, "I wait")
    await page.getByLabel("Message").fill("half a sen")
    await show(page, "hidden")
    const copy = await open(page, await stored(page))
    await sees(copy.page, "You joined as Ada.")
    assert.strictEqual(await copy.page.getByLabel("Message").inputValue(), "")
    await say(copy.page, "from the copy")
    await until(() => assert.deepStrictEqual(copy.said(), ["from the copy"]))
    await copy.page.getByRole("button", { name: "Leave" }).click()
    await copy.page.getByRole("button", { name: "Join the room" }).waitFor()
    await offline.click()
    await until(() => assert.deepStrictEqual(said(), ["I wait"]))
  })

  it("writes nothing for what is heard, and little for what is typed (PG-8)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    await page.evaluate(`{
      written = []
      const { setItem } = Storage.prototype
      Storage.prototype.setItem = function(slot, value) {
        written.push(slot)
        setItem.call(this, slot, value)
      }
    }`)
    for (let at = 0; at < 100; at++) tell(`message ${at}`)
    await sees(page, "message 99")
    await page.getByLabel("Message").pressSequentially("twenty letters or so")
    await page.clock.runFor(1_000)
    const slots = (await page.evaluate<ReadonlyArray<string>>("written")).map((slot) => slot.split(".", 2).join("."))
    assert.deepStrictEqual(slots, ["dormouse.page", "dormouse.unsaid", "dormouse.page"])
  })

  it("says once that the browser keeps nothing, to whom something waits (PG-8)", async () => {
    await using ada = await visit()
    const { page, problems } = ada
    await page.addInitScript(`
      Object.defineProperty(globalThis, "sessionStorage", { get() { throw new DOMException("No.", "SecurityError") } })
    `)
    await page.goto(address("/?room=forbidden&name=Ada"))
    await sees(page, "You joined as Ada.")
    await say(page, "at once")
    await page.locator("#entries [data-fate=sent]").waitFor()
    const notice = page.getByText("This browser keeps nothing for the page: what waits is there until the page goes.")
    assert.strictEqual(await notice.count(), 0)
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "one")
    await say(page, "two")
    await page.locator("#typed [data-fate=waiting]").nth(1).waitFor()
    await notice.waitFor()
    assert.strictEqual(await notice.count(), 1)
    assert.strictEqual(await page.locator(".note.error").count(), 0)
    assert.deepStrictEqual(problems, [])
  })
})
