/**
 * A page in Node, whose network leads to a room in memory.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { vi } from "vitest"
import { Chat } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"

/** What a page has, on the network of a room. */
export const page = ({ network }: Pick<MemoryRoom.MemoryRoom<typeof Chat>, "network">) => {
  vi.stubGlobal("location", { href: "https://chat.example/" })
  vi.stubGlobal("WebSocket", function(url: string, protocols: ReadonlyArray<string>) {
    return network.transport(url, protocols)
  })
  vi.stubGlobal("fetch", async () => new Response("a.token"))
}

/** With a chat in memory. */
export const inMemory = <A>(use: (room: MemoryRoom.MemoryRoom<typeof Chat>) => Promise<A>) => async () => {
  const scope = Scope.makeUnsafe()
  const room = await Effect.runPromise(Effect.provideService(MemoryRoom.make(Chat, ChatLive), Scope.Scope, scope))
  try {
    return await use(room)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Waits for it. */
export const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}
