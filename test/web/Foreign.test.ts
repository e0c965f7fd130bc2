/**
 * A page of another origin, in a browser that has been to the chat.
 */
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import type { Page } from "playwright-core"
import { afterAll, assert, beforeAll, it } from "vitest"
import { describeInBrowser, until, useBrowser } from "./browser.ts"

describeInBrowser("a page of another origin", () => {
  const { address, visit } = useBrowser()
  let server: Server
  let elsewhere = ""

  beforeAll(async () => {
    server = createServer(({ url }, response) => {
      response.setHeader("content-type", "text/html")
      if (url === "/nowhere") response.setHeader("content-security-policy", "sandbox allow-scripts")
      response.end("<title>Elsewhere</title>")
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    // SAFETY: it listens on TCP.
    elsewhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })

  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })

  const rooms = (room: string, name: string) => address(`/rooms/${room}?name=${name}`).replace("http", "ws")

  // How an attempt to join ends, as the page sees it, and the status that the server has answered.
  const attempt = async (page: Page, url: string) => {
    const session = await page.context().newCDPSession(page)
    await session.send("Network.enable")
    const statuses: Array<number> = []
    session.on("Network.webSocketHandshakeResponseReceived", ({ response }) => statuses.push(response.status))
    session.on("Network.webSocketFrameError", ({ errorMessage }) => {
      const status = /response code: (\d+)/.exec(errorMessage)?.[1]
      if (status !== undefined) statuses.push(Number(status))
    })
    const outcome = await page.evaluate<string>(`new Promise((resolve) => {
      const socket = new WebSocket(${JSON.stringify(url)})
      socket.onopen = () => resolve("open")
      socket.onerror = () => resolve("error")
    })`)
    await until(() => assert.isAbove(statuses.length, 0))
    await session.detach()
    return { outcome, status: statuses[0] }
  }

  it("does not get into a room, and nobody there hears of it (PG-5)", async () => {
    await using ada = await visit()
    await ada.page.goto(address("/?room=cellar"))
    await ada.page.getByLabel("Your name").fill("Ada")
    await ada.page.getByRole("button", { name: "Join the room" }).click()
    await ada.page.getByRole("log").getByText("You joined as ").waitFor()

    await using mallory = await visit()
    await mallory.page.goto(address())
    assert.deepStrictEqual(await attempt(mallory.page, rooms("cellar", "Brian")), { outcome: "open", status: 101 })
    await ada.page.getByRole("log").getByText("Brian joined.").waitFor()

    const refused = { outcome: "error", status: 403 }
    await mallory.page.goto(elsewhere)
    assert.deepStrictEqual(await attempt(mallory.page, rooms("cellar", "Mallory")), refused)
    // What has no origin of its own, like a page in a sandbox, says `null`.
    await mallory.page.goto(`${elsewhere}nowhere`)
    assert.deepStrictEqual(await attempt(mallory.page, rooms("cellar", "Mallory")), refused)

    // Who may come in is heard of after whoever was there before.
    await mallory.page.goto(address())
    await attempt(mallory.page, rooms("cellar", "Grace"))
    await ada.page.getByRole("log").getByText("Grace joined.").waitFor()
    assert.strictEqual(await ada.page.getByRole("log").getByText("Mallory").count(), 0)
  })
})
