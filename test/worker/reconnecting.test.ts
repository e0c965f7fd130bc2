/**
 * The client against the deployed Worker over TCP, with Node's own `WebSocket`.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { PartySocket } from "partysocket"
import { storms } from "../client/storm.ts"
import { suite } from "../contract/client.ts"
import { useWorker } from "./client.ts"

const worker = useWorker()

suite((title, effect) => it.live(title, effect), {
  pass: Effect.sleep(10),
  many: 200,
  room: Effect.sync(() => {
    const room = worker.room()
    return {
      url: `http://${worker.host()}/rooms/${room}`,
      sleep: Effect.promise(() => worker.sleep(room)),
      isAsleep: Effect.promise(() => worker.isAsleep(room)),
      crash: Effect.promise(() => worker.crash(room))
    }
  })
})

storms(
  (title, effect) => it.live(title, effect, 120_000),
  [3],
  Effect.sync(() => {
    const room = worker.room()
    return {
      port: Number(new URL(`http://${worker.host()}`).port),
      path: `/rooms/${room}`,
      patience: 150,
      // It sleeps already, now and then.
      sleep: Effect.promise(() => worker.sleep(room).catch(() => undefined))
    }
  })
)

it.live("the clients of docs/client.md that are none of ours talk to the room, too (EX-2, PL-7)", () =>
  Effect.promise(async () => {
    const room = worker.room()
    const host = worker.host()
    const heard: Array<string> = []
    const show = (text: string) => heard.push(text)
    const url = `ws://${host}/rooms/${room}?name=Ada`

    const socket = new WebSocket(url)
    const pinging = setInterval(() => socket.send("ping"), 25_000) // answered "pong", and wakes nobody
    socket.addEventListener("close", () => clearInterval(pinging))
    socket.addEventListener("open", () => socket.send(JSON.stringify({ _tag: "Say", text: "hello", $id: "1" })))
    socket.addEventListener("message", ({ data }) => {
      if (data === "pong") return
      const message = JSON.parse(data) // { _tag: "Said", … }, { _tag: "Handled", id: "1" }, or { _tag: "Error", … }
      show(message._tag)
    })

    const until = async (tag: string) => {
      for (let turn = 0; !heard.includes(tag) && turn < 500; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.include(heard, tag)
    }
    await until("Handled")
    assert.deepStrictEqual(heard, ["Welcome", "Said", "Handled"])

    const party = new PartySocket({ host, room, query: { name: "Grace" } })
    party.addEventListener("message", ({ data }) => data !== "pong" && show(JSON.parse(data)._tag))

    await until("Joined")
    party.close()
    await until("Left")
    socket.close()
  }))
