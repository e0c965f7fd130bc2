/**
 * What Stryker is told not to mutate, and how it says how far it is.
 */
import { type MutantResult, PlanKind } from "@stryker-mutator/api/core"
import type { Ignorer } from "@stryker-mutator/api/ignore"
import { declareClassPlugin, declareValuePlugin, PluginKind } from "@stryker-mutator/api/plugin"
import type { MutationTestingPlanReadyEvent, Reporter } from "@stryker-mutator/api/report"
import type { babel } from "@stryker-mutator/core"

const ignorer: Ignorer = {
  shouldIgnore: (path) => {
    const { node } = path as babel.NodePath
    const text = node.type === "StringLiteral"
      ? node.value
      : node.type === "TemplateLiteral"
      ? node.quasis.map(({ value }) => value.raw).join("…")
      : ""
    // A test that holds it would repeat it word for word.
    if (/\p{L},? \p{L}/u.test(text)) return "a sentence"
    // A service is found by its key, whatever that is, while no other has it.
    return node.type === "StringLiteral" && text.startsWith("effect-dormouse/") ? "the key of a service" : undefined
  }
}

/** Says on stderr how far it is: at most every two seconds where that is a terminal, every half a minute elsewhere. */
class StderrReporter implements Reporter {
  // How long each mutant takes where it survives: those for which every test runs come last.
  readonly #expected = new Map<string, number>()
  #left = 0
  #done = 0
  #tested = 0
  #survived = 0
  #started = 0
  #said = 0

  onMutationTestingPlanReady({ mutantPlans }: MutationTestingPlanReadyEvent) {
    for (const plan of mutantPlans) {
      if (plan.plan !== PlanKind.Run) continue
      this.#expected.set(plan.mutant.id, plan.netTime + overhead)
      this.#left += plan.netTime + overhead
    }
    this.#started = this.#said = Date.now()
  }

  onMutantTested({ id, status }: MutantResult) {
    const expected = this.#expected.get(id)
    if (expected === undefined) return
    this.#left -= expected
    this.#done += expected
    this.#tested++
    if (status === "Survived") this.#survived++
    const now = Date.now()
    const { isTTY } = process.stderr
    if (now - this.#said < (isTTY ? 2_000 : 30_000)) return
    this.#said = now
    const left = (now - this.#started) * this.#left / this.#done
    const line = `${this.#tested} of ${this.#expected.size} mutants, ${this.#survived} survived, ${time(left)} left`
    process.stderr.write(isTTY ? `\r\u001B[K${line}` : `${line}\n`)
  }

  onMutationTestReportReady() {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  }
}

// What a run of a single test takes beside the test.
const overhead = 500

const time = (milliseconds: number) => {
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, "for-people", ignorer),
  declareClassPlugin(PluginKind.Reporter, "stderr", StderrReporter)
]
