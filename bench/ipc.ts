/** A process that does what it is told over IPC, one operation after the other or several at once. */
import { fork } from "node:child_process"
import * as Workerd from "./workerd.ts"

type Any = Readonly<Record<string, (options: never) => Promise<unknown>>>

/** The process, as the one that started it sees it. */
export interface Driven<Operations extends Any> {
  readonly call: <Name extends keyof Operations>(
    name: Name,
    options: Parameters<Operations[Name]>[0]
  ) => ReturnType<Operations[Name]>
  readonly close: () => Promise<void>
}

/** Starts a module in a process of its own. */
export const drive = <Operations extends Any>(
  title: string,
  module: string,
  args: ReadonlyArray<string>
): Driven<Operations> => {
  const child = Workerd.owned(fork(module, args))
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let last = 0
  child.on("message", ({ error, id, result }: { id: number; result: never; error?: string }) => {
    const { reject, resolve } = waiting.get(id)!
    waiting.delete(id)
    if (error === undefined) resolve(result)
    else reject(new Error(`${title}: ${error}`))
  })
  child.once("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error(`${title}: its process died`))
  })
  return {
    call: (name, options) =>
      new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject })
        child.send({ id: last, name, options })
        // SAFETY: the other end answers with what the operation of that name has returned.
      }) as ReturnType<Operations[typeof name]>,
    close: () => Workerd.gone(child)
  }
}

/** Does what it is told, until nobody is there to tell it anything. */
export const obey = <Operations extends Any>(operations: Operations): void => {
  process.on("message", async ({ id, name, options }: { id: number; name: keyof Operations; options: never }) => {
    try {
      process.send!({ id, result: await operations[name]!(options) })
    } catch (error) {
      process.send!({ id, error: String(error) })
    }
  })
}
