/** The deployed Worker with a fault, which the variable `FAULT` names. */
import deployed, { ChatRoom as Room, type Env } from "../../../src/worker.ts"

export { ChatInspector } from "../../../src/worker.ts"

const hasFault = (env: object, fault: string): boolean => (env as { readonly FAULT?: string }).FAULT === fault

export class ChatRoom extends Room {
  override webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): Promise<void> | void {
    const text = String(frame)
    if (hasFault(this.env, "deaf") && text.includes(`"pair-quiet-0-7"`)) return
    if (hasFault(this.env, "throws") && text.includes("__proto__")) throw new Error("polluted")
    if (hasFault(this.env, "logs") && text.includes("__proto__")) console.log(JSON.stringify({ level: "ERROR" }))
    if (hasFault(this.env, "echoes") && text.includes("fuzz-canary")) {
      return socket.send(`{"_tag":"Error","code":"InvalidMessage","message":${JSON.stringify(text)}}`)
    }
    return super.webSocketMessage(socket, frame)
  }
}

export default {
  fetch: (request, env) =>
    hasFault(env, "misleads") && request.url.includes("/rooms/open-1")
      ? env.CHAT.getByName("quiet").fetch(request)
      : deployed.fetch(request, env)
} satisfies ExportedHandler<Env>
