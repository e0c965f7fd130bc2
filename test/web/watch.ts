/**
 * The inspector's page, looking at a room that the test plays: what passes, and what goes wrong, when it wants.
 */
import type { Page, WebSocketRoute } from "playwright-core"
import { assert } from "vitest"
import type * as Inspection from "../../src/inspector/Inspection.ts"
import { shows, until, useBrowser } from "./browser.ts"

export const at = Date.now()

export const idOf = (n: number) =>
  `${String(n).padStart(8, "0")}-0000-4000-8000-000000000000` as Inspection.Connection["id"]

export const connection = (n: number, more: Partial<Inspection.Connection> = {}): Inspection.Connection => ({
  id: idOf(n),
  labels: [],
  protocol: "plain",
  since: at,
  ...more
})

export const roomOf = (...connections: ReadonlyArray<Inspection.Connection>): Inspection.Inspection => ({
  _tag: "Inspection",
  room: "stage",
  at,
  awake: { since: at, cause: "connect" },
  wakes: { since: at, by: [{ cause: "connect", count: 7, last: at }] },
  busy: { arriving: 0, asking: 0, leaving: 0 },
  count: connections.length,
  connections,
  deadlines: []
})

export const left = (n: number): Inspection.Event => ({
  _tag: "Left",
  at,
  connection: idOf(n),
  by: "room",
  code: 4000,
  reason: "",
  wasClean: true
})

export const sent = {
  _tag: "Sent",
  at,
  delivered: 1,
  failed: 0,
  body: { bytes: 4, text: "tick" }
} as const satisfies Inspection.Event

export const refusal = (status: number, detail: string) => ({ status, json: { detail } })

/** Begins to look. */
export const enter = async (page: Page, room = "stage", token = "a token") => {
  await page.getByLabel("Room").fill(room)
  await page.getByLabel("Token").fill(token)
  await page.getByLabel("Token").press("Enter")
}

/** What has the focus. */
export const focused = (page: Page) =>
  page.evaluate<string>(
    "document.activeElement.id || document.activeElement.textContent || document.activeElement.tagName"
  )

/** Waits until so much has passed. */
export const passed = (page: Page, count: number) =>
  until(async () => assert.strictEqual(await page.locator("#events li").count(), count))

/** Runs the browser and the Worker, for the tests of one `describe`. */
export const useWatch = () => {
  const { address, visit } = useBrowser({ API_TOKEN: "a token" })

  /** A room, what the API answers by method and path, and what was asked. */
  const play = async (page: Page, inspection: Inspection.Inspection) => {
    const routes: Array<WebSocketRoute> = []
    const asked: Array<string> = []
    const answers = new Map<string, { readonly status?: number; readonly json: unknown }>()
    let isOpen = true
    await page.routeWebSocket(
      /\/inspection$/,
      (route) => isOpen ? void routes.push(route) : route.close({ code: 1012 })
    )
    const tell = (message: Inspection.Inspection | Inspection.Events) => routes.at(-1)!.send(JSON.stringify(message))
    await page.route(/\/api\//, async (route) => {
      const { pathname, searchParams } = new URL(route.request().url())
      const what = `${route.request().method()} /${pathname.split("/").slice(4).join("/")}`
      asked.push(searchParams.has("user") ? `${what} ${searchParams.get("user")}` : what)
      const refused = answers.get(what)
      if (refused !== undefined) return route.fulfill(refused)
      if (what === "OPTIONS /inspection") return route.fulfill(refusal(405, ""))
      await route.fulfill({ json: what === "POST /inspection" ? inspection : { closed: 1 } })
      if (what === "POST /inspection") tell(inspection)
    })
    await page.goto(address("/inspect"))
    await enter(page)
    await shows(page, "#status", "You look")
    return {
      asked,
      answers,
      tell,
      pass: (...events: ReadonlyArray<Inspection.Event>) => tell({ _tag: "Events", missed: 0, events }),
      /** Ends the connection, and lets in nobody until it is opened again. */
      shut: (code = 1012, reason = "") => {
        isOpen = false
        return routes.at(-1)!.close({ code, reason })
      },
      open: () => {
        isOpen = true
      }
    }
  }

  return { address, play, visit }
}
