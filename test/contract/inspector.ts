/**
 * What the inspector promises, in every world.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Problem from "../../src/domain/Problem.ts"
import type * as Inspection from "../../src/inspector/Inspection.ts"
import * as Inspector from "../../src/inspector/Inspector.ts"
import type * as Rooms from "../../src/services/Rooms.ts"
import type { Glass } from "./Glass.ts"

export interface Client {
  readonly send: (frame: string) => Effect.Effect<void>
  readonly close: (code: number, reason: string) => Effect.Effect<void>
}

export interface World {
  readonly rooms: Rooms.Service<typeof Glass>
  /** A name that no other test uses. */
  readonly room: string
  readonly enter: (query: string) => Effect.Effect<Client, Problem.Problem, Scope.Scope>
  /** Somebody looks: gives what has come since the last time, and ends it. */
  readonly watch: Effect.Effect<
    {
      readonly taken: Effect.Effect<ReadonlyArray<Inspection.Inspection | Inspection.Events>>
      readonly leave: Effect.Effect<void>
    },
    never,
    Scope.Scope
  >
  /** The object of the room sleeps. */
  readonly sleep: Effect.Effect<void>
  /** So does the one of those who look. */
  readonly sleepInspector: Effect.Effect<void>
  readonly elapse: (millis: number) => Effect.Effect<void>
  readonly now: Effect.Effect<number>
}

const eventsOf = (messages: ReadonlyArray<Inspection.Inspection | Inspection.Events>) =>
  messages.flatMap((message) => message._tag === "Events" ? message.events : [])

const countsOf = ({ wakes }: Inspection.Inspection) =>
  Object.fromEntries(wakes.by.map(({ cause, count }) => [cause, count]))

export const contract = (
  where: string,
  world: Effect.Effect<World, never, Scope.Scope>,
  { sleeps = true }: { readonly sleeps?: boolean } = {}
) => {
  const asleep = sleeps ? it.effect : it.effect.skip
  describe(`the inspector ${where}`, () => {
    it.effect("tells who is there, with their states, since when, and how much waits (IN-1)", () =>
      Effect.gen(function*() {
        const { elapse, enter, now, room, rooms, sleep } = yield* world
        const before = yield* now
        yield* enter("?name=ada")
        yield* elapse(1_000)
        yield* enter("?name=bob")
        const check = Effect.gen(function*() {
          const { at, connections, count } = yield* Inspector.inspect(rooms, room)
          assert.strictEqual(count, 2)
          const [ada, bob] = connections
          assert.deepInclude(ada, {
            user: "ada",
            labels: ["guest"],
            protocol: "plain",
            state: { bytes: 14, text: `{"name":"ada"}` }
          })
          assert.strictEqual(bob?.user, "bob")
          assert.isAtLeast(ada!.since!, before)
          assert.isAtLeast(bob!.since! - ada!.since!, 990)
          assert.isAtLeast(at, bob!.since!)
          assert.isUndefined(ada!.answeredAt)
        })
        yield* check
        yield* sleep
        yield* check
      }))

    it.effect("what a door keeps beside a socket stays as it is, and the time goes with it (IN-1)", () =>
      Effect.gen(function*() {
        const { enter, room, rooms, sleep } = yield* world
        const ada = yield* enter("?name=ada")
        const since = () => Effect.map(Inspector.inspect(rooms, room), ({ connections }) => connections[0]?.since)
        const first = yield* since()
        assert.isDefined(first)
        // The guard counts, and writes down what it has counted.
        yield* ada.send(`{"say":"hello"}`)
        yield* sleep
        yield* ada.send(`{"say":"hello"}`)
        assert.strictEqual(yield* since(), first)
      }))

    asleep("counts the wakes by what caused them, through every sleep (IN-2)", () =>
      Effect.gen(function*() {
        const { enter, room, rooms, sleep } = yield* world
        const [ada, bob] = [yield* enter("?name=ada"), yield* enter("?name=bob")]
        yield* sleep
        yield* ada.send(`{"say":"one"}`)
        yield* ada.send(`{"say":"two"}`)
        yield* sleep
        yield* bob.send(`{"say":"three"}`)
        yield* sleep
        yield* rooms.get(room).broadcast({ said: "four" })
        yield* sleep
        yield* bob.close(1000, "")
        yield* sleep
        yield* enter("?name=grace")
        yield* sleep
        const inspection = yield* Inspector.inspect(rooms, room)
        assert.deepStrictEqual(countsOf(inspection), { connect: 2, message: 2, call: 1, close: 1, inspection: 1 })
        assert.strictEqual(inspection.awake.cause, "inspection")
        for (const { last } of inspection.wakes.by) assert.isAtLeast(last, inspection.wakes.since)
        assert.deepStrictEqual(countsOf(yield* Inspector.inspect(rooms, room)), countsOf(inspection))
      }))

    it.effect("names the deadlines that are pending with their times, and not what they carry (IN-3)", () =>
      Effect.gen(function*() {
        const { enter, now, room, rooms } = yield* world
        const ada = yield* enter("?name=ada")
        const before = yield* now
        yield* ada.send(`{"say":"later"}`)
        const inspection = yield* Inspector.inspect(rooms, room)
        const { deadlines, alarm, connections } = inspection
        assert.strictEqual(deadlines.length, 1)
        const [tea] = deadlines
        assert.deepInclude(tea, { name: "tea", key: "kettle", failures: 0, connection: connections[0]!.id })
        assert.isAtLeast(tea!.at, before + 3_600_000)
        assert.strictEqual(tea!.due, tea!.at)
        assert.strictEqual(alarm, tea!.at)
        assert.notInclude(JSON.stringify(inspection), "nobody is shown this")
      }))

    it.effect("who looks gets an inspection, and after it what passes, in order (IN-4)", () =>
      Effect.gen(function*() {
        const { enter, room, rooms, watch } = yield* world
        const ada = yield* enter("?name=ada")
        const page = yield* watch
        yield* ada.send(`{"say":"unseen"}`)
        assert.deepStrictEqual(yield* page.taken, [])
        const first = yield* Inspector.look(rooms, room)
        const id = first.connections[0]!.id
        assert.deepStrictEqual(yield* page.taken, [first])
        yield* ada.send(`{"say":"hi"}`)
        yield* ada.send(`{"say":"to me"}`)
        yield* Effect.flip(enter("?name=nobody"))
        yield* rooms.get(room).broadcast({ said: "all" }, { to: { _tag: "User", user: "grace" } })
        const bob = yield* enter("?name=bob")
        yield* bob.close(1000, "done")
        yield* ada.send(`{"say":"bye"}`)
        const events = eventsOf(yield* page.taken)
        const bobId = events.flatMap((event) => event._tag === "Entered" ? [event.id] : [])[0]!
        const body = (text: string) => ({ bytes: text.length, text })
        assert.deepStrictEqual(events.map((event) => ({ ...event, at: 0 })), [
          { _tag: "Received", at: 0, connection: id, body: body(`{"say":"hi"}`) },
          { _tag: "Sent", at: 0, delivered: 1, failed: 0, body: body(`{"said":"hi"}`) },
          { _tag: "Received", at: 0, connection: id, body: body(`{"say":"to me"}`) },
          { _tag: "Sent", at: 0, connection: id, delivered: 1, failed: 0, body: body(`{"said":"to me"}`) },
          { _tag: "Refused", at: 0, status: 403, detail: "You may not enter." },
          { _tag: "Called", at: 0, method: "broadcast" },
          { _tag: "Sent", at: 0, user: "grace", delivered: 0, failed: 0, body: body(`{"said":"all"}`) },
          { _tag: "Entered", at: 0, id: bobId, user: "bob", labels: ["guest"], protocol: "plain" },
          { _tag: "Left", at: 0, connection: bobId, by: "client", code: 1000, reason: "done", wasClean: true },
          { _tag: "Received", at: 0, connection: id, body: body(`{"say":"bye"}`) },
          { _tag: "Left", at: 0, connection: id, by: "room", code: 4000, reason: "good bye", wasClean: true }
        ])
      }))

    asleep("whoever looks goes on looking through the sleeps of both objects (IN-4)", () =>
      Effect.gen(function*() {
        const { enter, room, rooms, sleep, sleepInspector, watch } = yield* world
        const ada = yield* enter("?name=ada")
        const page = yield* watch
        yield* Inspector.look(rooms, room)
        yield* page.taken
        yield* sleep
        yield* sleepInspector
        yield* ada.send(`{"say":"hi"}`)
        const tags = eventsOf(yield* page.taken).map(({ _tag }) => _tag)
        assert.deepStrictEqual(tags, ["Woke", "Received", "Sent"])
      }))

    it.effect("looking ends by itself, and nothing is sent that nobody sees (IN-5)", () =>
      Effect.gen(function*() {
        const { enter, room, rooms, sleep, watch } = yield* world
        const ada = yield* enter("?name=ada")
        const page = yield* watch
        yield* Inspector.look(rooms, room)
        yield* page.taken
        yield* page.leave
        // This is sent in vain, and the last.
        yield* ada.send(`{"say":"one"}`)
        yield* sleep
        const other = yield* watch
        yield* ada.send(`{"say":"two"}`)
        assert.deepStrictEqual(yield* other.taken, [])
        yield* Inspector.look(rooms, room)
        yield* ada.send(`{"say":"three"}`)
        assert.deepStrictEqual(eventsOf(yield* other.taken).map(({ _tag }) => _tag), ["Received", "Sent"])
      }))

    it.effect("shows the beginning of what is long, and no token (IN-6)", () =>
      Effect.gen(function*() {
        const { enter, room, rooms, watch } = yield* world
        const ada = yield* enter("?name=ada")
        const page = yield* watch
        yield* Inspector.look(rooms, room)
        yield* page.taken
        yield* ada.send(JSON.stringify({ say: "ß".repeat(2_000) }))
        for (const space of [undefined, 1]) {
          yield* ada.send(JSON.stringify({ _tag: "Refresh", token: "a secret token" }, null, space))
        }
        yield* ada.send(`{"_tag":"\\u0052efresh","token":"a secret token"}`)
        const taken = yield* page.taken
        const [long, ...secrets] = eventsOf(taken).flatMap((event) => event._tag === "Received" ? [event.body] : [])
        assert.strictEqual(long?.bytes, 4_010)
        assert.strictEqual(long?.text?.length, 1_024)
        assert.match(long!.text!, /^\{"say":"ß+…$/)
        assert.strictEqual(secrets.length, 3)
        for (const { text } of secrets) assert.isUndefined(text)
        assert.notInclude(JSON.stringify(taken), "a secret token")
      }))
  })
}
