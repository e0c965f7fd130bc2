/**
 * Gives the page `setImmediate`, with which Effect's scheduler takes turns. Without it that is `setTimeout`, and a
 * browser holds the timers of a page that nobody sees: a second for each turn.
 */
const { port1, port2 } = new MessageChannel()
const waiting = new Map<number, () => void>()
let last = 0

port1.addEventListener("message", ({ data }: MessageEvent<number>) => {
  const run = waiting.get(data)
  waiting.delete(data)
  run?.()
})
port1.start()

Object.assign(globalThis, {
  setImmediate: (run: () => void) => {
    last += 1
    waiting.set(last, run)
    port2.postMessage(last)
    return last
  },
  clearImmediate: (id: number) => waiting.delete(id)
})
