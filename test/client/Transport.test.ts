import { afterEach, assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Transport from "../../src/client/Transport.ts"

class Counted extends EventTarget {
  visibilityState = "hidden"
  listeners = 0
  override addEventListener(...parameters: Parameters<EventTarget["addEventListener"]>) {
    this.listeners++
    super.addEventListener(...parameters)
  }
  override removeEventListener(...parameters: Parameters<EventTarget["removeEventListener"]>) {
    this.listeners--
    super.removeEventListener(...parameters)
  }
}

const stubbed = ["document", "addEventListener", "removeEventListener", "location"]

afterEach(() => {
  for (const name of stubbed) Reflect.deleteProperty(globalThis, name)
})

it("a page that is seen again and a network that is back wake the client, and nothing stays behind (CC-9, CC-10)", () => {
  const page = new Counted()
  const document = new Counted()
  Object.assign(globalThis, {
    document,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page)
  })
  let woken = 0
  const end = Context.get(Context.empty(), Transport.Wakeups)(() => woken++)
  document.dispatchEvent(new Event("visibilitychange"))
  assert.strictEqual(woken, 0)
  document.visibilityState = "visible"
  document.dispatchEvent(new Event("visibilitychange"))
  assert.strictEqual(woken, 1)
  page.dispatchEvent(new Event("online"))
  assert.strictEqual(woken, 2)
  assert.strictEqual(page.listeners + document.listeners, 2)
  end()
  assert.strictEqual(page.listeners + document.listeners, 0)
})

it("an address may be relative to the page, and http is ws (CC-3)", () => {
  assert.strictEqual(Transport.toUrl("https://a.example/x?y=1").href, "wss://a.example/x?y=1")
  assert.throws(() => Transport.toUrl("/rooms/a"))
  Object.assign(globalThis, { location: { href: "http://a.example:8787/?room=a" } })
  assert.strictEqual(Transport.toUrl("/rooms/a").href, "ws://a.example:8787/rooms/a")
})
