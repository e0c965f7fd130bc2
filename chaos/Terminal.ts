/** What a long run tells a person at a terminal, or a log. */

const { isTTY } = process.stderr

let told = performance.now()

/** What is on the line of a terminal, or a line every ten seconds. */
export const progress = (line: string): void => {
  if (isTTY) process.stderr.write(`\r\x1b[K${line}`)
  else if (performance.now() > told + 10_000) {
    told = performance.now()
    console.error(line)
  }
}

export const clearLine = (): void => {
  if (isTTY) process.stderr.write("\r\x1b[K")
}

/** The time since the start, in seconds. */
export const seconds = (): string => `${Math.round(performance.now() / 1_000)} s`

/** Ends the process when it is told to, and says what was done by then. */
export const onInterrupt = (summary: () => string): void => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      clearLine()
      console.error(`Interrupted after ${summary()}`)
      // Processes that the run has started are killed on the way out.
      process.exit(130)
    })
  }
}

/** What `parse` makes of the options. Where it throws, the process ends with 2, and says why. */
export const options = <A extends { readonly help: boolean }>(help: string, parse: () => A): A => {
  try {
    const parsed = parse()
    if (parsed.help) {
      console.log(help)
      process.exit(0)
    }
    return parsed
  } catch (cause) {
    console.error(`${(cause as Error).message}\n\n${help}`)
    process.exit(2)
  }
}

/** A whole number that an option says. */
export const number = (name: string, text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`"${text}" is no number of ${name}.`)
  return Number(text)
}
