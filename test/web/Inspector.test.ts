/**
 * The inspector's page, in a browser, on the Worker as it is deployed.
 */
import type { Page } from "playwright-core"
import { assert, it } from "vitest"
import { describeInBrowser, say, sees, shows, until, useBrowser } from "./browser.ts"

// It has brackets and other characters that stand in no subprotocol.
const token = "a (token)/that=may+everything"

describeInBrowser("the inspector", () => {
  const { address, sleep, visit } = useBrowser({ API_TOKEN: token })

  const enter = async (page: Page, room: string, name: string) => {
    await page.goto(address(`/?room=${room}&name=${name}`))
    await sees(page, "You joined as ")
  }

  const look = async (page: Page, room: string, given = token) => {
    await page.goto(address(`/inspect/${room}`))
    await page.getByLabel("Token").fill(given)
    await page.getByLabel("Token").press("Enter")
  }

  const wakes = async (page: Page, by: string) => {
    const row = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: by, exact: true }) })
    return await row.count() === 0 ? "0" : row.getByRole("cell").first().textContent()
  }

  const passes = (page: Page, event: string, text: string) =>
    page.locator(`[data-event=${event}]`).getByText(text).last().waitFor()

  it("shows who is there and what passes, and the object sleeps while somebody looks (PG-9)", async () => {
    await using ada = await visit()
    await using developer = await visit({ viewport: { width: 1280, height: 900 } })
    const { page } = developer
    await enter(ada.page, "glass", "Ada")
    await look(page, "glass")
    await shows(page, "#status", "You look")
    await page.getByRole("cell", { name: `{"name":"Ada"}` }).waitFor()
    assert.strictEqual(await page.locator("#connections tr").count(), 1)
    await say(ada.page, "<b>hello</b>")
    await passes(page, "Received", "<b>hello</b>")
    await passes(page, "Sent", "to everybody, reached 1")
    await using brian = await visit()
    await enter(brian.page, "glass", "Brian")
    await until(async () => assert.strictEqual(await page.locator("#connections tr").count(), 2))

    // The runtime would take ten seconds: it is the page that waits for them.
    await sleep("glass")
    await shows(page, "#sleep", "Asleep: nothing passes. You look, and it sleeps on.")
    const looked = await wakes(page, "the inspector")
    await say(ada.page, "Good morning")
    await passes(page, "Woke", "by a message")
    await shows(page, "#sleep", "Awake: something has passed within ten seconds.")
    assert.strictEqual(await wakes(page, "a message"), "1")
    assert.strictEqual(await wakes(page, "the inspector"), looked)
    // To ask anew is what wakes it.
    await sleep("glass")
    await page.getByRole("button", { name: "Ask anew" }).click()
    await passes(page, "Woke", "by the inspector")
    assert.strictEqual(await page.locator("main b").count(), 0)

    await brian.page.getByRole("button", { name: "Leave" }).click()
    await passes(page, "Left", "by the client, 1000")
    await until(async () => assert.strictEqual(await page.locator("#connections tr").count(), 1))
    assert.deepStrictEqual([...ada.problems, ...brian.problems, ...developer.problems], [])
  })

  it("disconnects a connection, and the page there is told (PG-10)", async () => {
    await using ada = await visit()
    await using developer = await visit()
    await enter(ada.page, "kick", "Ada")
    await look(developer.page, "kick")
    await developer.page.getByRole("button", { name: /^Disconnect / }).click()
    await shows(developer.page, "#report", "1 closed.")
    await shows(ada.page, "#status", "Closed by the room: Disconnected by the inspector.")
    await developer.page.getByText("Nobody is connected.").waitFor()
    await passes(developer.page, "Left", "by the room")
    // Who wants to come back can.
    await ada.page.getByRole("button", { name: "Try now" }).click()
    await sees(ada.page, "You are back as Ada.")
    assert.deepStrictEqual([...ada.problems, ...developer.problems], [])
  })

  it("publishes what fits the room's schema, and shows why anything else does not (PG-10)", async () => {
    await using ada = await visit()
    await using developer = await visit()
    const { page } = developer
    await enter(ada.page, "news", "Ada")
    await look(page, "news")
    const message = page.getByLabel("Message, as JSON")
    const publish = page.getByRole("button", { name: "Publish" })
    await publish.click()
    await shows(page, "#published", "It has reached 1.")
    await sees(ada.page, "hi")
    for (const [text, problem] of [["{", "This is no JSON."], [`{"_tag":"Said"}`, "of the wrong form"]] as const) {
      await message.fill(text)
      await publish.click()
      await page.getByRole("alert").getByText(problem).waitFor()
      assert.strictEqual(await message.getAttribute("aria-invalid"), "true")
    }
  })

  it("asks for a token, tells what is wrong with it, and forgets it (PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    await look(page, "glass", "another token altogether")
    await shows(page, "#token-problem", "The server does not know this token. Give one that stands in its API_TOKEN.")
    assert.isTrue(await page.locator("#inspector").isHidden())
    await page.getByLabel("Token").fill(token)
    await page.getByRole("button", { name: "Look" }).click()
    await shows(page, "#status", "You look")
    const stored = await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state])")
    assert.notInclude(`${stored} ${page.url()}`, token)
    await page.reload()
    assert.strictEqual(await page.getByLabel("Token").inputValue(), "")
    assert.strictEqual(await page.getByLabel("Room").inputValue(), "glass")
  })
})
