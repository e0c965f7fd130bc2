/**
 * The page, in a room that the test plays.
 */
import type { WebSocketRoute } from "playwright-core"
import { assert, it, vi } from "vitest"
import { describeInBrowser, say, sees, shows, useBrowser } from "./browser.ts"

describeInBrowser("the page in a room that the test plays", () => {
  const { address, visit } = useBrowser()

  // A room that the test plays, and a clock that it turns.
  const visitStage = async () => {
    const visitor = await visit()
    const routes: Array<WebSocketRoute> = []
    const frames: Array<string> = []
    const stage = { answers: true }
    await visitor.page.clock.install({ time: 0 })
    await visitor.page.clock.pauseAt(1_000)
    await visitor.page.routeWebSocket(/\/rooms\//, (route) => {
      routes.push(route)
      route.onMessage((frame) => {
        frames.push(String(frame))
        if (frame === "ping" && stage.answers) route.send("pong")
      })
      if (stage.answers) {
        const connection = `00000000-0000-4000-8000-${String(routes.length).padStart(12, "0")}`
        route.send(JSON.stringify({ _tag: "Welcome", connection, name: "Ada", connections: 1 }))
      }
    })
    await visitor.page.goto(address("/?room=stage&name=Ada"))
    await sees(visitor.page, "You joined as ")
    // Somebody else says something.
    const tell = (text: string) => {
      const connection = "00000000-0000-4000-8000-999999999999"
      routes.at(-1)!.send(JSON.stringify({ _tag: "Said", connection, name: "Mallory", text }))
    }
    return { ...visitor, stage, routes, frames, tell }
  }

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
      await vi.waitFor(() => assert.lengthOf(frames, pings + 1))
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

  it("keeps what waits and what is being typed where the browser has no room for what was said (PG-8)", async () => {
    await using ada = await visitStage()
    const { frames, page, tell } = ada
    // In JSON each of these characters is six.
    for (let at = 0; at < 40; at++) tell(`${at}: ${"\u0001".repeat(4_000)}`)
    await vi.waitFor(async () => assert.strictEqual(await page.locator(".said").count(), 40))
    // Of 5 MiB, there is room for 300,000 characters more.
    await page.evaluate(`
      let left = "x".repeat(5 * 1024 * 1024)
      while (left.length > 0) {
        try { sessionStorage.setItem("other", (sessionStorage.getItem("other") ?? "") + left) } catch {}
        left = left.slice(left.length / 2 + 1)
      }
      sessionStorage.setItem("other", sessionStorage.getItem("other").slice(300_000))
    `)
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "I wait")
    await page.getByLabel("Message").fill("half a sen")

    await page.reload()
    await sees(page, "You are back as Ada.")
    await vi.waitFor(() => assert.include(frames.at(-1), "I wait"))
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")
    await sees(page, "What was said before is gone: the browser has no room for it.")
    const kept = await page.locator("#entries .said .text").allTextContents()
    assert.isAtLeast(kept.length, 5)
    assert.isTrue(kept.at(-1)!.startsWith("39: "))
  })

  it("lays a burst of messages out by frames, and stays at its end (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    const session = await page.context().newCDPSession(page)
    await session.send("Performance.enable")
    const layouts = async () =>
      (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "LayoutCount")!.value
    const before = await layouts()
    for (let n = 0; n < 400; n++) tell(`burst ${n}`)
    await sees(page, "burst 399")
    assert.isBelow(await layouts() - before, 200)
    await vi.waitFor(async () =>
      assert.isBelow(
        await page.evaluate<number>(`log.scrollHeight - log.scrollTop - log.clientHeight`),
        2
      )
    )
    assert.isTrue(await page.getByRole("button", { name: "New below" }).isHidden())
  })

  it("leaves whoever reads further up where he is when what he has said is told (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, routes, tell } = ada
    for (let n = 0; n < 40; n++) tell(`message ${n}`)
    await sees(page, "message 39")
    await say(page, "mine")
    await page.evaluate("void (log.scrollTop = 0)")
    await vi.waitFor(async () => assert.strictEqual(await page.evaluate("log.scrollTop"), 0))
    const connection = "00000000-0000-4000-8000-000000000001"
    routes[0]!.send(JSON.stringify({ _tag: "Said", connection, name: "Ada", text: "mine" }))
    await page.locator("#entries .said").getByText("mine", { exact: true }).waitFor()
    await page.waitForTimeout(200)
    assert.strictEqual(await page.evaluate("log.scrollTop"), 0)
  })

  it("works with what another version of it has kept (PG-8)", async () => {
    for (const kept of ["{}", "[null]", "[{}]", "[{\"room\":\"older\",\"name\":\"Ada\"}]", "no JSON"]) {
      await using ada = await visit()
      const { page, problems } = ada
      await page.addInitScript(`sessionStorage.setItem("dormouse.stays", ${JSON.stringify(kept)})`)
      await page.goto(address("/?room=older&name=Ada"))
      await sees(page, "You joined as Ada.")
      assert.deepStrictEqual(problems, [], kept)
    }
  })

  it("shows what the room could not take, and what may not have arrived (PG-7)", async () => {
    await using ada = await visitStage()
    const { frames, page, routes } = ada
    await say(page, "one")
    await vi.waitFor(() => assert.lengthOf(frames, 1))
    const { $id: id } = JSON.parse(frames[0]!)
    routes[0]!.send(JSON.stringify({ _tag: "Error", code: "InvalidMessage", message: "Expected <b>bread</b>", id }))
    await shows(page, "#text-problem", "Expected <b>bread</b> Your message stays here.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "one")
    await say(page, "two")
    await routes[0]!.close({ code: 1012 })
    await sees(page, "This may not have arrived: two")
    assert.strictEqual(await page.getByText("This may not have arrived").count(), 1)
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
    await vi.waitFor(() => assert.isTrue(isClosed))
    await Promise.all([page.waitForEvent("load"), pass("pageshow")])
    await sees(page, "You are back as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")

    await pass("pagehide")
    // Another page of the tab has said it, and left nothing.
    await page.evaluate("sessionStorage.removeItem('dormouse.stays')")
    await Promise.all([page.waitForEvent("load"), pass("pageshow")])
    await sees(page, "You joined as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "")
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
    await vi.waitFor(() => assert.lengthOf(frames, 1))
  })

  it("holds the last 500 entries, also over a reload (PG-1, PG-8)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    for (let at = 0; at < 510; at++) tell(`message ${at}`)
    const entries = page.locator("#entries > li")
    for (const first of ["message 10", "message 11"]) {
      await sees(page, "message 509")
      await vi.waitFor(async () => assert.strictEqual(await entries.count(), 500))
      assert.strictEqual(await page.locator("#entries .text").first().textContent(), first)
      await page.evaluate("void dispatchEvent(new PageTransitionEvent('pagehide'))")
      assert.strictEqual(await page.evaluate("JSON.parse(sessionStorage['dormouse.stays'])[0].entries.length"), 500)
      // Then it is told that one is back.
      await page.reload()
      await sees(page, "You are back as Ada.")
    }
  })

  it("leaves whoever reads further up where he is, and leads back (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    for (let at = 0; at < 40; at++) tell(`message ${at}`)
    await sees(page, "message 39")
    const top = () => page.evaluate<number>("document.getElementById('log').scrollTop")
    const below = page.getByRole("button", { name: "New below" })
    await page.evaluate("document.getElementById('log').scrollTop = 200")
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
    // It follows as the next frame is drawn.
    await vi.waitFor(async () => assert.isAbove(await top(), before))
  })

  it("counts in the title what is said while nobody looks (PG-1)", async () => {
    await using ada = await visitStage()
    const { page, tell } = ada
    const look = (state: string) =>
      page.evaluate(`{
        Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true })
        void document.dispatchEvent(new Event("visibilitychange"))
      }`)
    await look("hidden")
    tell("one")
    tell("two")
    await vi.waitFor(async () => assert.strictEqual(await page.title(), "(2) stage · Dormouse"))
    await look("visible")
    assert.strictEqual(await page.title(), "stage · Dormouse")
    tell("three")
    await sees(page, "three")
    assert.strictEqual(await page.title(), "stage · Dormouse")
    await look("hidden")
    tell("four")
    await vi.waitFor(async () => assert.strictEqual(await page.title(), "(1) stage · Dormouse"))
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
})
