import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import * as LogLine from "../../src/services/LogLine.ts"

const LoggerLive = Logger.layer([LogLine.console])

/** The lines that an effect logs. */
const linesOf = Effect.fnUntraced(function*(effect: Effect.Effect<unknown>) {
  const lines: Array<string> = []
  yield* Effect.provide(effect, Logger.layer([Logger.map(LogLine.format, (line) => void lines.push(line))]))
  return lines
})

const lineOf = (effect: Effect.Effect<unknown>) => Effect.map(linesOf(effect), ([line]) => line!)

const bytesOf = (line: string) => Buffer.byteLength(line)

// Everything but what can be seen.
const unseen = /[\p{C}\p{Zl}\p{Zp}]/u

// Above 127: the end of C0 and C1, marks of direction, overrides and isolates, joiners, separators, tags, noncharacters.
const sly =
  "\u0000\u0007\b\t\n\r\u001b[2J\u007f\u0085\u009b\u00ad\u061c\u200b\u200d\u200e\u200f\u2028\u2029\u202a\u202e" +
  "\u2060\u2066\u2069\ufeff\ufff9\ufffe\u{e0001}\u{e0041}\u{10ffff}"

it.effect("a line says what was logged, as JSON (LG-1)", () =>
  Effect.gen(function*() {
    const cause = Cause.die(new Error("boom", { cause: new Error("deeper") }))
    const line = yield* lineOf(Effect.annotateLogs(Effect.logError("It failed", cause), { event: "open", n: 1 }))
    const entry = JSON.parse(line)
    assert.deepInclude(entry, { level: "ERROR", message: "It failed", annotations: { event: "open", n: 1 } })
    assert.match(entry.cause, /^Error: boom\n[^]*\[cause\]: Error: deeper/)
    assert.isFalse(Number.isNaN(Date.parse(entry.timestamp)))
    const { message } = JSON.parse(yield* lineOf(Effect.log("two", { things: [1n, Redacted.make("secret")] })))
    assert.deepStrictEqual(message, ["two", { things: ["1n", "<redacted>"] }])
  }))

it.effect("what is short stands in a line as it is, and the letters of all languages (LG-1)", () =>
  Effect.gen(function*() {
    const text = "Grüße, 東京, 🐭, नमस्ते, שלום"
    assert.include(yield* lineOf(Effect.log(text)), text)
    const long = "x".repeat(3_900)
    assert.strictEqual(JSON.parse(yield* lineOf(Effect.log(long))).message, long)
  }))

const longs: ReadonlyArray<readonly [what: string, effect: Effect.Effect<void>]> = [
  ["a message", Effect.log("x".repeat(1_000_000))],
  ["a message of characters that grow", Effect.log("\u0000\u202e\u{e0041}".repeat(100_000))],
  ["a message of wide characters", Effect.log("東".repeat(4_000))],
  ["lone surrogates", Effect.log("\ud800".repeat(4_000))],
  ["emoji that could be cut in two", Effect.log(`x${"🐭".repeat(10_000)}`)],
  ["a cause", Effect.logError("It failed", Cause.die(new Error("x".repeat(100_000))))],
  ["annotations", Effect.annotateLogs(Effect.log("x"), { a: "a".repeat(5_000), b: "b".repeat(5_000) })],
  [
    "many annotations",
    Effect.annotateLogs(Effect.log("x"), Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`key${n}`, n])))
  ],
  ["a long key", Effect.annotateLogs(Effect.log("x"), { ["k".repeat(10_000)]: 1 })],
  ["keys that are none", Effect.log({ "": "x".repeat(9_000), ["__proto__"]: "x".repeat(9_000) })],
  ["many messages", Effect.log(...Array.from({ length: 5_000 }, (_, n) => n))],
  [
    "a wide and deep message",
    Effect.log(Array.from({ length: 90 }, () => Array.from({ length: 90 }, () => ["xxx", {}])))
  ],
  [
    "a deep message",
    Effect.log(Array.from({ length: 1_500 }).reduce<unknown>((inner) => ({ inner }), "core"))
  ],
  ["spans", Effect.withLogSpan(Effect.log("x"), "s".repeat(10_000))]
]

it.effect.each(longs)(
  "a line has at most 4,096 bytes, and is JSON with its level and time: %s (LG-1)",
  ([, effect]) =>
    Effect.gen(function*() {
      const line = yield* lineOf(effect)
      assert.isAtMost(bytesOf(line), 4_096)
      assert.notMatch(line, unseen)
      const entry = JSON.parse(line)
      assert.include(["INFO", "ERROR"], entry.level)
      assert.isFalse(Number.isNaN(Date.parse(entry.timestamp)))
      assert.containsAllKeys(entry, ["message", "annotations"])
    })
)

it.effect("of a long text the beginning is kept, and a mark says that there was more (LG-1)", () =>
  Effect.gen(function*() {
    const { cause, message } = JSON.parse(
      yield* lineOf(Effect.logError("It failed", Cause.die(new Error("x".repeat(100_000)))))
    )
    assert.strictEqual(message, "It failed")
    assert.match(cause, /^Error: x{1000,}…$/)
  }))

it.effect("nothing in a line can break it, hide in it or turn it around, and JSON gives it back (LG-2)", () =>
  Effect.gen(function*() {
    const line = yield* lineOf(
      Effect.annotateLogs(Effect.logError(`a${sly}b`, Cause.die(new Error(sly))), { [sly]: `\ud800${sly}\udc00` })
    )
    assert.notMatch(line, unseen)
    const entry = JSON.parse(line)
    assert.strictEqual(entry.message, `a${sly}b`)
    assert.deepStrictEqual(entry.annotations, { [sly]: `\ud800${sly}\udc00` })
    assert.include(entry.cause, sly)
    // What is written as UTF-8 is read as the same.
    assert.strictEqual(Buffer.from(line).toString(), line)
  }))

it.effect.prop(
  "whatever is logged is one line of visible JSON (LG-1, LG-2)",
  { text: Schema.String, value: Schema.Json, more: Schema.Array(Schema.String) },
  ({ more, text, value }) =>
    Effect.gen(function*() {
      const long = text.repeat(200)
      const line = yield* lineOf(
        Effect.annotateLogs(Effect.logError(long, value, Cause.die(new Error(text))), { [text]: more, value })
      )
      assert.isAtMost(bytesOf(line), 4_096)
      assert.notMatch(line, unseen)
      assert.strictEqual(JSON.parse(line).level, "ERROR")
    })
)

it.live("the console gets the lines (LG-1)", () =>
  Effect.gen(function*() {
    const written: Array<unknown> = []
    const spy = vi.spyOn(console, "log").mockImplementation((line) => void written.push(line))
    yield* Effect.provide(Effect.log("x\u001b"), LoggerLive).pipe(Effect.ensuring(Effect.sync(() => spy.mockRestore())))
    assert.lengthOf(written, 1)
    assert.include(String(written[0]), "\"x\\u001b\"")
  }))

it("nothing in the house logs by another way (LG-1)", () => {
  const root = new URL("../..", import.meta.url).pathname
  const others = globSync("src/**/*.ts", { cwd: root }).filter((path) =>
    /console\.(?:log|error|warn|info|debug)|Logger\.console/.test(readFileSync(join(root, path), "utf8"))
  )
  assert.deepStrictEqual(others, [])
})
