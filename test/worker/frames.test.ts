import { once } from "node:events"
import type * as net from "node:net"
import { assert, it } from "vitest"
import WebSocket from "ws"
import { settle, useWorker, within } from "./client.ts"

const worker = useWorker()

const connect = async (room: string, protocols: ReadonlyArray<string>) => {
  const socket = new WebSocket(`ws://${worker.host()}/rooms/${room}`, [...protocols])
  const frames: Array<string> = []
  socket.on("message", (data) => frames.push(String(data)))
  await once(socket, "open")
  return { socket, frames, lines: () => frames.flatMap((frame) => frame.split("\n")).map((line) => JSON.parse(line)) }
}

it("who asks for ndjson is answered with it, and hears everything in order in fewer frames (NJ-1, OB-1, OB-2)", async () => {
  const room = worker.room()
  const [ada] = await worker.joinAll(room, "ada")
  const joins = await connect(room, ["chat", "ndjson"])
  assert.strictEqual(joins.socket.protocol, "ndjson")
  const text = (index: number) => `message ${index}`
  const says = Array.from({ length: 1_000 }, (_, index) => JSON.stringify({ _tag: "Say", text: text(index) }))
  for (let start = 0; start < says.length; start += 250) joins.socket.send(says.slice(start, start + 250).join("\n"))
  await within(
    5_000,
    new Promise<void>((done) => {
      joins.socket.on("message", () => joins.lines().length === 1_001 && done())
    }),
    "A thousand messages"
  )
  const [welcome, ...said] = joins.lines()
  assert.strictEqual(welcome._tag, "Welcome")
  assert.deepStrictEqual(said.map((message) => message.text), said.map((_, index) => text(index)))
  assert.isBelow(joins.frames.length, 50)
  for (const frame of joins.frames) assert.isAtMost(Buffer.byteLength(frame), 65_536)
  await settle(ada!)
  assert.deepStrictEqual(
    ada!.messages.filter((message) => message._tag === "Said").map((message) => message.text).slice(0, -1),
    said.map((message) => message.text)
  )
  joins.socket.close()
})

it("a subprotocol that is not known is not answered (NJ-1)", async () => {
  const socket = new WebSocket(`ws://${worker.host()}/rooms/${worker.room()}`, ["chat"])
  const [error] = await once(socket, "error")
  assert.include(String(error), "no subprotocol")
})

it("a client that does not read is closed with 4008, and the others feel nothing (OB-5)", async () => {
  const room = worker.room()
  const [ada, slow] = await worker.joinAll(room, "ada", "slow")
  assert.ok(ada && slow)
  const { _socket } = slow.socket as unknown as { readonly _socket: net.Socket }
  _socket.pause()
  // The system's own buffers take some megabytes before anything waits in the room.
  let said = 0
  const left = ada.next("Left", 20_000)
  const over = new AbortController()
  void left.finally(() => over.abort())
  while (!over.signal.aborted && said < 20_000) {
    for (let burst = 0; burst < 50; burst++, said++) ada.say("x".repeat(4_096))
    for (let burst = 0; burst < 50; burst++) await ada.next("Said")
  }
  const { code, connection, connections } = await left
  assert.deepStrictEqual({ code, connection, connections }, { code: 4008, connection: slow.id, connections: 1 })
  await settle(ada)
  assert.strictEqual(ada.messages.filter((message) => message._tag === "Said").length, said + 1)
  slow.socket.terminate()
})
