import { assert, it } from "vitest"
import { settle, useWorker } from "./client.ts"

const worker = useWorker()

it("messages, errors, resets and closes tell who it was when the room slept before each of them (ID-2)", async () => {
  const room = worker.room()
  const [ada, grace, joan] = await worker.joinAll(room, "ada", "grace", "joan")
  assert.ok(ada && grace && joan)
  const mary = await worker.joinRaw(room, { name: "mary" })
  for (const client of [ada, grace, joan]) assert.strictEqual((await client.next("Joined")).connection, mary.id)

  for (const [client, name] of [[ada, "ada"], [grace, "grace"], [joan, "joan"]] as const) {
    await worker.sleep(room)
    client.say(`I am ${name}`)
    const said = { _tag: "Said", connection: client.id, name, text: `I am ${name}` } as const
    for (const listener of [ada, grace, joan, mary]) assert.deepStrictEqual(await listener.next("Said"), said)
  }

  await worker.sleep(room)
  grace.socket.send("nonsense")
  assert.strictEqual((await grace.next("Error")).code, "InvalidMessage")

  await worker.sleep(room)
  await grace.close(4002, "tea")
  const left = { _tag: "Left", name: "grace", connection: grace.id, connections: 3, code: 4002, reason: "tea" } as const
  for (const listener of [ada, joan, mary]) assert.deepStrictEqual(await listener.next("Left"), left)

  await worker.sleep(room)
  const broken = { _tag: "Left", name: "mary", connection: mary.id, connections: 2, code: 1002, reason: "" } as const
  mary.send({ opcode: 0x3 })
  for (const listener of [ada, joan]) assert.deepStrictEqual(await listener.next("Left"), broken)

  await worker.sleep(room)
  const alan = await worker.join(room, { name: "alan" })
  assert.deepStrictEqual(alan.welcome, { _tag: "Welcome", connection: alan.id, name: "alan", connections: 3 })
  const joined = { _tag: "Joined", connection: alan.id, name: "alan", connections: 3 } as const
  for (const listener of [ada, joan]) assert.deepStrictEqual(await listener.next("Joined"), joined)

  await worker.sleep(room)
  joan.reset()
  const lost = { _tag: "Left", name: "joan", connection: joan.id, connections: 2, code: 1006, reason: "" } as const
  for (const listener of [ada, alan]) assert.deepStrictEqual(await listener.next("Left"), lost)
  await settle(alan, ada)
  assert.deepStrictEqual(alan.messages.map(({ _tag }) => _tag), ["Welcome", "Left", "Said"])
})

it("a connection keeps its id and its name through twenty sleeps (ID-2)", async () => {
  const room = worker.room()
  const ada = await worker.join(room, { name: "ada" })
  for (let sleeps = 1; sleeps <= 20; sleeps++) {
    await worker.sleep(room)
    ada.say(String(sleeps))
    assert.deepStrictEqual(await ada.next("Said"), {
      _tag: "Said",
      connection: ada.id,
      name: "ada",
      text: String(sleeps)
    })
  }
})

it("ids are minted by the server and differ, whatever the clients ask for (ID-3)", async () => {
  const room = worker.room()
  const wish = "00000000-0000-4000-8000-000000000000"
  const wishes = { connection: wish, _pk: wish, id: wish, connectionId: wish, name: "ada" }
  const first = await worker.join(room, wishes)
  const second = await worker.join(room, wishes)
  const third = await worker.join(room, { ...wishes, connection: first.id, _pk: first.id })
  assert.strictEqual(new Set([wish, first.id, second.id, third.id]).size, 4)
  for (const { id } of [first, second, third]) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  }
  assert.strictEqual(third.welcome.connections, 3)
  // Each leaves as itself.
  await worker.sleep(room)
  await third.close(4000)
  assert.strictEqual((await first.next("Left")).connection, third.id)
})
