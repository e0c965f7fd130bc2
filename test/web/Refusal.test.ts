/**
 * What the inspector's page says of what goes wrong, and what it does not show.
 */
import { assert, it } from "vitest"
import { describeInBrowser, shows, until } from "./browser.ts"
import { at, connection, enter, focused, idOf, passed, refusal, roomOf, sent, useWatch } from "./watch.ts"

describeInBrowser("a watch that is refused", () => {
  const { address, play, visit } = useWatch()

  it("tells at once of a token that cannot be one (PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    await page.goto(address("/inspect/stage"))
    for (const token of ["geheim→", "a\u0000b", "ü", "a\u200Bb"]) {
      await page.getByLabel("Token").fill(token)
      await page.getByLabel("Token").press("Enter")
      await page.getByText(`Character ${[...token].findIndex((it) => !/[a-z]/.test(it)) + 1} of this is not.`).waitFor()
      assert.isFalse(await page.locator("#inspector").isVisible())
    }
  })

  it("tells of a refusal once it has been heard, too (PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { answers, shut } = await play(page, roomOf())
    answers.set("OPTIONS /inspection", refusal(401, "This takes a bearer token."))
    await shut()
    await shows(page, "#token-problem", "The server does not know this token. Give one that stands in its API_TOKEN.")
    assert.isFalse(await page.locator("#inspector").isVisible())
    assert.strictEqual(await focused(page), "token")
  })

  it("blames no room for a server that has no inspector any more, and says what it takes (PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { answers, shut } = await play(page, roomOf())
    answers.set("OPTIONS /inspection", refusal(404, "There is nothing here."))
    await shut()
    await page.locator("#token-problem").getByText("There is no inspector on this server.").waitFor()
    await page.locator("#token-problem").getByText("set API_TOKEN").waitFor()
    assert.strictEqual(await page.locator("#room-problem").textContent(), "")
    assert.strictEqual(await focused(page), "token")
  })

  it("tells why a room does not answer, and asks again (PG-9, PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    const { answers, asked } = await play(page, roomOf(connection(1)))
    const refused = page.locator("#refresh-problem")
    for (const method of ["POST", "OPTIONS"]) {
      answers.set(`${method} /inspection`, refusal(503, "The room did not answer."))
    }
    await page.getByRole("button", { name: "Ask anew" }).click()
    await refused.getByText("The room did not answer.").waitFor()
    await shows(page, "#status", "You look")
    // A look that begins so does not say that it looks.
    await page.getByRole("button", { name: "Stop" }).click()
    await enter(page)
    await refused.getByText("The room did not answer.").waitFor()
    await shows(page, "#status", "Asking the room…")
    await shows(page, "#sleep", "Asking…")
    answers.clear()
    await shows(page, "#status", "You look")
    assert.strictEqual(await refused.textContent(), "")
    assert.strictEqual(asked.filter((it) => it === "POST /inspection").length, 4)
  })

  it("waits fifteen seconds for an answer (PG-9)", async () => {
    await using developer = await visit()
    const { page } = developer
    // A second of these is ten milliseconds.
    await page.addInitScript(`{
      const { timeout } = AbortSignal
      AbortSignal.timeout = (millis) => timeout.call(AbortSignal, millis === 15_000 ? 150 : millis)
    }`)
    await play(page, roomOf())
    await page.route(/\/publications$/, () => new Promise(() => {}))
    await page.getByRole("button", { name: "Publish" }).click()
    await shows(page, "#message-problem", "The server did not answer.")
  })

  it("says why a connection cannot be disconnected, and blames the server for nothing (PG-10, PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    await play(page, roomOf(connection(1)))
    await page.route(/\/connections\//, (route) => route.fulfill(refusal(404, "No open connection has this id.")))
    await page.getByRole("button", { name: "Disconnect 00000001" }).click()
    await page.getByText("No open connection has this id.").waitFor()
  })

  it("shows no secret of a frame or of a state, and no frame as high as it likes (PG-9, PG-11)", async () => {
    await using developer = await visit()
    const { page } = developer
    const text = JSON.stringify({ relayed: JSON.stringify({ token: "s3cret", to: "Ada" }) })
    const body = { bytes: text.length, text }
    const { pass } = await play(page, roomOf(connection(1, { state: body })))
    pass({ ...sent, body }, {
      _tag: "Received",
      at,
      connection: idOf(1),
      body: { bytes: 1_000, text: "\n".repeat(1_000) }
    })
    await passed(page, 2)
    await page.locator("#connections").getByText("Ada").waitFor()
    await page.locator("[data-event=Sent]").getByText("Ada").waitFor()
    assert.notInclude(await page.locator("#inspector").textContent(), "s3cret")
    const high = page.locator("[data-event=Received] .body")
    assert.isBelow((await high.boundingBox())!.height, 200)
    await high.focus()
    await page.keyboard.press("End")
    await until(async () => assert.isAbove(await high.evaluate(({ scrollTop }) => scrollTop), 0))
  })

  it("an answer that comes after the end of a watch is nobody's (PG-10)", async () => {
    await using developer = await visit()
    const { page } = developer
    await play(page, roomOf(connection(1)))
    let answer = () => {}
    await page.route(/\/publications$/, async (route) => {
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      await route.fulfill(refusal(400, "That fits nowhere."))
    })
    await page.getByRole("button", { name: "Publish" }).click()
    await until(() => assert.notStrictEqual(String(answer), String(() => {})))
    await page.getByRole("button", { name: "Stop" }).click()
    const answered = page.waitForResponse(/\/publications$/)
    answer()
    await answered
    await enter(page)
    await shows(page, "#status", "You look")
    assert.strictEqual(await page.getByText("That fits nowhere.").count(), 0)
    assert.deepStrictEqual(developer.problems.filter((problem) => !problem.includes("400")), [])
  })
})
