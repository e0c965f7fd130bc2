import { assert, it } from "vitest"
import { upgrade, useWorker } from "./client.ts"

const worker = useWorker()

it("without a token of the API there is no inspector, nor its page (IN-9)", async () => {
  const room = worker.room()
  await worker.join(room)
  const written = [
    "inspect",
    `inspect/${room}`,
    "inspect.html",
    "inspect.js",
    "inspect.css",
    "%69nspect",
    "inspect%2ejs"
  ]
  for (const path of [...written, "/inspect", "/inspect.js", "%2Finspect.css", `api/rooms/${room}/inspection`]) {
    assert.strictEqual((await worker.ask(`/${path}`)).status, 404, path)
  }
  const headers = { ...upgrade, "sec-websocket-protocol": "bearer, x, plain" }
  assert.strictEqual((await worker.ask(`/api/rooms/${room}/inspection`, { headers })).status, 404)
})
