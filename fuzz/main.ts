/** `npm run fuzz`: hostile connections and requests against the deployed Worker, while others go on to talk. */
import { parseArgs } from "node:util"
import * as Terminal from "../chaos/Terminal.ts"
import * as Run from "./Run.ts"
import * as Server from "./Server.ts"

const help = `npm run fuzz -- [options]

  --seed SEED       the same seed sends the same bytes; a random one unless given. 7.42 begins with session 42 of the seed 7.
  --frames N        how many frames are sent at least (200000)
  --handshakes N    how many odd requests are sent at least (10000)
  --help            this text

The Worker runs as wrangler.toml deploys it, and is sent over TCP whatever a client should not send: frames, messages,
handshakes, headers and paths. Two clients in a room of their own, and two in a room with the attackers, go on to talk.
Each message of theirs must be heard, and each ping answered. Nothing may be logged as an error. What the server answers
must be right, and not repeat what it was sent. The Worker's heap must not have grown by more than a tenth.

A violation ends the run with 1. The seed of the session and what it did are told.
`

const { frames, handshakes, seed } = Terminal.options(help, () => {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      frames: { type: "string", default: "200000" },
      handshakes: { type: "string", default: "10000" },
      help: { type: "boolean", default: false }
    }
  })
  if (!/^\d+(\.\d+)?$/.test(values.seed)) throw new Error(`"${values.seed}" is no seed.`)
  return {
    ...values,
    frames: Terminal.number("frames", values.frames),
    handshakes: Terminal.number("handshakes", values.handshakes)
  }
})

let latest: Run.Report | undefined

const summary = (): string => {
  if (latest === undefined) return `nothing, seed ${seed}, ${Terminal.seconds()}`
  const { frames, handshakes, memory, said, sessions, slowest } = latest
  const { after, before } = memory ?? {}
  return [
    `${frames} frames and ${handshakes} requests in ${sessions} sessions`,
    `${said} messages of others, the slowest in ${Math.round(slowest)} ms`,
    ...(after === undefined || before === undefined ? [] : [
      `heap ${Server.megabytes(before.heap)} → ${Server.megabytes(after.heap)}`,
      `resident ${Server.megabytes(before.resident)} → ${Server.megabytes(after.resident)}`
    ]),
    `seed ${seed}`,
    Terminal.seconds()
  ].join(", ")
}

Terminal.onInterrupt(summary)

const server = await Server.start()
try {
  latest = await Run.run(server, {
    seed,
    frames,
    handshakes,
    onProgress: (report) => {
      latest = report
      Terminal.progress(`${report.frames} of ${frames} frames, ${report.handshakes} of ${handshakes} requests`)
    }
  })
  Terminal.clearLine()
  console.log(`No violation: ${summary()}`)
  process.exitCode = 0
} catch (cause) {
  Terminal.clearLine()
  if (!(cause instanceof Run.Violation)) throw cause
  console.error(`Not as it should be:\n${cause.problems.map((problem) => `  ${problem}`).join("\n")}`)
  console.error(`Again: npm run fuzz -- --seed ${cause.seed} --frames 1 --handshakes 1\nAfter ${summary()}`)
  process.exitCode = 1
} finally {
  await server.stop()
}
