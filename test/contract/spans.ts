/**
 * What is traced of a room, in every world.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Rooms from "../../src/services/Rooms.ts"
import { seen, type Traced, TracerLive } from "./Traced.ts"

export interface World {
  readonly rooms: Rooms.Service<typeof Traced>
  /** Rooms of the same handlers, without a tracer. */
  readonly untraced: Rooms.Service<typeof Traced>
  readonly client: (response: Response) => Effect.Effect<
    {
      readonly send: (text: string) => Effect.Effect<void>
      readonly close: Effect.Effect<void>
      /** Waits until everything that is under way has been handled. */
      readonly settle: Effect.Effect<void>
    },
    never,
    Scope.Scope
  >
  readonly name: Effect.Effect<string>
  readonly evict: (name: string) => Effect.Effect<void>
  /** Makes the alarm fire that is set for now. */
  readonly ring: (name: string) => Effect.Effect<void>
}

const upgrade = new Request("https://room.invalid/", { headers: { upgrade: "websocket" } })

const of = (name: string) => seen.filter((span) => span.name === name)

export const contract = (title: string, makeWorld: Effect.Effect<World, never, Scope.Scope>): void => {
  const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.effect(title, () =>
      Effect.suspend(() => {
        seen.length = 0
        return Effect.flatMap(makeWorld, body)
      }))

  const enter = Effect.fnUntraced(function*({ client, name, rooms }: World) {
    const room = yield* name
    const connection = yield* client(yield* rooms.get(room).fetch(upgrade))
    return { ...connection, room }
  })

  describe(title, () => {
    test("events and calls have spans, with the room and the connection, and what came of them (TR-1)", (world) =>
      Effect.gen(function*() {
        const { close, room, send, settle } = yield* enter(world)
        const id = (yield* world.rooms.get(room).connections())[0]?.id
        yield* send(`"hi"`)
        yield* send(`"fail"`)
        yield* send(`"ring"`)
        yield* settle
        yield* world.ring(room)
        yield* close
        yield* settle
        const told = seen.map(({ name, outcome }) => `${name} ${outcome}`)
        assert.deepStrictEqual(
          told.filter((line) => line.startsWith("Room.") && !line.startsWith("Room.call")),
          [
            "Room.connect Success",
            "Room.message Success",
            "Room.message Failure",
            "Room.message Success",
            "Room.alarm Success",
            "Room.close Success"
          ]
        )
        for (const span of [...of("Room.message"), ...of("Room.close")]) {
          assert.deepStrictEqual(span.attributes, { room, connection: id })
        }
        for (const span of [...of("Room.connect"), ...of("Room.alarm")]) {
          assert.deepStrictEqual(span.attributes, { room })
        }
        // What a handler does is inside.
        assert.strictEqual(of("own")[0]?.parent, of("Room.message")[0]?.spanId)
      }))

    test("the trace of a caller arrives in the room (TR-2)", (world) =>
      Effect.gen(function*() {
        const room = world.rooms.get(yield* world.name)
        const call = Effect.all([room.spanName(), room.fetch(upgrade)])
        const [name, response] = yield* Effect.withSpan(call, "app").pipe(Effect.provide(TracerLive))
        yield* world.client(response)
        assert.strictEqual(name, "Room.call")
        const [app] = of("app")
        const [calling, fetching] = of("Rooms.call")
        const [called] = of("Room.call")
        const [connected] = of("Room.connect")
        assert.deepStrictEqual([calling?.parent, fetching?.parent], [app?.spanId, app?.spanId])
        assert.strictEqual(called?.parent, calling?.spanId)
        assert.strictEqual(connected?.parent, fetching?.spanId)
        for (const span of [calling, fetching, called, connected]) assert.strictEqual(span?.traceId, app?.traceId)
      }))

    test("the spans of a connection link to the one that it was opened in, also after a sleep (TR-3)", (world) =>
      Effect.gen(function*() {
        const { close, room, send, settle } = yield* enter(world)
        yield* send(`"awake"`)
        yield* settle
        yield* world.evict(room)
        yield* send(`"asleep"`)
        yield* settle
        yield* close
        yield* settle
        const opened = of("Room.connect")[0]!.spanId
        const spans = [...of("Room.message"), ...of("Room.close")]
        assert.deepStrictEqual(spans.map(({ links, parent }) => [links, parent]), [
          [[opened], undefined],
          [[opened], undefined],
          [[opened], undefined]
        ])
      }))

    test("without a tracer there are no spans (TR-1)", (world) =>
      Effect.gen(function*() {
        const room = world.untraced.get(yield* world.name)
        const { close, send, settle } = yield* world.client(yield* room.fetch(upgrade))
        yield* send(`"hi"`)
        yield* close
        yield* settle
        yield* room.connections()
        assert.deepStrictEqual(seen, [])
      }))
  })
}
