/**
 * The client against the chat in memory.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Chat } from "../../src/Chat.ts"
import { ChatLive } from "../../src/ChatLive.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import { suite } from "../contract/client.ts"
import { pass } from "./world.ts"

suite((title, effect) => it.effect(title, effect), {
  pass: pass(10),
  room: Effect.map(MemoryRoom.make(Chat, ChatLive), ({ assertSleeps, crash, evict, network }) => ({
    url: "ws://memory/",
    sleep: evict,
    isAsleep: Effect.match(assertSleeps, { onFailure: () => false, onSuccess: () => true }),
    crash,
    transport: network.transport
  }))
})
