/**
 * The page, in a room that the test plays.
 */
import { assert, it } from "vitest"
import { describeInBrowser, isAtEnd, say, scrollUp, sees, shows, until } from "./browser.ts"
import { show, useStage } from "./stage.ts"

describeInBrowser("the page in a room that the test plays", () => {
  const { visitStage } = useStage()

  it("comes back after a close that leaves the door open, and not after one that shuts it (PG-6)", async () => {
    for (const code of [1000, 4500, 4999]) {
      await using ada = await visitStage()
      await ada.routes[0]!.close({ code, reason: "enough" })
      await shows(ada.page, "#status", "Closed by the room: enough")
      await ada.page.clock.runFor(120_000)
      assert.lengthOf(ada.routes, 1, String(code))
    }
    for (const code of [1001, 1012, 4000, 4499]) {
      await using ada = await visitStage()
      await ada.routes[0]!.close({ code })
      await ada.page.getByText("Connection lost, trying again…").waitFor()
      await ada.page.clock.runFor(500)
      await sees(ada.page, "You are back as Ada.")
      assert.lengthOf(ada.routes, 2, String(code))
    }
  })

  it("waits longer from one attempt to the next, and no longer once the network is back (PG-6)", async () => {
    await using ada = await visitStage()
    const { page, routes } = ada
    await page.evaluate("Math.random = () => 1 - 2 ** -53")
    const tries: Array<number> = []
    for (const most of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      await routes.at(-1)!.close({ code: 1012 })
      await shows(page, "#status", "Connection lost, trying again…")
      const before = routes.length
      await page.clock.runFor(most - 1)
      tries.push(routes.length - before)
      await page.clock.runFor(1)
      await shows(page, "#status", "Connected")
      tries.push(routes.length - before)
    }
    assert.deepStrictEqual(tries, Array.from({ length: 16 }, (_, index) => index % 2))

    await routes.at(-1)!.close({ code: 1012 })
    await shows(page, "#status", "Connection lost, trying again…")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await shows(page, "#status", "Connected")
    assert.lengthOf(routes, 10)
  })

  it("pings every 25 seconds and looks for another connection when nothing comes back within 10", async () => {
    await using ada = await visitStage()
    const { frames, page, routes, stage } = ada
    for (const pings of [0, 1, 2]) {
      await page.clock.runFor(24_999)
      assert.lengthOf(frames, pings)
      stage.answers = pings < 2
      await page.clock.runFor(1)
      await until(() => assert.lengthOf(frames, pings + 1))
    }
    assert.deepStrictEqual(frames, ["ping", "ping", "ping"])

    await page.clock.runFor(9_999)
    await shows(page, "#status", "Connected")
    stage.answers = true
    await page.clock.runFor(1)
    await shows(page, "#status", "Connection lost, trying again…")
    await page.clock.runFor(500)
    await sees(page, "You are back as Ada.")
    assert.lengthOf(routes, 2)
  })

  it("lays a burst of messages out by frames, and stays at its end (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    const session = await page.context().newCDPSession(page)
    await session.send("Performance.enable")
    const layouts = async () =>
      (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "LayoutCount")!.value
    const before = await layouts()
    // A frame of the network has a hundred: however slow the machine is, there are few to draw.
    for (let n = 0; n < 400; n += 100) tell(...Array.from({ length: 100 }, (_, more) => `burst ${n + more}`))
    await sees(page, "burst 399")
    // It is the conversation that scrolls, and not the page.
    assert.isTrue(await page.evaluate("document.documentElement.scrollHeight <= innerHeight"))
    assert.isBelow(await layouts() - before, 100)
    await isAtEnd(page)
    assert.isTrue(await page.getByRole("button", { name: "New below" }).isHidden())
  })

  it("leaves whoever reads further up where he is when what he has said is told (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, routes, tell } = ada
    for (let n = 0; n < 40; n++) tell(`message ${n}`)
    await sees(page, "message 39")
    await say(page, "mine")
    await scrollUp(page, 0)
    const connection = "00000000-0000-4000-8000-000000000001"
    routes[0]!.send(JSON.stringify({ _tag: "Said", connection, name: "Ada", text: "mine" }))
    await page.locator("#entries .said").getByText("mine", { exact: true }).waitFor()
    await page.waitForTimeout(200)
    assert.strictEqual(await page.evaluate("log.scrollTop"), 0)
  })

  it("shows what the room could not take, and what may not have arrived (PG-7)", async () => {
    await using ada = await visitStage()
    const { frames, page, routes } = ada
    await say(page, "one")
    await until(() => assert.lengthOf(frames, 1))
    const { $id: id } = JSON.parse(frames[0]!)
    routes[0]!.send(JSON.stringify({ _tag: "Error", code: "InvalidMessage", message: "Expected <b>bread</b>", id }))
    await shows(page, "#text-problem", "Expected <b>bread</b> Your message stays here.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "one")
    await say(page, "two")
    await routes[0]!.close({ code: 1012 })
    await sees(page, "This may not have arrived: two")
    assert.strictEqual(await page.getByText("This may not have arrived").count(), 1)
  })

  it("leaves the Enter with which a word is composed to the input method (PG-12)", async () => {
    await using ada = await visitStage()
    const { frames, page } = ada
    await page.getByLabel("Message").fill("にほ")
    for (const isComposing of [true, false]) {
      await page.evaluate(`
        document.getElementById("text").dispatchEvent(
          new KeyboardEvent("keydown", { key: "Enter", isComposing: ${isComposing}, bubbles: true, cancelable: true })
        )
      `)
      assert.strictEqual(await page.getByLabel("Message").inputValue(), isComposing ? "にほ" : "")
    }
    await until(() => assert.lengthOf(frames, 1))
  })

  it("leaves whoever reads further up where he is, and leads back (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    for (let at = 0; at < 40; at++) tell(`message ${at}`)
    await sees(page, "message 39")
    const top = () => page.evaluate<number>("document.getElementById('log').scrollTop")
    const below = page.getByRole("button", { name: "New below" })
    await scrollUp(page, 200)
    assert.isTrue(await below.isHidden())
    tell("message 40")
    await below.waitFor()
    assert.strictEqual(await top(), 200)
    await below.click()
    assert.isAbove(await top(), 200)
    assert.isTrue(await below.isHidden())
    assert.strictEqual(await page.evaluate("document.activeElement.id"), "text")
    const before = await top()
    tell("message 41")
    await sees(page, "message 41")
    await isAtEnd(page)
    assert.isAbove(await top(), before)
  })

  it("counts in the title what is said while nobody looks (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    await show(page, "hidden")
    tell("one")
    tell("two")
    await until(async () => assert.strictEqual(await page.title(), "(2) stage · Dormouse"))
    await show(page, "visible")
    assert.strictEqual(await page.title(), "stage · Dormouse")
    tell("three")
    await sees(page, "three")
    assert.strictEqual(await page.title(), "stage · Dormouse")
    await show(page, "hidden")
    tell("four")
    await until(async () => assert.strictEqual(await page.title(), "(1) stage · Dormouse"))
  })

  it("shows who goes on after five minutes with the time again (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    const times = () => page.locator(".said .meta:not(.unseen) time").count()
    tell("one")
    tell("two")
    await sees(page, "two")
    assert.strictEqual(await times(), 1)
    await page.clock.setSystemTime(301_000)
    tell("three")
    await sees(page, "three")
    assert.strictEqual(await times(), 2)
  })

  it("bounds the height of what anybody says, and lets it be read with the keyboard (PG-1, PG-12)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    tell(`first\n${"\n".repeat(4_000)}last`)
    tell("after")
    await sees(page, "after")
    const text = page.locator(".said .text").first()
    const { height } = (await text.boundingBox())!
    assert.isBelow(height, 500)
    await page.locator("#log").focus()
    await page.keyboard.press("Tab")
    assert.isTrue(await text.evaluate((text) => text === text.ownerDocument.activeElement))
    await page.keyboard.press("End")
    await until(async () => assert.isAbove(await text.evaluate(({ scrollTop }) => scrollTop), 1_000))
    assert.strictEqual((await text.boundingBox())!.height, height)
    // It is no stop on the way for whoever says little.
    assert.strictEqual(await page.locator(".said .text[tabindex]").count(), 1)

    await page.setViewportSize({ width: 320, height: 600 })
    tell("W ".repeat(249))
    const wide = page.locator(".said .text", { hasText: "W W W" })
    await wide.waitFor()
    assert.isAtMost((await wide.boundingBox())!.height, 300)
  })

  it("shows the time at which one has said it, also after a reload (PG-8)", async () => {
    await using ada = await visitStage()
    const { handle, page, said } = ada
    const time = () => page.locator(".mine time").getAttribute("datetime")
    await say(page, "mine")
    await until(() => assert.deepStrictEqual(said(), ["mine"]))
    const typedAt = await time()
    // The room takes its time.
    await page.clock.fastForward(5_000)
    handle("mine")
    await page.locator("#entries [data-fate=sent]").waitFor()
    await page.reload()
    await sees(page, "You are back as Ada.")
    assert.strictEqual(await time(), typedAt)
  })

  it("complains no longer that the room is closed once it is open (PG-6)", async () => {
    await using ada = await visitStage()
    const { page, routes } = ada
    await routes[0]!.close({ code: 4500 })
    await page.locator("#status[data-state=closed]").waitFor()
    await say(page, "one")
    await shows(page, "#text-problem", "The room is closed. Your message stays here.")
    await page.getByRole("button", { name: "Try now" }).click()
    await shows(page, "#status", "Connected")
    await until(async () => assert.strictEqual(await page.locator("#text-problem").textContent(), ""))
    assert.isNull(await page.getByLabel("Message").getAttribute("aria-invalid"))
  })

  it("says that it is connected only while it is, and hears the end of what it has cut (PG-6)", async () => {
    await using ada = await visitStage()
    const { page, routes, stage } = ada
    const closes = async (text: string) => {
      await shows(page, "#status", text)
      assert.strictEqual(await page.locator("#status").getAttribute("data-state"), "closing")
      assert.strictEqual(await page.locator("#count").textContent(), "")
      assert.strictEqual(await page.locator("#cut").getAttribute("aria-disabled"), "true")
      assert.isTrue(await page.locator("#again").isHidden())
    }
    await shows(page, "#count", "only you here")
    stage.closes = false
    stage.answers = false
    await page.getByRole("button", { name: "Cut the connection" }).click()
    await closes("Disconnecting…")
    await page.clock.runFor(12_000)
    await closes("Disconnecting…")
    // Not even its picture says how the room is.
    assert.isFalse(await page.locator("#chat").evaluate(({ classList }) => classList.contains("asleep")))
    await say(page, "late")
    assert.strictEqual(await page.locator("#typed .fate").textContent(), "waiting")
    await page.getByRole("button", { name: "Offline" }).click()
    await closes("You are offline")
    await page.getByRole("button", { name: "Offline" }).click()
    // What the room says last counts.
    await routes[0]!.close({ code: 4500, reason: "enough" })
    await shows(page, "#status", "Closed by the room: enough")

    stage.answers = true
    await page.getByRole("button", { name: "Try now" }).click()
    await shows(page, "#status", "Connected")
    stage.answers = false
    await page.getByRole("button", { name: "Cut the connection" }).click()
    await closes("Disconnecting…")
    // In a network that is silent it is given up like any other.
    await page.clock.runFor(25_000)
    await closes("Disconnecting…")
    await page.clock.runFor(10_000)
    await shows(page, "#status", "Connection lost, trying again…")
    assert.lengthOf(routes, 2)
  })
})
