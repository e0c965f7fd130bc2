/**
 * The suite of the client, in a page. What only the outside can do to a room, the page asks of it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { suite } from "../contract/client.ts"

/** What the outside does to a room: see `ChatRoom`. */
export type Outside = (what: "sleep" | "crash" | "isAsleep", room: string) => Promise<boolean>

interface Page {
  readonly outside: Outside
  readonly location: { readonly href: string }
  /** Runs a test, and rejects where it fails. */
  run: (title: string) => Promise<void>
}

// SAFETY: the test that opens the page gives it `outside`.
const page = globalThis as unknown as Page
const tests = new Map<string, () => Effect.Effect<void, unknown, Scope.Scope>>()
let rooms = 0

page.run = (title) => Effect.runPromise(Effect.scoped(Effect.suspend(tests.get(title)!)))

suite((title, effect) => void tests.set(title, effect), {
  // Two hundred of them on a slow machine take more than ten seconds.
  pass: Effect.sleep(20),
  many: 200,
  room: Effect.sync(() => {
    rooms += 1
    const room = `suite-${rooms}`
    const outside = (what: Parameters<Outside>[0]) => Effect.promise(() => page.outside(what, room))
    return {
      url: new URL(`/rooms/${room}`, page.location.href).href,
      sleep: Effect.asVoid(outside("sleep")),
      isAsleep: outside("isAsleep"),
      crash: Effect.asVoid(outside("crash"))
    }
  })
})
