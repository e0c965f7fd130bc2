import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { contract, type World } from "../contract/hostile.ts"
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
