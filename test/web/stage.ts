/**
 * The chat's page in a room that the test plays, and a clock that it turns.
 */
import type { Page, WebSocketRoute } from "playwright-core"
import { sees, useBrowser } from "./browser.ts"

/** The connection that somebody has. */
export const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

/** Runs the browser and the Worker, for the tests of one `describe`. */
export const useStage = () => {
  const { address, visit } = useBrowser()

  const play = async (page: Page) => {
    const routes: Array<WebSocketRoute> = []
    const frames: Array<string> = []
    const stage = { answers: true, closes: true }
    await page.clock.install({ time: 0 })
    await page.clock.pauseAt(1_000)
    await page.routeWebSocket(/\/rooms\//, (route) => {
      routes.push(route)
      route.onMessage((frame) => {
        frames.push(String(frame))
        if (frame === "ping" && stage.answers) route.send("pong")
      })
      // Without that a connection that the page closes stays half closed.
      route.onClose((code = 1005, reason = "") => {
        if (stage.closes) void route.close({ code, reason })
      })
      if (stage.answers) {
        route.send(JSON.stringify({ _tag: "Welcome", connection: idOf(routes.length), name: "Ada", connections: 1 }))
      }
    })
    await page.goto(address("/?room=stage&name=Ada"))
    await sees(page, "Ada.")
    const send = (...messages: ReadonlyArray<object>) =>
      routes.at(-1)!.send(messages.map((message) => JSON.stringify(message)).join("\n"))
    return {
      page,
      stage,
      routes,
      frames,
      /** The room sends messages, in one frame. */
      send,
      /** What the page has said, and the room has heard. */
      said: () => frames.filter((frame) => frame !== "ping").map((frame): string => JSON.parse(frame).text),
      /** Somebody else says something, or more at once. */
      tell: (...texts: ReadonlyArray<string>) =>
        send(...texts.map((text) => ({ _tag: "Said", connection: idOf(999), name: "Mallory", text }))),
      /** The room tells what this one has said, and that it has handled it. */
      handle: (text: string) => {
        const frame = frames.findLast((frame) => frame !== "ping" && JSON.parse(frame).text === text)!
        send({ _tag: "Said", connection: idOf(routes.length), name: "Ada", text })
        send({ _tag: "Handled", id: JSON.parse(frame).$id })
      }
    }
  }

  return {
    address,
    visit,
    visitStage: async () => {
      const visitor = await visit()
      return { ...visitor, ...await play(visitor.page) }
    },
    /** Another tab of the same browser, which begins with what the storage of one was. */
    open: async (page: Page, storage: Readonly<Record<string, string>>) => {
      const other = await page.context().newPage()
      other.setDefaultTimeout(15_000)
      await other.addInitScript(`Object.assign(sessionStorage, ${JSON.stringify(storage)})`)
      return play(other)
    }
  }
}

/** What a tab keeps. */
export const stored = (page: Page) => page.evaluate<Record<string, string>>("({ ...sessionStorage })")

/** No event tells a page that it is killed. */
export const kill = async (page: Page) => {
  const session = await page.context().newCDPSession(page)
  const crashed = page.waitForEvent("crash")
  session.send("Page.crash").catch(() => {})
  await crashed
  await page.close()
}

/** A page is shown, or not. */
export const show = (page: Page, state: "visible" | "hidden") =>
  page.evaluate(`{
    Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true })
    void document.dispatchEvent(new Event("visibilitychange"))
  }`)
