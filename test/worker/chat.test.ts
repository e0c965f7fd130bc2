import { assert, it } from "vitest"
import { settle, useWorker } from "./client.ts"

const worker = useWorker()

const welcome = (connection: string, name: string, connections: number) =>
  ({ _tag: "Welcome", connection, name, connections }) as const

const joined = (connection: string, name: string, connections: number) =>
  ({ _tag: "Joined", connection, name, connections }) as const

const said = (connection: string, name: string, text: string) => ({ _tag: "Said", connection, name, text }) as const

it("the newcomer is welcomed, the others are told of it, and all who stay are told who left (CH-3)", async () => {
  const [ada, grace, joan] = await worker.joinAll(worker.room(), "ada", "grace", "joan")
  assert.ok(ada && grace && joan)
  assert.strictEqual(new Set([ada.id, grace.id, joan.id]).size, 3)
  await grace.close(4001, "supper")
  const left = {
    _tag: "Left",
    connection: grace.id,
    name: "grace",
    connections: 2,
    code: 4001,
    reason: "supper"
  } as const
  assert.deepStrictEqual(await ada.next("Left"), left)
  assert.deepStrictEqual(await joan.next("Left"), left)
  await joan.close()
  const alsoLeft = { _tag: "Left", connection: joan.id, name: "joan", connections: 1, code: 1005, reason: "" } as const
  assert.deepStrictEqual(await ada.next("Left"), alsoLeft)

  assert.deepStrictEqual(ada.messages, [
    welcome(ada.id, "ada", 1),
    joined(grace.id, "grace", 2),
    joined(joan.id, "joan", 3),
    left,
    alsoLeft
  ])
  assert.deepStrictEqual(grace.messages, [welcome(grace.id, "grace", 2), joined(joan.id, "joan", 3)])
  assert.deepStrictEqual(joan.messages, [welcome(joan.id, "joan", 3), left])
})

it("twenty who enter at once are each counted once (CH-3)", async () => {
  const room = worker.room()
  const clients = await Promise.all(Array.from({ length: 20 }, () => worker.join(room)))
  const counts = clients.map((client) => client.welcome.connections).toSorted((a, b) => a - b)
  assert.deepStrictEqual(counts, Array.from({ length: 20 }, (_, index) => index + 1))
  // Who was the nth to enter hears of all after it, in order.
  await Promise.all(clients.map(async (client) => {
    for (let count = client.welcome.connections + 1; count <= 20; count++) {
      assert.strictEqual((await client.next("Joined")).connections, count)
    }
  }))
})

it("everybody hears what is said, the speaker too (CH-2)", async () => {
  const clients = await worker.joinAll(worker.room(), "ada", "grace", "joan")
  const [ada] = clients
  assert.ok(ada)
  ada.say("hello, world")
  for (const client of clients) {
    assert.deepStrictEqual(await client.next("Said"), said(ada.id, "ada", "hello, world"))
  }
})

it("a text of 1 to 4,096 characters is passed on as it is (CH-2)", async () => {
  const ada = await worker.join(worker.room())
  const texts = ["x", " ", "ping", "\u0000\n\"\\", "x".repeat(4_096), "😀".repeat(4_096), "{\"_tag\":\"Left\"}"]
  for (const text of texts) {
    ada.say(text)
    assert.strictEqual((await ada.next("Said")).text, text)
  }
})

it("a client writes its own name into nothing that it says (CH-2, ID-3)", async () => {
  const [ada, grace] = await worker.joinAll(worker.room(), "ada", "grace")
  assert.ok(ada && grace)
  grace.socket.send(JSON.stringify({ _tag: "Say", text: "it was ada", connection: ada.id, name: "ada" }))
  assert.deepStrictEqual(await ada.next("Said"), said(grace.id, "grace", "it was ada"))
})

it.each([
  ["no JSON", "hello"],
  ["nothing", ""],
  ["half an object", "{\"_tag\":\"Say\""],
  ["null", "null"],
  ["a number", "7"],
  ["a list", "[]"],
  ["no tag", "{\"text\":\"hello\"}"],
  ["a tag that clients do not send", "{\"_tag\":\"Said\",\"text\":\"hello\"}"],
  ["no text", "{\"_tag\":\"Say\"}"],
  ["a text that is none", "{\"_tag\":\"Say\",\"text\":7}"],
  ["an empty text", "{\"_tag\":\"Say\",\"text\":\"\"}"],
  ["a text that is too long", JSON.stringify({ _tag: "Say", text: "x".repeat(4_097) })],
  ["a text with an emoji too many", JSON.stringify({ _tag: "Say", text: "😀".repeat(4_097) })],
  ["a list of 60,000 lists", "[".repeat(60_000)],
  ["almost a ping", "Ping"]
])("only the sender is told that %s is an invalid message, and stays connected (CH-4)", async (_, frame) => {
  const [ada, grace] = await worker.joinAll(worker.room(), "ada", "grace")
  assert.ok(ada && grace)
  grace.socket.send(frame)
  const error = await grace.next("Error")
  assert.deepStrictEqual(Object.keys(error).toSorted(), ["_tag", "code", "message"])
  assert.strictEqual(error.code, "InvalidMessage")
  assert.isString(error.message)
  assert.notMatch(error.message, /\.(?:ts|js):\d/)
  await settle(grace, ada)
  assert.deepStrictEqual(grace.messages.map(({ _tag }) => _tag), ["Welcome", "Error", "Said"])
  assert.deepStrictEqual(ada.messages.map(({ _tag }) => _tag), ["Welcome", "Joined", "Said"])
})

it("only the sender is told that a binary frame is not taken, and stays connected (CH-4)", async () => {
  const [ada, grace] = await worker.joinAll(worker.room(), "ada", "grace")
  assert.ok(ada && grace)
  for (
    const frame of [Buffer.from(JSON.stringify({ _tag: "Say", text: "hello" })), Buffer.from("ping"), Buffer.alloc(0)]
  ) {
    grace.socket.send(frame, { binary: true })
    const error = await grace.next("Error")
    assert.strictEqual(error.code, "UnsupportedFrame")
  }
  await settle(grace, ada)
  assert.deepStrictEqual(grace.messages.map(({ _tag }) => _tag), ["Welcome", "Error", "Error", "Error", "Said"])
  assert.deepStrictEqual(ada.messages.map(({ _tag }) => _tag), ["Welcome", "Joined", "Said"])
})

it("a burst of 500 messages of one connection keeps its order (LC-3)", async () => {
  const room = worker.room()
  const [ada, grace] = await worker.joinAll(room, "ada", "grace")
  assert.ok(ada && grace)
  await worker.sleep(room)
  const texts = Array.from({ length: 500 }, (_, index) => String(index))
  for (const text of texts) ada.say(text)
  for (const client of [ada, grace]) {
    const heard: Array<string> = []
    while (heard.length < 500) heard.push((await client.next("Said")).text)
    assert.deepStrictEqual(heard, texts)
  }
})

it("complaints keep their place among the messages that were understood (LC-3, CH-4)", async () => {
  const ada = await worker.join(worker.room())
  for (let index = 0; index < 100; index++) {
    if (index % 3 === 0) ada.socket.send("nonsense")
    else ada.say(String(index))
  }
  await settle(ada)
  const answers = ada.messages.slice(1, 101).map((message) => message._tag === "Said" ? message.text : message._tag)
  assert.deepStrictEqual(answers, Array.from({ length: 100 }, (_, index) => index % 3 === 0 ? "Error" : String(index)))
})

it("who speaks and closes at once is heard first and leaves then (LC-3, CH-3)", async () => {
  const [ada, grace] = await worker.joinAll(worker.room(), "ada", "grace")
  assert.ok(ada && grace)
  for (let index = 0; index < 50; index++) grace.say(String(index))
  await grace.close(4000)
  await ada.next("Left")
  const after = ada.messages.slice(2).map((message) => message._tag === "Said" ? message.text : message._tag)
  assert.deepStrictEqual(after, [...Array.from({ length: 50 }, (_, index) => String(index)), "Left"])
})

it("two rooms never hear each other (RM-1)", async () => {
  const [here, there] = [worker.room(), worker.room()]
  const [ada, grace] = await worker.joinAll(here, "ada", "grace")
  const [joan, mary] = await worker.joinAll(there, "joan", "mary")
  assert.ok(ada && grace && joan && mary)
  ada.say("here")
  joan.say("there")
  await worker.sleep(here)
  grace.socket.send("nonsense")
  await grace.next("Error")
  await grace.close(4000)
  await ada.next("Left")
  mary.reset()
  await joan.next("Left")
  await settle(ada)
  await settle(joan)
  const strangers = (messages: typeof ada.messages, ...known: ReadonlyArray<string>) =>
    messages.filter((message) => "connection" in message && !known.includes(message.connection))
  assert.deepStrictEqual(strangers(ada.messages, ada.id, grace.id), [])
  assert.deepStrictEqual(strangers(joan.messages, joan.id, mary.id), [])
  assert.deepStrictEqual(ada.messages.map(({ _tag }) => _tag), ["Welcome", "Joined", "Said", "Left", "Said"])
  assert.deepStrictEqual(joan.messages.map(({ _tag }) => _tag), ["Welcome", "Joined", "Said", "Left", "Said"])
  assert.deepStrictEqual([joan.welcome.connections, mary.welcome.connections], [1, 2])
})
