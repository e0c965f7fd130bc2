import { once } from "node:events"
import type { IncomingMessage } from "node:http"
import { assert, beforeAll, describe, it } from "vitest"
import WebSocket from "ws"
import { serve } from "./served.ts"

// The entries are in D1, and in each room's own object.
describe.each(["guestbook", "guestbook-object"])("%s", (example) => {
  const { enter, evict, harness, socketUrl, url } = serve(example)

  if (example === "guestbook") beforeAll(() => harness.getWorker().applyD1Migrations("GUESTBOOK_DATABASE"))

  const look = (book: string, cookie = "name=Ada") => enter(`/books/${book}`, { cookie })

  const next = async (socket: WebSocket) => JSON.parse(String((await once(socket, "message"))[0]))

  const read = async (book: string, what = "entries") => (await fetch(url(`/books/${book}/${what}`))).json()

  const announce = async (book: string, text: string) => {
    const response = await fetch(url(`/books/${book}/announcements`), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text })
    })
    return response.json()
  }

  const sleep = (book: string) => evict("GuestbookRoom", book)

  it("what is signed is read over HTTP, and announced to who looks, awake and asleep (EX-3, EX-8)", async () => {
    const [ada, bob] = [await look("hut"), await look("hut", "name=Bob")]
    const elsewhere = await look("elsewhere")
    elsewhere.on("message", () => assert.fail("It was said in another book"))
    for (const text of ["It was lovely.", "And it still is."]) {
      const heard = Promise.all([next(ada), next(bob)])
      ada.send(JSON.stringify({ sign: text }))
      const signed = { _tag: "Signed", entry: { name: "Ada", text } }
      assert.deepStrictEqual(await heard, [signed, signed])
      await sleep("hut")
    }
    assert.deepStrictEqual(await read("hut"), [
      { name: "Ada", text: "And it still is." },
      { name: "Ada", text: "It was lovely." }
    ])
    assert.deepStrictEqual(await read("elsewhere"), [])
    const heard = Promise.all([next(ada), next(bob)])
    assert.deepStrictEqual(await announce("hut", "The hut closes at six."), { delivered: 2 })
    assert.strictEqual((await heard)[1].text, "The hut closes at six.")
    await sleep("hut")
    assert.deepStrictEqual(await read("hut", "looking"), ["Ada", "Bob"])
    for (const socket of [ada, bob, elsewhere]) socket.close()
  })

  it("ten requests of a Worker that just started are all answered (EX-3)", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => announce(`book-${index}`, "hello")))
    assert.deepStrictEqual(answers, Array.from({ length: 10 }, () => ({ delivered: 0 })))
  })

  it("who has no name is turned away before the upgrade (LC-9, HT-2)", async () => {
    const socket = new WebSocket(socketUrl("/books/hut"))
    const [, response] = await once(socket, "unexpected-response")
    assert.strictEqual(response.statusCode, 401)
    assert.strictEqual(response.headers["content-type"], "application/problem+json")
    socket.on("error", () => undefined)
    socket.terminate()
  })

  it("a page of another origin may not enter with the visitor's cookie (OR-1, HT-5)", async () => {
    for (const [origin, status] of [[url().origin, 101], ["https://elsewhere.invalid", 403], ["null", 403]] as const) {
      const socket = new WebSocket(socketUrl("/books/hut"), {
        headers: { cookie: "name=Ada" },
        origin
      })
      socket.on("error", () => undefined)
      const response = await new Promise<IncomingMessage>((resolve) => {
        socket.once("upgrade", resolve)
        socket.once("unexpected-response", (_, response) => resolve(response))
      })
      assert.strictEqual(response.statusCode, status, origin)
      if (status === 403) assert.strictEqual(response.headers["content-type"], "application/problem+json")
      socket.terminate()
    }
  })
})
