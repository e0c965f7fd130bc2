// A client in a browser: it shares the room's schemas, and knows when to come back.
import * as CloseCode from "effect-dormouse/CloseCode"
import * as Schema from "effect/Schema"
import { Counter } from "./counter.ts"

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Counter.receive)))

export const join = (url: string): void => {
  const socket = new WebSocket(url)
  socket.addEventListener("open", () => socket.send(encode({ add: 1 })))
  socket.addEventListener("close", ({ code }) => {
    const known = Object.values(CloseCode.table).find((named) => named.code === code)
    if (known?.reconnect === true) join(url)
  })
}
