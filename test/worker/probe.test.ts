import { it } from "vitest"
import { deflateRawSync } from "node:zlib"
import { useWorker, closePayload, encodeFrame, within, type ChatClient } from "./client.ts"
const w = useWorker()
const log: any[] = []
const show = async (title: string, f: () => Promise<unknown>) => { const t = performance.now(); let r; try { r = await f() } catch (e) { r = "THROW " + e } process.stderr.write("## " + title + " " + String(JSON.stringify(r)).slice(0, 500) + " " + Math.round(performance.now() - t) + "\n") }
it("probes close", async () => {
  for (const n of [126, 1000, 1_000_000, 30_000_000, 33_554_433]) {
    const room = w.room()
    const stay = await w.join(room)
    const raw = await w.joinRaw(room, { name: "raw" })
    await show("close reason " + n, async () => {
      raw.send({ opcode: 8, payload: closePayload(4000, Buffer.alloc(n, 0x61)) })
      const left = await stay.next("Left", 5000)
      return { code: left.code, length: left.reason.length, answer: (await within(1000, raw.closeFrame, "close")).toString("hex") }
    })
  }
  for (const [t, text] of [["3-byte say", Buffer.from('{"_tag":"Say","text":"\xff"}', "latin1")]] as any) {
    const room = w.room(); const raw = await w.joinRaw(room)
    await show(t, async () => { raw.send({ opcode: 1, payload: text }); return raw.next("Said") })
  }
  { const room = w.room(); const stay = await w.join(room); const c = await w.join(room, {}, { perMessageDeflate: { threshold: 0 } })
    await show("deflate bomb", async () => { c.socket.send("a".repeat(33_554_433)); return [await stay.next("Left", 5000), await within(1000, c.closed, "closed")] }) }
  { const room = w.room(); const stay = await w.join(room); const c = await w.join(room, {}, { perMessageDeflate: { threshold: 0 } })
    await show("deflate exact", async () => { c.socket.send("a".repeat(33_554_432)); return c.next("Error") }) }
  { const room = w.room(); const stay = await w.join(room); const c = await w.join(room, {}, { perMessageDeflate: { threshold: 0 } })
    await show("bad deflate", async () => { (c.socket as any)._socket.write(encodeFrame({ opcode: 1, reserved: 4, payload: Buffer.from("garbage garbage") })); return [await stay.next("Left", 2000), await within(1000, c.closed, "closed")] }) }
  { const room = w.room(); const c = await w.join(room)
    await show("exact 32 MiB JSON", async () => { const base = '{"_tag":"Say","text":""}'.length; c.say("a".repeat(33_554_432 - base)); return c.next("Error") }) }
  { const room = w.room(); const stay = await w.join(room); const raw = await w.joinRaw(room)
    await show("asleep protocol error", async () => { await w.sleep(room); raw.send({ opcode: 3 }); return stay.next("Left") }) }
  { const room = w.room(); const stay = await w.join(room); const raw = await w.joinRaw(room)
    await show("fragments over", async () => { const part = encodeFrame({ opcode: 1, fin: false, payload: Buffer.alloc(20_000_000, 0x61) }); raw.socket.write(part); raw.socket.write(encodeFrame({ opcode: 0, fin: true, payload: Buffer.alloc(20_000_000, 0x61) })); return stay.next("Left") }) }
  for (const x of ["null", "1", "[]", "{}", '{"_tag":"Say"}', '{"_tag":"Say","text":""}', '{"_tag":"Say","text":5}', '{"_tag":"Say","text":"' + "a".repeat(4097) + '"}', '{"_tag":"Shout","text":"hi"}', "", " ping", "Ping"]) {
    const c = await w.join("garbage"); await show(x.slice(0, 40), async () => { c.socket.send(x); return c.next("Error", 1000) }); await c.close()
  }
})
it("probes crowd", async () => {
  const room = w.room()
  const crowd: ChatClient[] = []
  await show("join", async () => { for (let i = 0; i < 20; i++) crowd.push(...await Promise.all(Array.from({ length: 50 }, () => w.join(room)))) })
  await show("all joined", async () => { const last = crowd.at(-1)!; last.say("x"); await Promise.all(crowd.map((c) => c.next("Said", 60000))) })
  await show("leave", async () => { for (let i = 0; i < 25; i++) { crowd[i]!.socket.close(4000); crowd[i + 25]!.socket.close(); crowd[i + 50]!.socket.close(1001); crowd[i + 75]!.reset() }
    await Promise.all(crowd.slice(100).map(async (c) => { for (let i = 0; i < 100; i++) await c.next("Left", 60000) })) })
})
