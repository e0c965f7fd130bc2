import { assert, describe, it } from "vitest"
import * as Frame from "../../fuzz/Frame.ts"
import { server, settle, states, useWorker, within } from "./client.ts"

const worker = useWorker()

const codes: ReadonlyArray<readonly [code: number, what: string, reason: string]> = [
  [1000, "no reason", ""],
  [1000, "a reason", "done"],
  [1001, "no reason", ""],
  [1011, "no reason", ""],
  [3000, "a reason of 123 letters", "x".repeat(123)],
  [3999, "no reason", ""],
  [4000, "no reason", ""],
  [4000, "a reason of 123 bytes", `${"é".repeat(61)}x`],
  [4999, "a reason", "x"]
]

describe.each(states)("in a room that is %s", (_, isAsleep) => {
  it.each(codes)(
    "a client that closes with %i and %s is answered with both (CL-1)",
    async (code, _, reason) => {
      const room = worker.room()
      const [ada, grace] = await worker.joinAll(room, "ada", "grace")
      assert.ok(ada && grace)
      if (isAsleep) await worker.sleep(room)
      assert.deepStrictEqual(await grace.close(code, reason), { code, reason })
      assert.deepStrictEqual(await ada.next("Left", 1_000), {
        _tag: "Left",
        connection: grace.id,
        name: "grace",
        connections: 1,
        code,
        reason
      })
    }
  )

  it("a client that closes without a code is answered (CL-1)", async () => {
    const room = worker.room()
    const [ada, grace] = await worker.joinAll(room, "ada", "grace")
    assert.ok(ada && grace)
    if (isAsleep) await worker.sleep(room)
    const { code } = await grace.close()
    assert.include([1000, 1005], code)
    const left = await ada.next("Left", 1_000)
    assert.deepStrictEqual([left.connection, left.name, left.connections], [grace.id, "grace", 1])
    assert.strictEqual(left.code, 1005)
  })

  it.each(codes)(
    "a close frame with %i and %s is answered with one that says the same (CL-1)",
    async (code, _, reason) => {
      const room = worker.room()
      const raw = await worker.joinRaw(room)
      if (isAsleep) await worker.sleep(room)
      assert.deepStrictEqual(await raw.close(Frame.closePayload(code, reason)), Frame.closePayload(code, reason))
    }
  )

  it("a close frame of one who is alone is answered (CL-1)", async () => {
    const room = worker.room()
    const raw = await worker.joinRaw(room)
    if (isAsleep) await worker.sleep(room)
    const answer = await raw.close(Buffer.alloc(0))
    assert.include(["", Frame.closePayload(1000).toString("hex")], answer.toString("hex"))
  })
})

it("a close frame whose reason cannot be repeated is answered with its code (CL-1)", async () => {
  // 123 bytes, each of which becomes a replacement character of three.
  const raw = await worker.joinRaw(worker.room())
  const answer = await raw.close(Frame.closePayload(4000, Buffer.alloc(123, 0xff)))
  assert.isAtLeast(answer.length, 2)
  // A reason that is no UTF-8 is an error to `ws`.
  assert.strictEqual(answer.readUInt16BE(), server === "worker" ? 4000 : 1007)
})

it.each([0, 999, 1004, 1005, 1006, 1015, 5000, 65_535])(
  "a close frame with the code %i, which nobody may send, is answered all the same (CL-1)",
  async (code) => {
    const raw = await worker.joinRaw(worker.room())
    await raw.close(Frame.closePayload(code))
  }
)

it("all of a room's clients may close at once (CL-1)", async () => {
  const room = worker.room()
  const clients = await Promise.all(Array.from({ length: 30 }, () => worker.join(room)))
  await worker.sleep(room)
  const closed = await Promise.all(clients.map((client, index) => client.close(4000 + index)))
  assert.deepStrictEqual(closed, clients.map((_, index) => ({ code: 4000 + index, reason: "" })))
  assert.strictEqual((await worker.join(room)).welcome.connections, 1)
})

it("what is sent to a room by one who has begun to close is heard by nobody (CL-1, LC-1)", async () => {
  const room = worker.room()
  const ada = await worker.join(room, { name: "ada" })
  const raw = await worker.joinRaw(room)
  raw.send({ opcode: 0x8, payload: Frame.closePayload(4000) })
  raw.send({ opcode: 0x1, payload: Buffer.from(JSON.stringify({ _tag: "Say", text: "and another thing" })) })
  await within(1_000, raw.closeFrame, "The server's close frame")
  await settle(ada)
  assert.deepStrictEqual(ada.messages.map(({ _tag }) => _tag), ["Welcome", "Joined", "Left", "Said"])
})

it.each(states)(
  "a connection leaves once, however often it ends, in a room that is %s (LC-1)",
  async (_, isAsleep) => {
    const room = worker.room()
    const ada = await worker.join(room, { name: "ada" })
    const close = { opcode: 0x8, payload: Frame.closePayload(4000) }
    const endings = [
      // A close, and TCP breaks.
      [close],
      // Two closes.
      [close, close],
      // A close, and a protocol error.
      [close, { opcode: 0x3 }],
      // A protocol error, and a close.
      [{ opcode: 0x3 }, close],
      // A protocol error alone.
      [{ opcode: 0x3 }],
      // Nothing but TCP breaks.
      []
    ]
    const ids: Array<string> = []
    for (const frames of endings) {
      const raw = await worker.joinRaw(room)
      ids.push(raw.id)
      if (isAsleep) await worker.sleep(room)
      for (const frame of frames) raw.send(frame)
      if (frames.length > 0) await within(1_000, raw.closeFrame, "The server's close frame")
      raw.socket.resetAndDestroy()
      assert.strictEqual((await ada.next("Left", 1_000)).connection, raw.id)
      // The runtime has nothing more to tell of it when it comes back either.
      await worker.sleep(room)
      await settle(ada)
    }
    const left = ada.messages.filter((message) => message._tag === "Left")
    assert.deepStrictEqual(left.map(({ connection }) => connection), ids)
    assert.deepStrictEqual(left.map(({ connections }) => connections), ids.map(() => 1))
  }
)
