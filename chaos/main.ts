/** `npm run chaos`: random steps against a room that sleeps, goes and is killed, and a model of it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { parseArgs } from "node:util"
import * as memory from "./memory.ts"
import * as processes from "./processes.ts"
import * as Run from "./Run.ts"
import * as Terminal from "./Terminal.ts"
import type { Kind } from "./World.ts"

const help = `npm run chaos -- [options]

  --steps N     how many steps are taken at least (10000)
  --seed SEED   the same seed takes the same steps; a random one unless given. 7.42 begins with chapter 42 of the seed 7.
  --world NAME  memory, workerd, node or all (all): of ten steps, six are taken in memory and two in each other world
  --help        this text

Clients enter, speak, leave and vanish, deadlines are set, moved and cancelled, and rows are written. Clients flood the
room, stop reading, and come with tokens that end, and users are closed out. Meanwhile the object sleeps, goes with its
sockets, or its process is killed with SIGKILL, also in the middle of a step. At the end of each chapter of up to 150
steps the room must say what a model says: each connection that entered had one close, no deadline was lost or ran too
often, the storage has what was acknowledged, and nobody was let do more than the guard lets.

A violation ends the run with 1. Its seed is printed, and the shortest sequence of steps that shows it.
`

const worlds: Readonly<Record<string, ReadonlyArray<readonly [kind: Kind, share: number]>>> = {
  memory: [[memory.make(), 1]],
  workerd: [[processes.workerd, 1]],
  node: [[processes.node, 1]],
  all: [[memory.make(), 0.6], [processes.workerd, 0.2], [processes.node, 0.2]]
}

const { seed, steps, world } = Terminal.options(help, () => {
  const { values } = parseArgs({
    options: {
      steps: { type: "string", default: "10000" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      world: { type: "string", default: "all" },
      help: { type: "boolean", default: false }
    }
  })
  if (!/^\d+(\.\d+)?$/.test(values.seed)) throw new Error(`"${values.seed}" is no seed.`)
  if (!Object.hasOwn(worlds, values.world)) throw new Error(`There is no world "${values.world}".`)
  return { ...values, steps: Terminal.number("steps", values.steps) }
})

const taken = new Map<string, number>()

const summary = () => {
  const parts = [...taken].map(([name, steps]) => `${steps} steps in ${name}`)
  return `${parts.join(", ") || "no steps"}, seed ${seed}, ${Terminal.seconds()}`
}

const run = Effect.forEach(worlds[world]!, ([kind, share]) => {
  const goal = Math.ceil(steps * share)
  return Run.run(kind, {
    seed,
    steps: goal,
    onChapter: (steps, chapters) => {
      taken.set(kind.name, steps)
      Terminal.progress(`${kind.name}: ${steps} of ${goal} steps, ${chapters} chapters`)
    },
    onViolation: () => Terminal.progress(`${kind.name}: a violation. Shorter sequences are tried`)
  })
}, { discard: true })

const fiber = Effect.runFork(run)
Terminal.onInterrupt(summary)
fiber.addObserver((exit) => {
  Terminal.clearLine()
  if (Exit.isSuccess(exit)) {
    console.log(`No violation: ${summary()}`)
    process.exit(0)
  }
  const reason = exit.cause.reasons.find(Cause.isFailReason)
  console.error(reason === undefined ? Cause.pretty(exit.cause) : Run.toText(reason.error))
  process.exit(1)
})
