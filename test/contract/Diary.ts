/**
 * A room of deadlines: each one that runs is written down, and does what its text says.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Alarm from "../../src/services/Alarm.ts"
import * as Deadlines from "../../src/services/Deadlines.ts"
import * as Room from "../../src/services/Room.ts"
import * as Storage from "../../src/services/Storage.ts"

export const Diary = Room.make("diary", {
  receive: Schema.String,
  send: Schema.String,
  deadlines: {
    note: Schema.Struct({ text: Schema.String, until: Schema.optionalKey(Schema.Date) }),
    count: Schema.Int
  }
})

const write = Effect.fnUntraced(function*(what: string) {
  const now = yield* Clock.currentTimeMillis
  yield* Storage.exec("CREATE TABLE IF NOT EXISTS ran (n INTEGER PRIMARY KEY, what TEXT, at INTEGER)")
  yield* Storage.exec("INSERT INTO ran (what, at) VALUES (?, ?)", what, now)
})

/** What has run, in order. */
export const ran = Effect.gen(function*() {
  yield* Storage.exec("CREATE TABLE IF NOT EXISTS ran (n INTEGER PRIMARY KEY, what TEXT, at INTEGER)")
  return yield* Storage.exec<{ readonly what: string; readonly at: number }>("SELECT what, at FROM ran ORDER BY n")
})

export const DiaryLive = Diary.toLayer(Effect.gen(function*() {
  const room = yield* Diary
  const alarm = yield* Alarm.Alarm
  return {
    open: ({ id }) => room.send(id, id),
    message: ({ id }, text) => room.deadlines.note.set(id, "1 second", { text }, { connection: id }),
    alarm: Effect.gen(function*() {
      yield* write("alarm")
      const repeats = yield* Storage.exec("SELECT 1 FROM ran WHERE what LIKE '%alarm if none'")
      if (repeats.length > 0 && Option.isNone(yield* alarm.get)) {
        yield* alarm.set((yield* Clock.currentTimeMillis) + 100)
      }
    }),
    deadlines: {
      count: (key, n) => write(`count ${key} ${n}`),
      note: Effect.fnUntraced(function*(key, { text }, { failures }) {
        yield* write(`${key}: ${text}${failures === 0 ? "" : ` (${failures})`}`)
        switch (text) {
          case "fail":
            return yield* Effect.fail("as it should")
          case "die":
            throw new Error("as it should")
          case "hang":
            return yield* Effect.never
          case "again":
            return yield* room.deadlines.note.set(key, "50 millis", { text: "once more" })
          case "now":
            return yield* room.deadlines.note.set(key, 0, { text: "at once" })
          case "alarm":
          case "alarm if none":
            return yield* alarm.set((yield* Clock.currentTimeMillis) + 50)
          case "cancel":
            return yield* room.deadlines.note.cancel("other")
        }
        return failures < Number(/^fail (\d+)$/.exec(text)?.[1] ?? 0) ? yield* Effect.fail("for a while") : undefined
      })
    }
  }
})).pipe(Layer.provide(Deadlines.layer))
