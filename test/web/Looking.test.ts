/**
 * What the inspector's page knows of a room.
 */
import { assert, describe, it } from "vitest"
import type * as Inspection from "../../src/inspector/Inspection.ts"
import * as Looking from "../../web/looking.ts"

const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}` as Inspection.Connection["id"]

const connection = (n: number): Inspection.Connection => ({ id: idOf(n), labels: [], protocol: "plain" })

const roomOf = (count: number): Inspection.Inspection => ({
  _tag: "Inspection",
  room: "stage",
  at: 0,
  awake: { since: 0 },
  wakes: { since: 0, by: [] },
  busy: { arriving: 0, asking: 0, leaving: 0 },
  count,
  connections: Array.from({ length: Math.min(count, 200) }, (_, n) => connection(n)),
  deadlines: []
})

const entered = (n: number): Inspection.Event => ({ _tag: "Entered", at: 1, ...connection(n) })

const left = (n: number): Inspection.Event => ({
  _tag: "Left",
  at: 1,
  connection: idOf(n),
  by: "client",
  code: 1000,
  reason: "",
  wasClean: true
})

const sizes = ({ connections, count }: Inspection.Inspection) => [count, connections.length]

describe("what is known of a room that is looked at", () => {
  it("counts those that are not listed, too, and lists the oldest alone (PG-9)", () => {
    let room = roomOf(260)
    for (let n = 220; n < 260; n++) room = Looking.after(room, left(n))
    assert.deepStrictEqual(sizes(room), [220, 200])
    // Twenty that are not listed are older than who comes now.
    room = [left(0), left(1), entered(300)].reduce(Looking.after, room)
    assert.deepStrictEqual(sizes(room), [219, 198])
    assert.strictEqual(Looking.listed(room, 0), "219 open, of which the 198 oldest are listed")
    assert.match(Looking.listed(room, 3), /only asking anew tells/)
  })

  it("lists who comes where all are listed, and each once (PG-9)", () => {
    const room = [entered(2), entered(2), left(0), left(9), left(9)].reduce(Looking.after, roomOf(2))
    assert.deepStrictEqual(room.connections.map(({ id }) => id), [idOf(1), idOf(2)])
    assert.strictEqual(Looking.listed(room, 0), "2 open")
    assert.deepStrictEqual(sizes(Looking.after(roomOf(200), entered(200))), [201, 200])
  })

  it("says that it sleeps only where nothing was under way (PG-9)", () => {
    const room = roomOf(0)
    assert.strictEqual(Looking.sleep(room, 0, 10_000), "awake")
    assert.strictEqual(Looking.sleep(room, 0, 10_001), "asleep")
    assert.strictEqual(Looking.sleep({ ...room, busy: { ...room.busy, asking: 1 } }, 0, 10_001), "busy")
  })

  it("shows nothing that is called a token or a secret, in JSON within JSON neither (PG-11)", () => {
    const inside = (text: string, more: object = {}) => JSON.stringify({ text, ...more })
    for (
      const [secret, shown] of [
        [`{"token":"a\\"b,c","x":1}`, `{"token":…,"x":1}`],
        [`{"accessToken": 12, "x":1}`, `{"accessToken": …, "x":1}`],
        [`[["authorization","Bearer a"],["b","c"]]`, `[["authorization",…],["b","c"]]`],
        [`{"secret":{"a":"b"},"x":1}`, `{"secret":…`],
        [`{"password":"it ends be`, `{"password":…`],
        [`{"say":"token","text":"a token"}`, `{"say":"token","text":"a token"}`],
        [inside(`{"token":"a\\"b","x":"y"}`, { z: 1 }), `{"text":"{\\"token\\":…,\\"x\\":\\"y\\"}","z":1}`],
        [inside(inside(`{"token":"a","x":1}`), { z: 1 }), inside(inside(`{"token":…,"x":1}`), { z: 1 })],
        [inside(`[\n["authorization",\n"Bearer a"]]`), inside(`[\n["authorization",\n…]]`)],
        [inside(`{"token"\n:\n"a b"}`), inside(`{"token"\n:\n…}`)]
      ] as const
    ) assert.strictEqual(Looking.legible(secret), shown)
  })

  it("writes out what would turn what stands beside it (PG-2)", () => {
    assert.strictEqual(Looking.legible(`{"name":"\u202Eenod\u2069"} אבג`), `{"name":"\\u202eenod\\u2069"} אבג`)
  })
})
