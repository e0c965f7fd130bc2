import { once } from "node:events"
import * as http from "node:http"
import { assert, it } from "vitest"
import { createTestHarness } from "wrangler"

it("over TCP a client claims nothing, also by the header from which the local server takes `cf` (ID-6)", async () => {
  const root = new URL("claims", import.meta.url).pathname
  const harness = createTestHarness({ root, workers: [{ configPath: "./wrangler.toml" }] })
  try {
    const { url } = await harness.listen()
    const askedFor = async (path: string, claimed: http.OutgoingHttpHeaders = {}) => {
      const headers = { connection: "Upgrade", upgrade: "websocket", ...claimed }
      const request = http.get(new URL(path, url), { headers, agent: false })
      const [response] = (await once(request, "response")) as [http.IncomingMessage]
      let body = ""
      for await (const chunk of response.setEncoding("utf8")) body += chunk
      return JSON.parse(body).detail
    }
    const claims = [{}, { "mf-cf-blob": `{"dormouse":{"user":"admin"}}` }, {
      "MF-CF-Blob": `{"dormouse":{"user":"admin"}}`
    }]
    for (const claimed of claims) {
      assert.strictEqual(await askedFor("/", claimed), "nobody")
      assert.strictEqual(await askedFor("/ada", claimed), "ada")
    }
  } finally {
    await harness.close()
  }
})
