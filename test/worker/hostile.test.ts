import { once } from "node:events"
import { assert, it } from "vitest"
import WebSocket from "ws"
import { settle, useWorker, within } from "./client.ts"

const worker = useWorker()

const connect = async (room: string, protocols: ReadonlyArray<string> = []) => {
  const socket = new WebSocket(`ws://${worker.host()}/rooms/${room}?name=mallory`, [...protocols])
  const errors: Array<{ readonly code: string }> = []
  const waiting: Array<() => void> = []
  socket.on("message", (data) => {
    for (const line of String(data).split("\n")) {
      const message = JSON.parse(line)
      if (message._tag === "Error") errors.push(message)
    }
    for (const look of waiting) look()
  })
  const closed = once(socket, "close").then(([code]) => code as number)
  await once(socket, "open")
  /** What the errors say, once there are so many. */
  const told = async (count: number) => {
    await within(
      5_000,
      new Promise<void>((done) => {
        const look = () => errors.length >= count && done()
        waiting.push(look)
        look()
      }),
      `Error number ${count}`
    )
    return errors.map(({ code }) => code)
  }
  return { socket, told, closed }
}

it("a frame of thirty thousand lines is answered by one error, and nobody else notices (NJ-2)", async () => {
  const room = worker.room()
  const [ada, bob] = await worker.joinAll(room, "ada", "bob")
  const mallory = await connect(room, ["ndjson"])
  for (const frame of ["x\n".repeat(30_000), "x\n".repeat(256)]) mallory.socket.send(frame)
  await mallory.told(2)
  await settle(ada!, bob!)
  assert.deepStrictEqual(await mallory.told(2), ["InvalidMessage", "InvalidMessage"])
  assert.deepStrictEqual(bob!.messages.filter(({ _tag }) => _tag === "Error"), [])
  mallory.socket.close()
})

it("who sends nonsense, and nothing else, is closed with 4509, through every sleep (PL-4)", async () => {
  const room = worker.room()
  const [ada] = await worker.joinAll(room, "ada")
  const mallory = await connect(room)
  for (let frame = 1; frame <= 10; frame++) {
    if (frame % 3 === 0) await worker.sleep(room)
    mallory.socket.send("nonsense")
    await mallory.told(frame)
  }
  assert.strictEqual(await within(5_000, mallory.closed, "The close"), 4509)
  assert.strictEqual((await mallory.told(10)).length, 10)
  assert.deepInclude(await ada!.next("Left"), { name: "mallory", code: 4509, connections: 1 })
})
