import * as Effect from "effect/Effect"
import { once } from "node:events"
import { assert, it } from "vitest"
import type WebSocket from "ws"
import * as Sleep from "../../src/durable/Sleep.ts"
import { serve } from "./served.ts"

const { enter, harness } = serve("hibernation-server")

const next = async (socket: WebSocket) => String((await once(socket, "message"))[0])

const sleep = () =>
  harness.getWorker().evictDurableObject("WebSocketHibernationServer", { name: "foo", webSockets: "hibernate" })

it("every text goes to all, and who leaves is forgotten by its id, before and after hibernation (EX-1)", async () => {
  const [a, b, c] = [await enter(), await enter(), await enter()]
  const say = async (text: string, listeners: ReadonlyArray<WebSocket>) => {
    const heard = Promise.all(listeners.map(next))
    a.send(text)
    return [...new Set(await heard)]
  }
  assert.deepStrictEqual(await say("hi", [a, b, c]), ["[Durable Object] message: hi, connections: 3"])
  await sleep()
  assert.deepStrictEqual(await say("ping", [a, b, c]), ["[Durable Object] message: ping, connections: 3"])
  await sleep()
  b.close(4000)
  assert.deepStrictEqual((await once(b, "close"))[0], 4000)
  assert.deepStrictEqual(await say("two", [a, c]), ["[Durable Object] message: two, connections: 2"])
  c.terminate()
  await once(c, "close")
  await sleep()
  assert.deepStrictEqual(await say("one", [a]), ["[Durable Object] message: one, connections: 1"])
  a.close()
})

it("the runtime says that a room sleeps, over the harness of Wrangler, too (SL-4)", async () => {
  const socket = await enter()
  await Effect.runPromise(Sleep.assertSleeps({ evict: sleep }))
  // It sleeps already.
  await Effect.runPromise(Sleep.assertSleeps({ evict: sleep }))
  socket.close()
})

it("a request that is no WebSocket is answered 426 (LC-10)", async () => {
  const response = await harness.fetch("/")
  assert.strictEqual(response.status, 426)
})
