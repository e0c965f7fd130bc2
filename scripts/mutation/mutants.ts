/**
 * What became of the mutants, and what is known of those that survived.
 */
import type { MutantResult } from "@stryker-mutator/api/core"

/** A change that no test notices, and why that is well. It is known by what it changes, and not by where that stands. */
export interface Survivor {
  /** The line of the source in which the change begins. */
  readonly code: string
  readonly from: string
  readonly to: string
  /** Empty where nobody has said it. */
  readonly why: string
}

/** Survivors by the path of their file. */
export type Survivors = Readonly<Record<string, ReadonlyArray<Survivor>>>

export interface Mutant extends Survivor {
  readonly file: string
  readonly line: number
  readonly operator: string
  readonly status: MutantResult["status"]
  /** Whether all tests passed, or none came near. What breaks them outside of a test, or hangs them, was noticed. */
  readonly survived: boolean
}

/** Takes the reason of a survivor from a list; each entry of the list stands for one mutant. */
export const makeReasons = (listed: Survivors) => {
  const left = new Map(Object.entries(listed).map(([file, survivors]) => [file, [...survivors]]))
  return {
    take: (file: string, { code, from, to }: Omit<Survivor, "why">): string => {
      const candidates = left.get(file) ?? []
      const index = candidates.findIndex((known) => known.code === code && known.from === from && known.to === to)
      return index < 0 ? "" : candidates.splice(index, 1)[0]!.why
    },
    /** What nobody took. */
    left: (file: string): ReadonlyArray<Survivor> => left.get(file) ?? []
  }
}

/** A mutant in words, with the reason why it survives. `source` is the text that was mutated. */
export const fromResult = (
  file: string,
  source: string,
  { location, mutatorName, replacement, status }: MutantResult,
  reasons: ReturnType<typeof makeReasons>
): Mutant => {
  const lines = source.split("\n")
  const survived = status === "Survived" || status === "NoCoverage"
  const change = {
    code: short(lines[location.start.line - 1]!),
    from: short(textAt(lines, location)),
    to: short(replacement)
  }
  const why = survived ? reasons.take(file, change) : ""
  return { file, line: location.start.line, operator: mutatorName, status, survived, ...change, why }
}

const short = (code: string) => {
  const line = code.replace(/\s+/g, " ").trim()
  return line.length > 100 ? `${line.slice(0, 99)}…` : line
}

// Lines and columns are counted from 1, and the last column is the first that does not belong to it.
const textAt = (lines: ReadonlyArray<string>, { end, start }: MutantResult["location"]) =>
  [...lines.slice(start.line - 1, end.line - 1), lines[end.line - 1]!.slice(0, end.column - 1)]
    .join("\n")
    .slice(start.column - 1)
