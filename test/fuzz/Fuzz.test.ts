import { spawnSync } from "node:child_process"
import { afterEach, assert, describe, it } from "vitest"
import * as Random from "../../fuzz/Random.ts"
import * as Run from "../../fuzz/Run.ts"
import * as Script from "../../fuzz/Script.ts"
import * as Server from "../../fuzz/Server.ts"

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

it("a run says what is wrong with its options (FZ-2)", () => {
  const fuzz = (...options: ReadonlyArray<string>) =>
    spawnSync(process.execPath, [new URL("../../fuzz/main.ts", import.meta.url).pathname, ...options], {
      encoding: "utf8"
    })
  assert.match(fuzz("--help").stdout, /^npm run fuzz -- \[options\]/)
  const wrong = fuzz("--frames", "many")
  assert.match(wrong.stderr, /^"many" is no number of frames/)
  assert.strictEqual(wrong.status, 2)
})
