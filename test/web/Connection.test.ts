/**
 * The page while its connection comes and goes.
 */
import type { Page } from "playwright-core"
import { assert, it } from "vitest"
import { describeInBrowser, say, sees, shows, until, useBrowser } from "./browser.ts"

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
    await until(async () => assert.strictEqual(await ada.page.getByText("Brian joined.").count(), 2))
    await say(brian.page, "Was I away?")
    await sees(ada.page, "Was I away?")
    await say(ada.page, "Not for long.")
    await sees(brian.page, "Not for long.")
    assert.deepStrictEqual([...ada.problems, ...brian.problems], [])
  })

  it("takes nobody who has the name of one who is gone for that one (PG-6)", async () => {
    await using ada = await visit()
    await using eve = await visit()
    await enter(ada.page, "namesake", "Ada")
    await enter(eve.page, "namesake", "Eve")
    await ada.page.getByRole("button", { name: "Cut the connection" }).click()
    await sees(eve.page, "Ada lost the connection.")
    await using other = await visit()
    await enter(other.page, "namesake", "Ada")
    await until(async () => assert.strictEqual(await eve.page.getByText("Ada joined.").count(), 2))
    assert.strictEqual(await eve.page.getByText("is back").count(), 0)
  })

  // What a room says to who asks why it does not let one in; `undefined` where it lets one in.
  const standAtDoor = async (page: Page) => {
    const door: { refusal: { status: number; detail?: string } | undefined } = { refusal: undefined }
    await page.addInitScript(`{
      const { WebSocket: Made } = globalThis
      globalThis.refused = false
      globalThis.WebSocket = class extends Made {
        constructor(url, protocols) { super(refused ? url.replace("/rooms/", "/nothing/") : url, protocols) }
      }
    }`)
    await page.route(/\/rooms\//, (route) =>
      door.refusal === undefined
        ? route.continue()
        : route.fulfill({
          status: door.refusal.status,
          contentType: "application/problem+json",
          body: JSON.stringify(door.refusal)
        }))
    return {
      /** From now on, or from when the page is there. */
      refuse: async (status: number, detail = "") => {
        door.refusal = { status, detail }
        await page.evaluate("globalThis.refused = true")
        await page.addInitScript("globalThis.refused = true")
      },
      admit: async () => {
        door.refusal = undefined
        await page.evaluate("globalThis.refused = false")
      }
    }
  }

  it("tells why the room does not let one in, and tries again where that may pass (PG-6)", async () => {
    await using ada = await visit()
    const { page } = ada
    const door = await standAtDoor(page)
    await door.refuse(429, "This address connects too often.")
    await page.goto(address("/?room=door&name=Ada"))
    await shows(page, "#status", "This address connects too often.")
    await page.getByText(/^next attempt at .+, in \d+ s$/).waitFor()
    await say(page, "knock")
    assert.deepStrictEqual(await fates(page), ["waiting"])
    await door.admit()
    // It tries again by itself.
    await sees(page, "You joined as Ada.")
    await shows(page, "#status", "Connected")
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["knock"]))
  })

  it("asks the door seldom, and again with every attempt that one makes oneself (PG-6)", async () => {
    await using ada = await visit()
    const { page } = ada
    const door = await standAtDoor(page)
    await page.goto(address("/"))
    await door.refuse(429, "This address connects too often.")
    await page.addInitScript("Math.random = () => 0.001")
    let [attempts, questions] = [0, 0]
    page.on("websocket", () => {
      attempts += 1
    })
    page.on("request", (request) => {
      if (request.url().includes("/rooms/")) questions += 1
    })
    await page.goto(address("/?room=seldom&name=Ada"))
    // The browser itself slows down what fails so often.
    await until(() => assert.isAtLeast(attempts, 9))
    // After the first, the second, the fourth and the eighth.
    const atMost = Math.floor(Math.log2(attempts)) + 1
    assert.isAtMost(questions, atMost)
    assert.isAtLeast(questions, 3)
    // From now on there are as good as no others than one's own.
    await page.evaluate("Math.random = () => 0.999")
    for (let own = 0; own < 2; own++) {
      await page.getByText(/^next attempt at .+, in (?:2\d|30) s$/).waitFor()
      const before = questions
      await page.getByRole("button", { name: "Try now" }).click()
      await until(() => assert.strictEqual(questions, before + 1))
    }
  })

  it("keeps nobody waiting at a door that stays shut (PG-6, PG-7)", async () => {
    await using ada = await visit()
    const { page } = ada
    const door = await standAtDoor(page)
    await enter(page, "shut", "Ada")
    await say(page, "inside")
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["inside"]))
    await door.refuse(503, "The room could not be started.")
    await page.getByRole("button", { name: "Cut the connection" }).click()
    await shows(page, "#status", "The room could not be started.")
    await say(page, "one")
    await say(page, "two")

    await door.refuse(403, "Members only.")
    await page.getByRole("button", { name: "Try now" }).click()
    await page.locator("#status[data-state=closed]").waitFor()
    await shows(page, "#status", "Members only.")
    // What was said stays, and so does what waits; nothing more is taken.
    assert.deepStrictEqual(await saidOn(page), ["inside"])
    await say(page, "three")
    await page.getByText("The room is closed. Your message stays here.").waitFor()
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "three")
    assert.deepStrictEqual(await fates(page), ["waiting", "waiting"])

    await door.admit()
    await page.getByRole("button", { name: "Try now" }).click()
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["inside", "one", "two"]))
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
    await until(async () => assert.deepStrictEqual(await fates(page), []))
    for (const told of [page, brian.page]) assert.deepStrictEqual(await saidOn(told), ["one", "two"])
    assert.deepStrictEqual(await page.locator("#entries .fate").allTextContents(), ["sent", "sent"])
    assert.deepStrictEqual(await page.evaluate("shifts"), [])
    assert.deepStrictEqual([...ada.problems, ...brian.problems], [])
  })

  it("keeps what is typed in the moment in which the connection goes, too (PG-7, PG-8)", async () => {
    await using ada = await visit()
    const { page } = ada
    await enter(page, "going", "Ada")
    await page.evaluate(`
      document.getElementById("offline").click()
      document.getElementById("text").value = "just after"
      document.getElementById("say").requestSubmit()
    `)
    assert.deepStrictEqual(await fates(page), ["waiting"])
    await shows(page, "#status", "You are offline")
    await page.reload()
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["just after"]))
    assert.deepStrictEqual(ada.problems, [])
  })

  it("says when the next attempt is in a narrow window, too, beside what tries at once (PG-6)", async () => {
    await using ada = await visit({ viewport: { width: 320, height: 640 } })
    const { page } = ada
    await watchShifts(page)
    await enter(page, "narrow", "Ada")
    await page.getByRole("button", { name: "Offline" }).click()
    await page.getByText(/^next attempt at .+, in \d+ s$/).waitFor()
    const boxes = await page.evaluate<ReadonlyArray<ReadonlyArray<number>>>(`
      [
        ...["next", "again"].map((id) => document.getElementById(id).getBoundingClientRect()),
        document.querySelector(".bar").getBoundingClientRect()
      ].map(({ left, right, bottom }) => [left, right, bottom])
    `)
    const [next, again, bar] = boxes
    assert.isAtMost(next![1]!, again![0]!)
    assert.isAtMost(next![2]!, bar![2]!)
    assert.deepStrictEqual(await page.evaluate("shifts"), [])
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
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["from the tunnel"]))
  })

  it("loses nothing on a reload: what was said, what waits, and what is being typed (PG-8)", async () => {
    await using ada = await visit()
    const { page } = ada
    await enter(page, "reload", "Ada")
    // The address is for others, too: the name is not in it.
    assert.strictEqual(new URL(page.url()).search, "?room=reload")
    await say(page, "before")
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["before"]))
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "while away")
    await page.getByLabel("Message").fill("half a sen")

    await page.reload()
    await sees(page, "You are back as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["before", "while away"]))
    await page.getByRole("button", { name: "Leave" }).click()
    await page.goto(address("/?room=reload&name=Ada"))
    await sees(page, "You joined as Ada.")
    assert.deepStrictEqual(await saidOn(page), [])
    assert.deepStrictEqual(ada.problems, [])
  })

  it("loses nothing where one visits another room in between (PG-8)", async () => {
    await using ada = await visit()
    const { page } = ada
    await enter(page, "first", "Ada")
    await say(page, "before")
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["before"]))
    await page.getByRole("button", { name: "Offline" }).click()
    await shows(page, "#status", "You are offline")
    await say(page, "I wait")
    await page.getByLabel("Message").fill("half a sen")

    await enter(page, "second", "Ada")
    assert.deepStrictEqual(await saidOn(page), [])
    await page.goBack()
    await sees(page, "You are back as Ada.")
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["before", "I wait"]))
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")
    // Under another name one is somebody else.
    await enter(page, "second", "Eve")
    assert.strictEqual(await page.getByText("You are back").count(), 0)
  })

  it("says in the lobby what was typed and is not told yet, to take it up again or throw it away (PG-7)", async () => {
    await using ada = await visit()
    const { page } = ada
    const unfinished = page.getByRole("region", { name: "Not told yet" })
    const typeAndLeave = async () => {
      await page.getByRole("button", { name: "Offline" }).click()
      await shows(page, "#status", "You are offline")
      await say(page, "one")
      await say(page, "two")
      await page.getByLabel("Message").fill("half a sen")
      await page.getByRole("button", { name: "Leave" }).click()
      await unfinished.getByText("left as Ada").waitFor()
      await unfinished.getByText("2 messages wait, a message is not finished").waitFor()
    }
    await enter(page, "left", "Ada")
    await typeAndLeave()
    await page.reload()
    await page.getByLabel("Room").fill("a/b")
    await page.getByRole("button", { name: "Join the room" }).click()
    await page.locator("#room[aria-invalid=true]").waitFor()
    await unfinished.getByRole("button", { name: "Join again" }).click()
    await sees(page, "You joined as Ada.")
    assert.strictEqual(await page.locator("#room").inputValue(), "left")
    assert.isNull(await page.locator("#room").getAttribute("aria-invalid"))
    await until(async () => assert.deepStrictEqual(await saidOn(page), ["one", "two"]))
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "half a sen")

    await typeAndLeave()
    await unfinished.getByRole("button", { name: "Discard" }).click()
    assert.isTrue(await unfinished.isHidden())
    assert.strictEqual(await page.evaluate("document.activeElement.id"), "name")
    assert.isUndefined(await page.evaluate("sessionStorage['dormouse.unsaid']"))
    await page.getByRole("button", { name: "Join the room" }).click()
    await sees(page, "You joined as Ada.")
    assert.strictEqual(await page.getByLabel("Message").inputValue(), "")
    assert.deepStrictEqual(await fates(page), [])
  })
})

describeInBrowser("the page at a Worker that asks for a token", () => {
  const { address, visit } = useBrowser({ JWT_SECRET: "a secret of more than thirty-two bytes" })

  it("says so, and takes nobody's messages for a room that he was never in (PG-6)", async () => {
    await using ada = await visit()
    const { page } = ada
    await page.goto(address("/?room=members&name=Ada"))
    await page.getByText("This room asks for a token, which this page does not have.").waitFor()
    assert.isTrue(await page.locator("#lobby").isVisible())
    assert.isTrue(await page.locator("#chat").isHidden())
    assert.strictEqual(await page.evaluate("document.activeElement.id"), "room")
    // Nobody goes on knocking.
    const asked: Array<string> = []
    page.on("request", (request) => asked.push(request.url()))
    page.on("websocket", (socket) => asked.push(socket.url()))
    await page.waitForTimeout(1_500)
    assert.deepStrictEqual(asked, [])
  })
})
