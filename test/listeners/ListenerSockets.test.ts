import { assert, it } from "@effect/vitest"
import * as ListenerSockets from "../../src/listeners/ListenerSockets.ts"

// A client that may read or not. What is sent waits until it does.
class Fake {
  readyState = 1
  bufferedAmount: number | undefined = 0
  binaryType: "arraybuffer" | "blob" = "blob"
  readonly sent: Array<unknown> = []
  say: (event: { readonly data: unknown }) => void = () => {}
  accept() {}
  addEventListener(type: string, listener: (event: any) => void) {
    if (type === "message") this.say = listener
  }
  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>) {
    this.sent.push(data)
    if (this.bufferedAmount !== undefined) this.bufferedAmount += 4
  }
  close() {}
  serializeAttachment() {}
  deserializeAttachment() {}
}

const make = (bufferedAmount: number | undefined) => {
  const heard: Array<unknown> = []
  const slow: Array<unknown> = []
  const sockets = ListenerSockets.make(
    {
      message: (_, frame) => heard.push(frame),
      close: () => {},
      error: () => {},
      slow: (socket) => slow.push(socket)
    },
    1_000,
    () => 0
  )
  sockets.autoRespond("ping", "pong")
  const fake = new Fake()
  fake.bufferedAmount = bufferedAmount
  // SAFETY: a runtime that does not count has no such property.
  sockets.accept(fake as ListenerSockets.ListenerSocket, ["c:1"])
  return { fake, heard, slow }
}

it("who asks for pongs and does not read them gets none above the bound, and is told to be slow (OB-5)", () => {
  const { fake, heard, slow } = make(0)
  for (let ping = 0; ping < 1_000; ping++) fake.say({ data: "ping" })
  assert.strictEqual(fake.sent.length, 251)
  assert.strictEqual(fake.bufferedAmount, 1_004)
  assert.strictEqual(slow[0], fake)
  assert.deepStrictEqual(heard, [])
  fake.bufferedAmount = 0
  fake.say({ data: "ping" })
  assert.strictEqual(fake.sent.length, 252)
})

it("where the runtime does not count what waits, every ping is answered (OB-5)", () => {
  const { fake, slow } = make(undefined)
  for (let ping = 0; ping < 1_000; ping++) fake.say({ data: "ping" })
  assert.strictEqual(fake.sent.length, 1_000)
  assert.deepStrictEqual(slow, [])
})
