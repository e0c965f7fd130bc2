import { assert, it } from "@effect/vitest"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as RequestClaims from "../../src/durable/RequestClaims.ts"
import { contract, type World } from "../contract/hostile.ts"
import { Storm } from "../contract/Storm.ts"
import * as Durable from "./world.ts"

let rooms = 0

const make = (name: string, stub: Durable.Stub, call: World["call"]): World => {
  const { evict, run } = Durable.make(stub)
  return {
    name,
    connect: (query, headers) => Durable.connect(stub, query, headers),
    // SAFETY: the object is a storm's, and runs what is meant for one.
    run: run as unknown as World["run"],
    call,
    evict
  }
}

contract({
  name: "a storm in workerd",
  world: Effect.sync(() => {
    const name = `storm-${rooms++}`
    const stub = env.STORM.getByName(name)
    return make(
      name,
      stub,
      (method, payload) => Effect.promise(async () => JSON.parse(await stub.call(method, JSON.stringify(payload))))
    )
  })
})

contract({
  name: "a storm over listeners, in workerd",
  sleeps: false,
  world: Effect.sync(() => {
    const name = `storm-${rooms++}`
    return make(name, env.AWAKE_STORM.getByName(name), undefined)
  })
})

it.effect("what the app attaches to a request reaches the room, and what stands in the request does not (ID-6)", () =>
  Effect.gen(function*() {
    const stubs = [env.STORM.getByName("claims"), env.AWAKE_STORM.getByName("claims")]
    const headers = { upgrade: "websocket", "x-dormouse-user": "admin", cf: `{"dormouse":{"user":"admin"}}` }
    const asked = new Request("https://room.invalid/?user=admin", { headers })
    const claimed = (user: string) => RequestClaims.attach(asked, { user })
    for (const stub of stubs) {
      // The last one is in place of the others.
      const requests = [asked, claimed("100 % ada"), RequestClaims.attach(claimed("grace"), { other: "claim" })]
      for (const request of requests) {
        const { webSocket } = yield* Effect.promise(() => stub.fetch(request))
        webSocket!.accept()
        yield* Effect.addFinalizer(() => Effect.sync(() => webSocket!.close()))
      }
      const { run } = make("claims", stub, undefined)
      const connections = yield* run(Storm.use((room) => room.connections()))
      assert.deepStrictEqual(connections.map(({ user }) => user), [undefined, "100 % ada", undefined])
    }
    assert.deepStrictEqual(RequestClaims.of(asked), {})
    for (const dormouse of [1, "user", { user: 1 }, ["admin"], null]) {
      // SAFETY: what a Worker may write there by mistake.
      assert.notProperty(RequestClaims.of(new Request(asked, { cf: { dormouse } as never })), "user")
    }
  }))

it.effect("what is sent from outside may be bytes, where the room speaks them (RO-1, PL-6)", () =>
  Effect.gen(function*() {
    const client = yield* Durable.connect(env.STORM.getByName("bytes"), "?name=ada")
    yield* client.takeFrame
    const delivery = yield* DurableRooms.make(Storm, env.STORM).get("bytes").broadcast(new Uint8Array([0, 255]))
    assert.deepStrictEqual(delivery, { delivered: 1, failed: 0 })
    assert.deepStrictEqual(new Uint8Array((yield* client.takeFrame) as ArrayBuffer), new Uint8Array([0, 255]))
  }))
