/**
 * The room that the contract of `Rooms` is checked on: it has methods, and a service of an app.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Room from "../../src/services/Room.ts"

/** What every room has of its own: a purse. */
export class Purse extends Context.Service<Purse, { coins: number }>()("effect-dormouse/test/contract/Lobby/Purse") {
  static readonly layer = Layer.sync(Purse, () => ({ coins: 0 }))
  static readonly broken: Layer.Layer<Purse, string> = Layer.effect(Purse, Effect.fail("the purse is lost"))
}

/** What is there while handlers run, like a tracer. */
export const Mood = Context.Reference("effect-dormouse/test/contract/Lobby/Mood", { defaultValue: () => "dull" })

export const MoodLive = Layer.succeed(Mood)("merry")

export class NotEnough extends Schema.TaggedError<NotEnough>()("NotEnough", { missing: Schema.Int }) {}

export const Lobby = Room.make("lobby", {
  receive: Schema.Struct({ text: Schema.String }),
  send: Schema.Struct({ text: Schema.String.check(Schema.isMaxLength(64)), at: Schema.optionalKey(Schema.Date) }),
  state: Schema.Struct({ since: Schema.Date }),
  methods: [
    Rpc.make("earn", { payload: { coins: Schema.Int }, success: Schema.Int }),
    Rpc.make("spend", { payload: { coins: Schema.Int }, success: Schema.Int, error: NotEnough }),
    Rpc.make("tomorrow", { payload: Schema.Date, success: Schema.Date }),
    Rpc.make("whoAmI", { success: Schema.String }),
    Rpc.make("mood", { success: Schema.String }),
    Rpc.make("explode", { error: NotEnough }),
    Rpc.make("sleep", { payload: { milliseconds: Schema.Int } })
  ]
})

export const since = new Date(Date.UTC(2026, 0))

/** A lobby's URL asks for `user`, and `label` (repeated). */
export const LobbyLive = Lobby.toLayer(Effect.gen(function*() {
  const room = yield* Lobby
  const purse = yield* Purse
  return {
    connect: (request) => {
      const query = new URL(request.url).searchParams
      return Effect.succeed({
        state: { since },
        user: query.get("user") ?? undefined,
        labels: query.getAll("label")
      })
    },
    message: Effect.fnUntraced(function*({ id }, { text }) {
      yield* room.send(id, { text: `${text} ${yield* Mood}` })
    }),
    methods: {
      earn: ({ coins }) => Effect.sync(() => purse.coins += coins),
      spend: ({ coins }) =>
        Effect.suspend(() =>
          coins > purse.coins
            ? Effect.fail(new NotEnough({ missing: coins - purse.coins }))
            : Effect.succeed(purse.coins -= coins)
        ),
      tomorrow: (date) => Effect.succeed(new Date(date.getTime() + 86_400_000)),
      whoAmI: () => Effect.succeed(room.name),
      mood: () => Mood,
      explode: () => Effect.die(new Error("the secret of the lobby")),
      sleep: ({ milliseconds }) => Effect.sleep(milliseconds)
    }
  }
}))
