import { DurableObject } from "cloudflare:workers"

/** An object that is called by hand over Durable Object RPC. */
export class Room extends DurableObject {
  total = 0

  add({ by }) {
    return this.total += by
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const stub = env.ROOM.getByName(pathname.slice(1))
    const times = Number(searchParams.get("times"))
    let total = 0
    for (let time = 0; time < times; time++) total = await stub.add({ by: 1 })
    return Response.json(total)
  }
}
