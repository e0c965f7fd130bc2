import { readdirSync, readFileSync } from "node:fs"

/**
 * The processor time of a process in microseconds. `schedstat` counts nanoseconds a thread, where `stat` counts ticks of
 * 10 ms; it is exact as soon as the thread is off the processor, as a server is that has just answered.
 */
export const cpuMicros = (pid: number): number => {
  let nanos = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanos += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0])
    } catch {
      // The thread ended between the listing and the reading.
    }
  }
  return nanos / 1000
}

/** Anonymous resident bytes: heap and buffers, without the pages of the binary, which the kernel may drop at will. */
export const residentBytes = (pid: number): number => {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]
  return Number(kilobytes) * 1024
}
