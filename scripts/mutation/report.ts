/**
 * What there is to say of the mutants, in numbers and in words.
 */
import type { Mutant } from "./mutants.ts"

/** Of a hundred mutants, how many were noticed. Those that survive with good reason are not taken out. */
export const scoreOf = (mutants: ReadonlyArray<Mutant>): number =>
  mutants.length === 0 ? 100 : 100 * mutants.filter(({ survived }) => !survived).length / mutants.length

const score = (mutants: ReadonlyArray<Mutant>) =>
  `${scoreOf(mutants).toFixed(1).padStart(5)} %  ${
    mutants.filter(({ survived }) => !survived).length
  } of ${mutants.length}`

const describe = ({ code, from, line, status, to, why }: Mutant) => [
  `  ${line}: ${code}`,
  `    ${from}  →  ${to}${status === "NoCoverage" ? "  (no test reaches it)" : ""}`,
  ...why === "" ? [] : [`    ${why}`]
]

const chapter = (title: string, lines: ReadonlyArray<string>) => lines.length === 0 ? [] : ["", title, ...lines]

const byFile = (mutants: ReadonlyArray<Mutant>) =>
  [...Map.groupBy(mutants, ({ file }) => file)].flatMap(([file, mutants]) => [file, ...mutants.flatMap(describe)])

/** The report: a score for each file, and every survivor. */
export const render = (
  mutants: ReadonlyArray<Mutant>,
  ignored: ReadonlyMap<string, ReadonlyArray<unknown>>,
  outdated: ReadonlyArray<string>
): string => {
  const files = Map.groupBy(mutants, ({ file }) => file)
  const width = Math.max(0, ...[...files.keys()].map((file) => file.length))
  const survivors = mutants.filter(({ survived }) => survived)
  return [
    ...[...files].map(([file, mutants]) => `${file.padEnd(width)}  ${score(mutants)}`),
    `${"all".padEnd(width)}  ${score(mutants)}`,
    ...chapter("Not mutated:", [...ignored].map(([reason, { length }]) => `  ${length} × ${reason}`)),
    ...chapter("Survived with good reason:", byFile(survivors.filter(({ why }) => why !== ""))),
    ...chapter("Survived:", byFile(survivors.filter(({ why }) => why === ""))),
    ...chapter("Listed in scripts/mutation/survivors.json, and no survivors:", outdated)
  ].join("\n").concat("\n")
}
