import { assert, it } from "vitest"
import { upgrade, useWorker } from "./client.ts"

const worker = useWorker()

it("without a token of the API there is no inspector, nor its page (IN-9)", async () => {
  const room = worker.room()
  await worker.join(room)
  for (const path of ["/inspect", `/inspect/${room}`, "/inspect.html", `/api/rooms/${room}/inspection`]) {
    assert.strictEqual((await worker.ask(path)).status, 404, path)
  }
  const headers = { ...upgrade, "sec-websocket-protocol": "bearer, x, plain" }
  assert.strictEqual((await worker.ask(`/api/rooms/${room}/inspection`, { headers })).status, 404)
})
