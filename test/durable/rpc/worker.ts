/**
 * The suite's RPC room as it is deployed, and a way to crash it.
 */
import * as RoomObject from "../../../src/durable/RoomObject.ts"
import { Ticker, TickerLive } from "../../rpc/Ticker.ts"

export class TickerRoom extends RoomObject.make(Ticker.room, TickerLive) {
  /** The whole object goes away, as in a crash. */
  crash(): void {
    this.ctx.abort("The object crashed.")
  }
}

export default {
  fetch: async (request, { TICKER }) => {
    const { pathname } = new URL(request.url)
    const stub = TICKER.getByName(pathname)
    if (request.headers.has("upgrade")) return stub.fetch(request)
    await stub.crash().catch(() => undefined)
    return new Response(null, { status: 204 })
  }
} satisfies ExportedHandler<{ readonly TICKER: DurableObjectNamespace<TickerRoom> }>
