import { spawnSync } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, assert, describe, it } from "vitest"
import * as Random from "../../fuzz/Random.ts"
import * as Run from "../../fuzz/Run.ts"
import * as Script from "../../fuzz/Script.ts"
import * as Server from "../../fuzz/Server.ts"
import * as Crowd from "../../soak/Crowd.ts"

let server: Server.Server | undefined

afterEach(() => server?.stop())

it("3,000 frames and 200 requests that no client should send disturb nobody (FZ-1)", async () => {
  server = await Server.start()
  const report = await Run.run(server, { seed: "1", frames: 3_000, handshakes: 200, measures: false })
  assert.isAtLeast(report.frames, 3_000)
  assert.isAtLeast(report.handshakes, 200)
  assert.isAtLeast(report.said, 20)
})

describe("a Worker with a fault is found out, and the session that shows it is told (FZ-2)", () => {
  it.each([
    ["deaf", "in the room quiet: client 0 heard message 8 of client 0, and not 7"],
    ["throws", "logged as error: Uncaught Error: polluted"],
    ["logs", `logged as log: {"level":"ERROR"}`],
    ["echoes", "an error with the client's own words"],
    ["misleads", "in the room quiet: client 0 heard of a stranger"]
  ])("%s", async (FAULT, problem) => {
    server = await Server.start({ main: "test/fuzz/broken/worker.ts", more: { FAULT } })
    const run = Run.run(server, { seed: "1", frames: 10_000, handshakes: 200, measures: false })
    const violation = await run.then(() => undefined, (cause: unknown) => cause)
    assert.instanceOf(violation, Run.Violation)
    assert.include(violation.message, problem)
    assert.match(violation.seed, /^1\.\d+$/)
  })
})

it("the same seed sends the same bytes (FZ-2)", () => {
  const bytes = (seed: string) =>
    Array.from({ length: 20 }, (_, index) => Script.script(Random.make(`${seed}.${index}`), 4, index > 9))
      .flatMap(({ deeds }) => deeds.map(({ bytes }) => bytes.toString("hex")))
      .join()
  assert.strictEqual(bytes("1"), bytes("1"))
  assert.notStrictEqual(bytes("1"), bytes("2"))
})

it("a crowd talks, and a room in which clients only ping sleeps on (FZ-3)", async () => {
  server = await Server.start()
  const crowd = await Crowd.make(server.port, 400, () => undefined)
  try {
    for (const room of crowd.silent) await server.evict(room)
    crowd.begin()
    await sleep(4_000)
    assert.deepStrictEqual(await Promise.all(crowd.silent.map(server.evict)), [false])
    assert.deepStrictEqual(crowd.problems, [])
    assert.isAbove(crowd.pongs(), 50)
    assert.isAbove(crowd.takeLatencies().length, 500)
    assert.isAbove(crowd.returned(), 0)
  } finally {
    crowd.stop()
  }
})

it.each([["fuzz", "frames"], ["soak", "clients"]])(
  "%s says what is wrong with its options (FZ-2, FZ-3)",
  (name, option) => {
    const run = (...options: ReadonlyArray<string>) =>
      spawnSync(process.execPath, [new URL(`../../${name}/main.ts`, import.meta.url).pathname, ...options], {
        encoding: "utf8"
      })
    assert.isTrue(run("--help").stdout.startsWith(`npm run ${name} -- [options]`))
    const wrong = run(`--${option}`, "many")
    assert.isTrue(wrong.stderr.startsWith(`"many" is no number of ${option}`))
    assert.strictEqual(wrong.status, 2)
  }
)
