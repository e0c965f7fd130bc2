/**
 * The inspector's page, looking at a room that the test plays.
 */
import { assert, it } from "vitest"
import { describeInBrowser, isAtEnd, scrollUp, shows, until } from "./browser.ts"
import { at, connection, enter, focused, idOf, left, passed, refusal, roomOf, sent, useWatch } from "./watch.ts"

describeInBrowser("one watch", () => {
  const { play, visit } = useWatch()

  it("shows users, labels, deadlines and what waits, and disconnects a user (PG-9, PG-10)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { asked, tell } = await play(page, {
      ...roomOf(connection(1, { user: "ada/1", labels: ["guest", "mod"], protocol: "ndjson", waiting: 2_048 })),
      busy: { arriving: 0, asking: 1, leaving: 0 },
      deadlines: [{ name: "tea", key: "kettle", at, due: at, failures: 2, error: "no water" }]
    })
    for (const cell of ["guest, mod", "2048 bytes", "ndjson", "kettle", "2: no water"]) {
      await page.getByRole("cell", { name: cell, exact: true }).waitFor()
    }
    const wakes = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: "a newcomer" }) })
    assert.strictEqual(await wakes.getByRole("cell").first().textContent(), "7")
    await shows(page, "#facts", "0 arriving, 1 calls, 0 leaving")
    const button = page.getByRole("button", { name: "Disconnect the user ada/1" })
    await button.click()
    await shows(page, "#report", "1 closed.")
    assert.deepStrictEqual(asked, ["POST /inspection", "DELETE /connections ada/1"])
    await button.focus()
    tell({ _tag: "Events", missed: 3, events: [{ _tag: "Alarm", at }] })
    await page.getByText("3 more, of which nobody is told").waitFor()
    assert.strictEqual(await page.evaluate("document.activeElement.ariaLabel"), "Disconnect the user ada/1")
    await page.getByText("only asking anew tells who is there").waitFor()
    assert.deepStrictEqual(developer.problems, [])
  })

  it("a click, a selection and what is looked at survive whatever passes (PG-10)", async () => {
    await using developer = await visit({ viewport: { width: 1280, height: 900 } })
    const { page } = developer
    const room = roomOf(connection(1, { waiting: 1 }), connection(2, { waiting: 1 }), connection(3))
    const { asked, pass, tell } = await play(page, room)
    const button = page.getByRole("button", { name: "Disconnect" }).nth(1)
    await button.waitFor()
    await page.evaluate(`
      getSelection().selectAllChildren(document.querySelector("#connections code"))
      touched = 0
      new MutationObserver((records) => { touched += records.length })
        .observe(document.querySelector(".panels"), { subtree: true, childList: true, characterData: true })
      for (const list of document.querySelectorAll("#events")) new MutationObserver((records) => { touched -= records.length })
        .observe(list, { subtree: true, childList: true })
    `)
    await button.hover()
    await page.mouse.down()
    for (let n = 0; n < 5; n++) {
      pass(sent, sent)
      await passed(page, 2 * n + 2)
    }
    // Messages change no table.
    assert.strictEqual(await page.evaluate("touched"), 0)
    // Somebody comes, somebody goes, and it is asked anew.
    pass({ _tag: "Entered", at, id: idOf(4), labels: [], protocol: "plain" }, left(3))
    tell({ ...room, connections: [connection(1, { waiting: 5 }), connection(2, { waiting: 5 }), connection(4)] })
    await page.getByRole("cell", { name: "5 bytes" }).nth(1).waitFor()
    await page.mouse.up()
    await shows(page, "#report", "1 closed.")
    assert.include(asked, `DELETE /connections/${idOf(2)}`)
    assert.strictEqual(await page.evaluate("String(getSelection())"), "00000001")
    assert.strictEqual(await page.locator("#connections tr").count(), 3)
  })

  it("draws once a frame, and keeps up with a room in which much is said (PG-9)", async () => {
    await using developer = await visit({ viewport: { width: 1280, height: 900 } })
    const { page } = developer
    const { pass } = await play(page, roomOf(...Array.from({ length: 200 }, (_, n) => connection(n))))
    await page.locator("#connections tr").nth(199).waitFor()
    await page.evaluate(`
      heights = 0
      const { get } = Object.getOwnPropertyDescriptor(Element.prototype, "scrollHeight")
      Object.defineProperty(document.getElementById("log"), "scrollHeight", { get() { heights++; return get.call(this) } })
    `)
    for (let n = 0; n < 4; n++) pass(...Array.from({ length: 256 }, () => sent))
    pass(left(1))
    await page.locator("[data-event=Left]").waitFor()
    await passed(page, 300)
    // The layout is asked for, and made, at most twice a drawing, and not for each of 1,024 events.
    assert.isBelow(await page.evaluate("heights"), 20)
    await isAtEnd(page)
  })

  it("the focus goes on where what had it goes (PG-12)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { answers, asked, open, pass, shut } = await play(page, roomOf(connection(1), connection(2), connection(3)))
    const press = async (n: number) => {
      await page.getByRole("button", { name: `Disconnect ${String(n).padStart(8, "0")}` }).focus()
      await page.keyboard.press("Enter")
      await until(() => assert.include(asked, `DELETE /connections/${idOf(n)}`))
      assert.include(await focused(page), "Disconnect")
      pass(left(n))
      await page.getByRole("button", { name: `Disconnect ${String(n).padStart(8, "0")}` }).waitFor({
        state: "detached"
      })
    }
    await press(2)
    // Not on the button: a key that is held down would go on.
    assert.include(await focused(page), idOf(3).slice(0, 8))
    await page.keyboard.press("Tab")
    assert.strictEqual(await page.evaluate("document.activeElement.ariaLabel"), "Disconnect 00000003")
    await press(3)
    assert.include(await focused(page), idOf(1).slice(0, 8))
    await press(1)
    assert.strictEqual(await page.evaluate("document.activeElement.getAttribute('role')"), "group")

    // What leads to the end of the log.
    for (let n = 0; n < 2; n++) pass(...Array.from({ length: 40 }, () => sent))
    await passed(page, 83)
    await scrollUp(page, 0)
    pass(sent)
    await page.getByRole("button", { name: "New below" }).focus()
    await page.keyboard.press("Enter")
    assert.strictEqual(await focused(page), "log")

    // What connects again stays while that fails, and leads on once it is there.
    await shut()
    await page.getByRole("button", { name: "Try now" }).focus()
    for (let n = 0; n < 3; n++) {
      await page.keyboard.press("Enter")
      await page.waitForTimeout(100)
      assert.strictEqual(await focused(page), "again")
    }
    answers.clear()
    open()
    await page.keyboard.press("Enter")
    await shows(page, "#status", "You look")
    assert.strictEqual(await focused(page), "room-name")
  })

  it("says that it does not look where it does not, why, and looks again (PG-9)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { open, shut } = await play(page, roomOf(connection(1)))
    await shut()
    await shows(page, "#sleep", "You do not look: here stands how it was.")
    await page.clock.install()
    await page.clock.fastForward(15_000)
    await shows(page, "#sleep", "You do not look: here stands how it was.")
    open()
    await shows(page, "#status", "You look")
    await shows(page, "#sleep", "Awake: something has passed within ten seconds.")
    // For good, as far as the room is concerned.
    await shut(4_500, "enough")
    await shows(page, "#status", "You do not look any more: enough")
    await shows(page, "#sleep", "You do not look: here stands how it was.")
    open()
    await page.getByRole("button", { name: "Try now" }).click()
    await shows(page, "#status", "You look")
  })

  it("says where it has not looked for a while, and asks nobody meanwhile (PG-9)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { asked, open, pass, shut } = await play(page, roomOf(connection(1)))
    pass(sent)
    await passed(page, 1)
    await shut()
    await page.locator("#status[data-state=waiting]").waitFor()
    const before = asked.filter((what) => what === "POST /inspection").length
    await page.getByRole("button", { name: "Ask anew" }).click()
    await shows(page, "#refresh-problem", "You do not look, so there is no answer.")
    assert.strictEqual(asked.filter((what) => what === "POST /inspection").length, before)
    open()
    // It comes back by itself.
    await shows(page, "#status", "You look")
    await page.getByText("You did not look for a while: what passed then is not here.").waitFor()
    await passed(page, 2)
  })

  it("begins with nothing of what another showed (PG-9, PG-10)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { answers, pass } = await play(page, roomOf(connection(1)))
    answers.set("POST /publications", { json: { delivered: 2, failed: 1 } })
    await page.getByLabel("To the user").fill("ada")
    await page.getByRole("button", { name: "Publish" }).click()
    await shows(page, "#published", "It has reached 2, and failed to reach 1.")
    // What is wrong now does not stand beside what was right before.
    await page.getByLabel("Message, as JSON").fill("{")
    await page.getByRole("button", { name: "Publish" }).click()
    await page.getByRole("alert").getByText("This is no JSON.").waitFor()
    assert.strictEqual(await page.locator("#published").textContent(), "")
    await page.getByRole("button", { name: /^Disconnect/ }).click()
    await shows(page, "#report", "1 closed.")
    pass(sent)
    await passed(page, 1)

    answers.set("POST /inspection", refusal(503, "The room did not answer."))
    await page.getByRole("button", { name: "Stop" }).click()
    await enter(page, "another")
    await shows(page, "#room-name", "another")
    assert.strictEqual(await page.locator("#connections tr, #events li").count(), 0)
    for (const id of ["report", "published", "message-problem"]) {
      assert.strictEqual(await page.locator(`#${id}`).textContent(), "", id)
    }
    assert.strictEqual(await page.getByLabel("To the user").inputValue(), "")
    await shows(page, "#sleep", "Asking…")
  })

  it("what a client has chosen turns none of the page's own words (PG-2)", async () => {
    await using developer = await visit()
    const { page } = developer
    const user = "\u202Eenod."
    const { pass } = await play(page, roomOf(connection(1, { user, labels: [user], state: { bytes: 9, text: user } })))
    pass({ _tag: "Entered", at, id: idOf(2), user, labels: [], protocol: "plain" }, { ...sent, user })
    await passed(page, 2)
    const loose = await page.evaluate<Array<string>>(`{
      const texts = document.createTreeWalker(document.querySelector(".panels"), NodeFilter.SHOW_TEXT)
      const found = []
      while (texts.nextNode()) {
        const { data, parentElement } = texts.currentNode
        if (data.includes("\\u202e") && parentElement.localName !== "bdi") found.push(parentElement.outerHTML)
      }
      found
    }`)
    assert.deepStrictEqual(loose, [])
    assert.strictEqual(await page.locator("bdi").count(), 5)
    await page.getByRole("cell", { name: "\\u202eenod." }).waitFor()
  })
})
