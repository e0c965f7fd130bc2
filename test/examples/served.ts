/**
 * An example as Wrangler serves it, for the tests of a file.
 */
import { once } from "node:events"
import { afterAll, beforeAll } from "vitest"
import { createTestHarness } from "wrangler"
import WebSocket from "ws"

export const serve = (example: string) => {
  const root = new URL(`../../examples/${example}/`, import.meta.url).pathname
  const harness = createTestHarness({ root, workers: [{ configPath: "./wrangler.toml" }] })
  let url: URL

  beforeAll(async () => {
    ;({ url } = await harness.listen())
  })

  afterAll(() => harness.close())

  const socketUrl = (path = "") => new URL(path, url.href.replace(/^http/, "ws"))

  return {
    root,
    harness,
    url: (path = "") => new URL(path, url),
    socketUrl,
    /** Opens a WebSocket. */
    enter: async (path = "", headers: Record<string, string> = {}) => {
      const socket = new WebSocket(socketUrl(path), { headers })
      await once(socket, "open")
      return socket
    },
    /** An object sleeps, or goes with all its connections. */
    evict: (object: string, name: string, webSockets: "hibernate" | "close" = "hibernate") =>
      harness.getWorker().evictDurableObject(object, { name, webSockets })
  }
}
