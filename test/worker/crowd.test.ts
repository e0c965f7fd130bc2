import { assert, it } from "vitest"
import { type ChatClient, settle, useWorker, within } from "./client.ts"

const worker = useWorker()

const size = 1_000
const leaving = 100

it(
  "of 1,000 in a room 100 leave, and each of the 900 hears of each of them once (LC-1, CH-2, CH-3, CL-1)",
  { timeout: 120_000 },
  async () => {
    const room = worker.room()
    const crowd: Array<ChatClient> = []
    // Half a million messages arrive while they enter. Nobody reads before all are in: it is less work in one go.
    while (crowd.length < size) {
      const some = await Promise.all(Array.from({ length: 50 }, () => worker.join(room)))
      for (const client of some) client.socket.pause()
      crowd.push(...some)
    }
    const counts = crowd.map((client) => client.welcome.connections).toSorted((a, b) => a - b)
    assert.deepStrictEqual(counts, Array.from({ length: size }, (_, index) => index + 1))
    assert.strictEqual(new Set(crowd.map(({ id }) => id)).size, size)

    const leavers = crowd.filter((_, index) => index % (size / leaving) === 0)
    const stayers = crowd.filter((client) => !leavers.includes(client))
    const [first, ...others] = stayers
    assert.ok(first)
    for (const client of [first, ...leavers]) client.socket.resume()
    await settle(first, ...leavers)

    const ways = [
      [4000, (client: ChatClient) => client.socket.close(4000)],
      [1005, (client: ChatClient) => client.socket.close()],
      [1001, (client: ChatClient) => client.socket.close(1001)],
      [1006, (client: ChatClient) => client.socket.terminate()],
      [1006, (client: ChatClient) => client.reset()]
    ] as const
    const expected = new Map(leavers.map((client, index) => [client.id, ways[index % ways.length]![0]]))
    leavers.forEach((client, index) => ways[index % ways.length]![1](client))

    const left = []
    while (left.length < leaving) left.push(await first.next("Left"))
    for (const client of others) client.socket.resume()
    await settle(first, ...others)
    for (const [index, client] of leavers.entries()) {
      const [code] = ways[index % ways.length]!
      assert.deepStrictEqual(await within(5_000, client.closed, "The end of a connection"), { code, reason: "" })
    }

    // Of those that broke off at once, none is open when the first of them is told of.
    const remaining = left.map(({ connections }) => connections)
    assert.deepStrictEqual(remaining, remaining.toSorted((a, b) => b - a))
    assert.isTrue(remaining.every((connections, index) => connections >= size - leaving && connections < size - index))
    assert.strictEqual(remaining.at(-1), size - leaving)
    assert.deepStrictEqual(
      left.map(({ code, connection }) => [connection, code]).toSorted(),
      [...expected].toSorted()
    )
    for (const client of stayers) {
      assert.deepStrictEqual(client.messages.filter(({ _tag }) => _tag === "Left"), left)
      const joined = client.messages.filter(({ _tag }) => _tag === "Joined")
      assert.strictEqual(joined.length, size - client.welcome.connections)
    }
    assert.strictEqual((await worker.join(room)).welcome.connections, size - leaving + 1)
  }
)
