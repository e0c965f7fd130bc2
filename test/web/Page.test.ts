/**
 * The page, in a browser, on the Worker as it is deployed.
 */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { assert, it } from "vitest"
import { describeInBrowser, say, sees, shows, until, useBrowser } from "./browser.ts"

describeInBrowser("the page", () => {
  const { address, sleep, visit } = useBrowser()

  const enter = async (page: Page, room: string, name: string) => {
    await page.goto(address(`/?room=${room}`))
    await page.getByLabel("Your name").fill(name)
    await page.getByRole("button", { name: "Join the room" }).click()
    await sees(page, "You joined as ")
  }

  it("lets two tabs talk and see each other come and go, also when the room has slept in between (PG-1)", async () => {
    await using ada = await visit()
    await using brian = await visit({ colorScheme: "dark", viewport: { width: 1100, height: 760 } })

    await enter(ada.page, "hazel", "Ada")
    await shows(ada.page, "#count", "only you here")
    await enter(brian.page, "hazel", "Brian")
    await sees(ada.page, "Brian joined.")
    await shows(ada.page, "#count", "2 here")
    await shows(brian.page, "#count", "2 here")

    await say(ada.page, "Is anybody awake?")
    await sees(brian.page, "Is anybody awake?")
    await say(brian.page, "Barely.")
    await sees(ada.page, "Barely.")

    await sleep("hazel")

    await say(brian.page, "I must have dozed off.")
    await sees(ada.page, "I must have dozed off.")
    await say(ada.page, "So did the room.")
    await sees(brian.page, "So did the room.")
    assert.deepStrictEqual(
      await brian.page.locator(".said").evaluateAll((entries) =>
        entries.map((entry) => ["who", "text"].map((part) => entry.querySelector(`.${part}`)?.textContent).join(": "))
      ),
      ["Ada: Is anybody awake?", "You: Barely.", "You: I must have dozed off.", "Ada: So did the room."]
    )

    const folder = mkdtempSync(join(tmpdir(), "dormouse-page-"))
    await ada.page.screenshot({ path: join(folder, "phone-light.png") })
    await brian.page.screenshot({ path: join(folder, "wide-dark.png") })

    await brian.page.getByRole("button", { name: "Leave" }).click()
    await sees(ada.page, "Brian left.")
    await shows(ada.page, "#count", "only you here")
    await brian.page.getByRole("button", { name: "Join the room" }).waitFor()

    // The browser reports what the page's own Content-Security-Policy forbids here too.
    assert.deepStrictEqual([...ada.problems, ...brian.problems], [])
  })

  it("shows markup in a name and in a message as the text that it is (PG-2)", async () => {
    await using ada = await visit()
    await using mallory = await visit()
    const name = "<b>Mallory</b><img src=x onerror=alert(1)>"
    const text =
      "<script>alert(2)</script><img src=x onerror=\"document.title='taken'\">&amp;\n<a href=javascript:alert(3)>"

    await enter(ada.page, "markup", "Ada")
    await enter(mallory.page, "markup", name)
    await say(mallory.page, text)
    for (const { page } of [ada, mallory]) {
      await page.locator(".text").waitFor()
      assert.strictEqual(await page.locator(".text").textContent(), text)
    }
    await mallory.page.getByRole("button", { name: "Leave" }).click()
    await sees(ada.page, " left.")

    assert.deepStrictEqual(
      await ada.page.locator(".note").allTextContents(),
      [
        "Note: You joined as Ada.",
        "Note: Nobody else is here yet. Send somebody this page’s address.",
        `Note: ${name} joined.`,
        `Note: ${name} left.`
      ]
    )
    assert.strictEqual(await ada.page.locator(".who").textContent(), name)
    for (const { page } of [ada, mallory]) {
      assert.strictEqual(await page.locator("body :is(img, script, a, b)").count(), 0)
    }
    assert.deepStrictEqual([...ada.problems, ...mallory.problems], [])
  })

  it("lets no name turn or empty the words of the page (PG-2)", async () => {
    await using ada = await visit()
    const { page } = ada
    await enter(page, "turned", "Ada")
    const names = ["\u202Eenod.", "\u200B\u2060"]
    for (const name of names) {
      await using mallory = await visit()
      await mallory.page.goto(address("/?room=turned"))
      await mallory.page.evaluate(
        `new Promise((resolve) => {
          const socket = new WebSocket("/rooms/turned?name=" + encodeURIComponent(${JSON.stringify(name)}))
          socket.onmessage = ({ data }) => {
            const { _tag } = JSON.parse(data)
            if (_tag === "Welcome") socket.send(JSON.stringify({ _tag: "Say", text: "whoami" }))
            if (_tag === "Said") { socket.close(1000); resolve() }
          }
        })`
      )
      await sees(page, " left.")
    }
    await until(async () => assert.strictEqual(await page.getByText(" left.").count(), 2))
    // Where the words of the page begin, and where the name ends.
    const ends = await page.evaluate<Array<[name: number, words: number]>>(`
      [...document.querySelectorAll(".note")].filter((note) => note.textContent.endsWith(" left.")).map((note) => {
        const range = document.createRange()
        range.selectNodeContents(note.lastChild)
        return [note.querySelector("strong").getBoundingClientRect().right, range.getBoundingClientRect().left]
      })
    `)
    for (const [name, words] of ends) assert.isAtMost(name, words + 1)
    assert.deepStrictEqual(await page.getByText(" left.").allTextContents(), [
      `Note: ${names[0]} left.`,
      "Note: (invisible) left."
    ])
    assert.deepStrictEqual(await page.locator(".said .who").allTextContents(), [names[0], "(invisible)"])
    assert.strictEqual(await page.locator(".said .avatar").first().textContent(), "E")

    await page.getByRole("button", { name: "Leave" }).click()
    await page.getByLabel("Your name").fill("\u200B")
    await page.getByRole("button", { name: "Join the room" }).click()
    await page.getByText("Nobody can see this name.").waitFor()
  })

  it("works under its policy, and the browser refuses what that forbids (PG-4)", async () => {
    await using ada = await visit()
    const { page, problems } = ada
    await page.addInitScript(`
      violations = []
      addEventListener("securitypolicyviolation", ({ effectiveDirective }) => violations.push(effectiveDirective))
    `)
    const violations = () => page.evaluate<Array<string>>("violations")
    await enter(page, "policy", "Ada")
    await say(page, "Is this allowed?")
    await sees(page, "Is this allowed?")
    await page.getByRole("button", { name: "Leave" }).click()
    await page.getByRole("button", { name: "Join the room" }).click()
    await sees(page, "You joined as ")
    assert.deepStrictEqual([await violations(), problems], [[], []])

    const forbidden = [
      [
        "script-src-elem",
        "document.body.append(Object.assign(document.createElement('script'), { text: 'taken = 1' }))"
      ],
      ["script-src-elem", "document.body.append(Object.assign(document.createElement('script'), { src: elsewhere }))"],
      ["script-src-attr", "document.body.setAttribute('onclick', 'taken = 2'); document.body.click()"],
      ["style-src-attr", "document.body.setAttribute('style', 'display: none')"],
      [
        "style-src-elem",
        "document.head.append(Object.assign(document.createElement('style'), { textContent: 'a {}' }))"
      ],
      ["img-src", "Object.assign(new Image(), { src: elsewhere })"],
      ["connect-src", "void fetch(elsewhere).catch(() => undefined)"],
      ["connect-src", "try { new WebSocket(elsewhere.replace('http', 'ws')) } catch {}"],
      ["frame-src", "document.body.append(Object.assign(document.createElement('iframe'), { src: elsewhere }))"],
      ["base-uri", "document.head.append(Object.assign(document.createElement('base'), { href: elsewhere }))"],
      [
        "form-action",
        "const form = Object.assign(document.createElement('form'), { action: elsewhere }); document.body.append(form); form.submit()"
      ]
    ] as const
    for (const [directive, code] of forbidden) {
      await page.evaluate(`violations.length = 0; { const elsewhere = "http://127.0.0.1:9/x"; ${code} }`)
      await until(async () => assert.include(await violations(), directive, code))
    }
    assert.strictEqual(await page.evaluate("typeof taken"), "undefined")
    assert.isAbove(problems.length, 0)
  })

  it("shows itself in nobody's frame (PG-4)", async () => {
    await using mallory = await visit()
    const { page, problems } = mallory
    await page.setContent(`<iframe src="${address()}"></iframe>`)
    await until(() => assert.match(problems.join(), /frame-ancestors/))
    assert.strictEqual(await page.frames()[1]!.locator("#join, form, main").count(), 0)
  })

  it("keeps the room in the address, stays in it over a reload and comes home after leaving", async () => {
    await using ada = await visit()
    await enter(ada.page, "burrow", "Ada")
    assert.strictEqual(new URL(ada.page.url()).search, "?room=burrow")
    await ada.page.reload()
    await sees(ada.page, "You joined as Ada.")
    await ada.page.getByRole("button", { name: "Leave" }).click()
    await ada.page.reload()
    assert.strictEqual(await ada.page.getByLabel("Your name").inputValue(), "Ada")
    assert.strictEqual(await ada.page.getByLabel("Room").inputValue(), "burrow")
  })

  it("says what is wrong with a name, a room or a message before it goes anywhere", async () => {
    await using ada = await visit()
    const { page } = ada
    const button = page.getByRole("button", { name: "Join the room" })
    await page.goto(address())
    for (const room of ["", "a/b", "..", "a".repeat(129)]) {
      await page.getByLabel("Room").fill(room)
      await button.click()
      assert.strictEqual(await page.getByLabel("Room").getAttribute("aria-invalid"), "true", room)
    }
    await page.getByLabel("Your name").fill("🐭".repeat(65))
    await page.getByLabel("Room").fill("a~b")
    await button.click()
    await page.getByText("A name has at most 64 characters.").waitFor()
    await page.getByLabel("Your name").fill("🐭".repeat(64))
    await button.click()
    await sees(page, "You joined as ")
    await say(page, "z".repeat(4097))
    await page.getByText("A message has at most 4096 characters; this one has 4097.").waitFor()
    await say(page, "z".repeat(4096))
    await page.locator(".text").waitFor()
    assert.deepStrictEqual(ada.problems, [])
  })

  it("says what is wrong with a name or a room in its address (PG-8)", async () => {
    await using ada = await visit()
    const { page } = ada
    const noName = "A name has at most 64 characters."
    const noRoom = "A room’s name has 1 to 128 letters A–Z, digits or the characters . _ ~ -"
    for (
      const [query, focus, problems] of [
        ["room=a/b&name=Ada", "room", ["", noRoom]],
        ["room=..", "name", ["", noRoom]],
        [`room=fine&name=${"x".repeat(65)}`, "name", [noName, ""]],
        [`room=..&name=${"x".repeat(65)}`, "name", [noName, noRoom]]
      ] as const
    ) {
      await page.goto(address(`/?${query}`))
      await until(async () => {
        assert.deepStrictEqual(await page.locator("#lobby .field .problem").allTextContents(), [...problems], query)
      })
      assert.strictEqual(await page.evaluate("document.activeElement.id"), focus, query)
    }
  })
})
