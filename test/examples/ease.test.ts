import { assert, it } from "vitest"
import WebSocket from "ws"
import { serve } from "./served.ts"

const { enter, evict, socketUrl } = serve("ease")

const say = (socket: WebSocket, message: unknown) => socket.send(JSON.stringify(message))

/** The next messages of a socket. */
const hear = (socket: WebSocket, count: number) =>
  new Promise<ReadonlyArray<any>>((resolve) => {
    const heard: Array<unknown> = []
    const listen = (frame: unknown) => {
      if (heard.push(JSON.parse(String(frame))) < count) return
      socket.off("message", listen)
      resolve(heard)
    }
    socket.on("message", listen)
  })

it("who comes later hears what the room's database has, awake and asleep (EX-5)", async () => {
  const ada = await enter("/chats/hut")
  for (const text of ["hi", "still here"]) {
    const heard = hear(ada, 1)
    say(ada, text)
    assert.deepStrictEqual(await heard, [text])
    await evict("ChatRoom", "hut")
  }
  const bob = new WebSocket(socketUrl("/chats/hut"))
  assert.deepStrictEqual(await hear(bob, 2), ["hi", "still here"])
  for (const socket of [ada, bob]) socket.close()
})

it("who talks too fast is refused with a typed error (EX-6)", async () => {
  const ada = await enter("/halls/hut", { cookie: "user=ada" })
  const heard = hear(ada, 4)
  for (const text of ["1", "2", "3", "4"]) say(ada, text)
  const [, , third, refusal] = await heard
  assert.deepStrictEqual(third, { user: "ada", text: "3" })
  assert.strictEqual(refusal.code, "Refused")
  assert.strictEqual(refusal.error._tag, "TooFast")
  ada.close()
})

it("several messages on one alarm are told in the order of their moments, by an object that slept (EX-7)", async () => {
  const ada = await enter("/reminders/hut")
  const heard = hear(ada, 2)
  say(ada, { text: "second", seconds: 2 })
  say(ada, { text: "first", seconds: 1 })
  await evict("RemindersRoom", "hut")
  assert.deepStrictEqual(await heard, [{ text: "first" }, { text: "second" }])
  ada.close()
})
