/**
 * The hook of docs/client.md, as it stands there, in React itself.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Window } from "happy-dom"
import { createElement, StrictMode, useEffect, useState, useSyncExternalStore } from "react"
import { renderToString } from "react-dom/server"
import { vi } from "vitest"
import { Chat } from "../../src/Chat.ts"
import { connect, type Connection } from "../../src/client/Connect.ts"
import type * as Status from "../../src/client/Status.ts"
import { inMemory, page, until } from "./page.ts"

it(
  "the hook gives a component its room, in StrictMode and on a server, too (EX-2, CC-11)",
  inMemory(async (memory) => {
    page(memory)

    const connecting: Status.Status = { _tag: "Connecting" }
    const nothing = () => () => {}

    const useRoom = (name: string) => {
      const [room, setRoom] = useState<Connection<typeof Chat>>()
      useEffect(() => {
        const room = connect(Chat, { url: `/rooms/${encodeURIComponent(name)}` })
        setRoom(room)
        return () => void room.close()
      }, [name])
      const status = () => room?.status ?? connecting
      return { room, status: useSyncExternalStore(room?.subscribe ?? nothing, status, status) }
    }

    const rooms = new Set<Connection<typeof Chat>>()
    const App = ({ name }: { readonly name: string }) => {
      const { room, status } = useRoom(name)
      if (room !== undefined) rooms.add(room)
      return createElement("p", null, `${name}: ${status._tag}`)
    }
    const app = (name: string) => createElement(StrictMode, null, createElement(App, { name }))
    const open = () => Effect.runSync(memory.network.sockets).map(({ url }) => url).join()

    assert.strictEqual(renderToString(app("lobby")), "<p>lobby: Connecting</p>")
    assert.strictEqual(open(), "")

    const window = new Window()
    vi.stubGlobal("window", window)
    vi.stubGlobal("document", window.document)
    const { createRoot } = await import("react-dom/client")
    const element = document.createElement("div")
    const root = createRoot(element)
    root.render(app("lobby"))
    await until(() => element.textContent === "lobby: Connected")
    // It has connected twice, and one of them leaves.
    await until(() => open() === "wss://chat.example/rooms/lobby")

    await Effect.runPromise(Effect.andThen(memory.network.offline(true), memory.network.cut))
    await until(() => element.textContent === "lobby: Waiting")
    await Effect.runPromise(memory.network.offline(false))
    await until(() => element.textContent === "lobby: Connected")

    root.render(app("attic"))
    await until(() => element.textContent === "attic: Connected")
    await until(() => open() === "wss://chat.example/rooms/attic")

    root.unmount()
    await until(() => open() === "" && [...rooms].every(({ status }) => status._tag === "Closed"))
    await window.happyDOM.close()
  })
)
