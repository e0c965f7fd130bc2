/**
 * What the objects of a test have logged.
 */
import { afterEach, beforeEach, vi } from "vitest"

/** Takes the lines of each test of the file that calls it. */
export const logged = (): Array<string> => {
  const lines: Array<string> = []

  beforeEach(() => {
    lines.length = 0
    vi.spyOn(console, "log").mockImplementation((line) => {
      lines.push(String(line))
    })
  })

  afterEach(() => {
    vi.restoreAllMocks()
  })

  return lines
}
