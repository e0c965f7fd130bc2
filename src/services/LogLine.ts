/**
 * What a room logs, as lines of JSON that nobody can forge or blow up.
 *
 * A line has at most {@link bytes}. In a longer one texts and lists are cut, and it is JSON all the same. Line breaks,
 * control characters and characters that nobody sees, like those that turn the direction of writing, stand in it as
 * escapes. A program that reads the JSON gets them back.
 *
 * A `RoomObject` logs by {@link console}. It hides nothing of what a room's own program says: the library itself logs no
 * message and no token.
 *
 * **Example** (a server in Node that logs as a Durable Object does)
 *
 * ```ts
 * const LoggerLive = Logger.layer([LogLine.console])
 * ```
 */
import * as Formatter from "effect/Formatter"
import * as Logger from "effect/Logger"

/** Bytes of UTF-8 that a line has at most: 4,096. */
export const bytes = 4_096

/** Makes the line. */
export const format: Logger.Logger<unknown, string> = /* @__PURE__ */ Logger.map(Logger.formatStructured, (entry) => {
  let json = Formatter.formatJson(entry)
  for (let most = bytes / 2;; most >>= 1) {
    const line = json.length > bytes ? undefined : visible(json)
    if (line !== undefined && new TextEncoder().encode(line).length <= bytes) return line
    json = cut(json, most)
  }
})

/** Writes the lines to the console. */
export const console: Logger.Logger<unknown, void> = /* @__PURE__ */ Logger.withConsoleLog(format)

// Such characters stand inside of texts only, where an escape is the same.
const visible = (json: string): string =>
  json.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")
  )

// The time and the level are never longer than the least that a text keeps.
const cut = (json: string, most: number): string => {
  const entry: unknown = JSON.parse(json)
  return JSON.stringify(entry, (_, value) => {
    if (typeof value === "string") return value.length > most + 32 ? `${value.slice(0, most + 32)}…` : value
    if (value === entry || typeof value !== "object" || value === null) return value
    return Array.isArray(value) ? value.slice(0, most) : Object.fromEntries(Object.entries(value).slice(0, most))
  })
}
