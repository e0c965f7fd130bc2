/**
 * The contract of `Sockets`, `ConnectionRegistry`, `Broadcaster` and `Lifecycle`: the same tests for every layer of them,
 * each once with an object that stays awake and, where objects sleep, once with one that sleeps before every step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Audience from "../../src/domain/Audience.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Limits from "../../src/domain/Limits.ts"
import type * as RoomError from "../../src/domain/RoomError.ts"
import * as Broadcaster from "../../src/services/Broadcaster.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Sockets from "../../src/services/Sockets.ts"
import { Ask, Probe, Told } from "./Probe.ts"
import type { Client, Suite, World } from "./World.ts"

const { Close, Die, Fail, Note, Speak } = Ask.cases
const { Closed, Heard, Opened } = Told.cases

const idOf = (client: Client) =>
  Effect.map(client.take(1), ([first]) => {
    if (first?._tag !== "Opened") throw new Error("A newcomer is told who it is first")
    return ConnectionId.ConnectionId.make(first.connection)
  })

const join = Effect.fnUntraced(function*(world: World, query = "") {
  const client = yield* world.connect(query)
  return { client, id: yield* idOf(client) }
})

const throws = (f: () => void): boolean => {
  try {
    f()
    return false
  } catch {
    return true
  }
}

const nobody = ConnectionId.ConnectionId.make("00000000-0000-4000-8000-000000000000")

export const contract = ({ name, sleeps: canSleep = true, world: makeWorld }: Suite): void => {
  for (const sleeps of canSleep ? [false, true] : [false]) {
    // Every step of the test finds the object just woken, with nothing in memory.
    const makeSleepy: Effect.Effect<World, never, Scope.Scope> = Effect.map(makeWorld, (world) => {
      const asleep = <A, E, R>(step: Effect.Effect<A, E, R>) => Effect.andThen(world.evict, step)
      return {
        ...world,
        connect: (query) =>
          Effect.map(world.connect(query), (client) => ({
            ...client,
            send: (message) => asleep(client.send(message)),
            sendFrame: (frame) => asleep(client.sendFrame(frame)),
            close: (code, reason) => asleep(client.close(code, reason))
          })),
        run: (effect) => asleep(world.run(effect))
      }
    })
    const test = (title: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.effect(title, () => Effect.flatMap(sleeps ? makeSleepy : makeWorld, body))

    describe(`${name}, ${sleeps ? "asleep before every step" : "awake"}`, () => {
      describe("Sockets", () => {
        test("tags stay with a socket, and find it, the oldest first (RT-1)", (world) =>
          Effect.gen(function*() {
            yield* join(world, "?label=a&note=1")
            yield* join(world, "?label=a&label=b&note=2")
            const [byA, byB, all] = yield* world.run(Sockets.Sockets.useSync((sockets) => {
              const notes = (list: ReadonlyArray<Sockets.Socket>) =>
                list.map((socket) => JSON.parse((socket.deserializeAttachment() as [boolean, string])[1]).note)
              return [notes(sockets.list("l:a")), notes(sockets.list("l:b")), notes(sockets.list())]
            }))
            assert.deepStrictEqual(byA, ["1", "2"])
            assert.deepStrictEqual(byB, ["2"])
            assert.deepStrictEqual(all, ["2", "1"])
          }))

        test("a socket takes ten tags of 256 bytes, no more and no longer (RT-2)", (world) =>
          world.run(Effect.gen(function*() {
            const sockets = yield* Sockets.Sockets
            const fresh = yield* Effect.replicateEffect(world.socket, 4)
            const tags = Array.from({ length: 10 }, (_, index) => `${index}`.padEnd(256, "x"))
            assert.isFalse(throws(() => sockets.accept(fresh[0]!, tags)))
            assert.deepStrictEqual(sockets.tags(fresh[0]!), tags)
            assert.isTrue(throws(() => sockets.accept(fresh[0]!, tags)), "accepted twice")
            assert.isTrue(throws(() => sockets.accept(fresh[1]!, [...tags, "one more"])))
            assert.isTrue(throws(() => sockets.accept(fresh[2]!, ["é".repeat(129)])))
            assert.isTrue(throws(() => sockets.tags(fresh[3]!)), "not accepted")
            fresh[0]!.close()
          })))

        test("an attachment is a copy of at most 16,384 bytes, and a failed write keeps the old one (RT-3)", (world) =>
          world.run(Effect.gen(function*() {
            const socket = yield* world.socket
            assert.strictEqual(socket.deserializeAttachment(), null)
            const value = { list: [1, 2], nothing: undefined }
            socket.serializeAttachment(value)
            value.list.push(3)
            assert.deepStrictEqual(socket.deserializeAttachment(), { list: [1, 2], nothing: undefined })
            socket.serializeAttachment("x".repeat(16_379))
            assert.isTrue(throws(() => socket.serializeAttachment("x".repeat(16_380))))
            assert.isTrue(throws(() => socket.serializeAttachment(() => 1)))
            assert.strictEqual(socket.deserializeAttachment(), "x".repeat(16_379))
          })))

        test("a socket refuses what the runtime refuses: wrong codes, long reasons, sending after a close (RT-4)", (world) =>
          Effect.gen(function*() {
            const { id } = yield* join(world)
            yield* world.run(Effect.gen(function*() {
              const registry = yield* ConnectionRegistry.ConnectionRegistry
              const sockets = yield* Sockets.Sockets
              const socket = yield* registry.find(id)
              for (const code of [0, 999, 1004, 1005, 1006, 1015, 5000]) {
                assert.isTrue(throws(() => socket.close(code)), String(code))
              }
              assert.isTrue(throws(() => socket.close(1000, "x".repeat(124))))
              assert.strictEqual(socket.readyState, Sockets.OPEN)
              socket.close(1000, "x".repeat(123))
              assert.notStrictEqual(socket.readyState, Sockets.OPEN)
              assert.include(sockets.list(), socket, "a closing socket is still listed")
              assert.isTrue(throws(() => socket.send("too late")))
              assert.isFalse(throws(() => socket.close(1000)), "a second close is ignored")
              assert.isTrue(throws(() => sockets.autoRespond("x".repeat(2_049), "")))
            }))
          }))
      })

      describe("ConnectionRegistry", () => {
        test("identity is what the tags say (ID-2)", (world) =>
          Effect.gen(function*() {
            const { id } = yield* join(world, "?user=ada&label=x&label=y&label=x")
            const identity = yield* world.run(
              ConnectionRegistry.ConnectionRegistry.use((registry) =>
                Effect.flatMap(registry.find(id), registry.identify)
              )
            )
            assert.deepStrictEqual(identity, { id, user: "ada", labels: ["x", "y"], protocol: "plain" })
          }))

        test("a socket whose tags name no connection is not identified (ID-4)", (world) =>
          world.run(Effect.gen(function*() {
            const sockets = yield* Sockets.Sockets
            const registry = yield* ConnectionRegistry.ConnectionRegistry
            for (
              const tags of [[], ["c:admin", "p:plain"], [`c:${nobody}`], [
                `c:${nobody}`,
                `c:${nobody.replace("0", "1")}`,
                "p:plain"
              ]]
            ) {
              const socket = yield* world.socket
              sockets.accept(socket, tags)
              const error = yield* Effect.flip(registry.identify(socket))
              assert.strictEqual(error.reason._tag, "UnidentifiedSocket")
              socket.close()
            }
          })))

        test("what does not fit in the tags or the attachment fails before anything is accepted (ID-5, ST-2)", (world) =>
          world.run(Effect.gen(function*() {
            const sockets = yield* Sockets.Sockets
            const registry = yield* ConnectionRegistry.ConnectionRegistry
            const reason = (admission: ConnectionRegistry.Admission) =>
              world.socket.pipe(
                Effect.flatMap((socket) => registry.admit(socket, "plain", admission)),
                Effect.flip,
                Effect.map((error) => error.reason._tag)
              )
            const state = { note: "" }
            assert.strictEqual(yield* reason({ state, labels: [..."abcdefghi"] }), "TooManyTags")
            assert.strictEqual(yield* reason({ state, user: "u", labels: [..."abcdefgh"] }), "TooManyTags")
            assert.strictEqual(yield* reason({ state, user: "é".repeat(128) }), "TagTooLong")
            assert.strictEqual(yield* reason({ state: { note: "x".repeat(17_000) } }), "StateTooLarge")
            assert.strictEqual(yield* reason({ state: { note: 1 } }), "InvalidState")
            assert.strictEqual(sockets.list().length, 0)
            assert.strictEqual(yield* registry.count(Audience.all), 0)
          })))

        test("state survives, and one that does not fit leaves the old one (ST-1, ST-2, ST-3)", (world) =>
          Effect.gen(function*() {
            const { id } = yield* join(world, "?note=first")
            const state = Probe.use((room) => room.state(id))
            assert.deepStrictEqual(yield* world.run(state), { note: "first" })
            yield* world.run(Probe.use((room) => room.setState(id, { note: "second" })))
            assert.deepStrictEqual(yield* world.run(state), { note: "second" })
            const tooLarge = yield* world.run(
              Effect.flip(Probe.use((room) => room.setState(id, { note: "x".repeat(Limits.attachmentBytes) })))
            )
            assert.strictEqual(tooLarge.reason._tag, "StateTooLarge")
            const invalid = yield* world.run(
              Effect.flip(Probe.use((room) => room.setState(id, { note: 1 } as never)))
            )
            assert.strictEqual(invalid.reason._tag, "InvalidState")
            assert.deepStrictEqual(yield* world.run(state), { note: "second" })
          }))

        test("the open connections are listed, the oldest first, by user and by label (CR-1)", (world) =>
          Effect.gen(function*() {
            const a = yield* join(world, "?user=ada&label=x")
            const b = yield* join(world, "?user=bob&label=x")
            const c = yield* join(world, "?user=ada")
            const list = (of?: Audience.Audience) =>
              world.run(Probe.use((room) => Effect.map(room.connections({ of }), (all) => all.map(({ id }) => id))))
            assert.deepStrictEqual(yield* list(), [a.id, b.id, c.id])
            assert.deepStrictEqual(yield* list(Audience.user("ada")), [a.id, c.id])
            assert.deepStrictEqual(yield* list(Audience.label("x")), [a.id, b.id])
            assert.deepStrictEqual(yield* list(Audience.label("nobody")), [])
            assert.strictEqual(yield* world.run(Probe.use((room) => room.count(Audience.user("ada")))), 2)
            yield* world.run(Probe.use((room) => room.close(a.id)))
            assert.deepStrictEqual(yield* list(), [b.id, c.id])
            assert.strictEqual(yield* world.run(Probe.use((room) => room.count())), 2)
          }))

        test("in a room of many, too, who has left is listed and counted no more (CR-1, LC-6)", (world) =>
          Effect.gen(function*() {
            const members = yield* Effect.replicateEffect(join(world, "?label=x"), 40)
            const ids = members.map(({ id }) => id)
            const look = Effect.gen(function*() {
              const room = yield* Probe
              const listed = (yield* room.connections()).map(({ id }) => id)
              assert.strictEqual(yield* room.count(), listed.length)
              assert.strictEqual(yield* room.count(Audience.label("x")), listed.length)
              const { delivered } = yield* room.broadcast(Opened.make({ connection: "me" }))
              assert.strictEqual(delivered, listed.length)
              return listed
            })
            yield* world.run(Effect.gen(function*() {
              assert.deepStrictEqual(yield* look, ids)
              yield* Probe.use((room) => room.close(ids[7]!))
              assert.deepStrictEqual(yield* look, ids.toSpliced(7, 1))
            }))
            yield* members[0]!.client.close(1000)
            yield* members[0]!.client.closed
            assert.deepStrictEqual(yield* world.run(look), ids.toSpliced(7, 1).slice(1))
          }))

        test("connections come in pages, each after the last one of the page before (CR-4)", (world) =>
          Effect.gen(function*() {
            const ids: Array<ConnectionId.ConnectionId> = []
            for (const label of ["x", "y", "x", "y", "x"]) ids.push((yield* join(world, `?label=${label}`)).id)
            const list = (options: ConnectionRegistry.ListOptions) =>
              world.run(Probe.use((room) => Effect.map(room.connections(options), (all) => all.map(({ id }) => id))))
            assert.deepStrictEqual(yield* list({ limit: 2 }), ids.slice(0, 2))
            assert.deepStrictEqual(yield* list({ limit: 2, after: ids[1] }), ids.slice(2, 4))
            assert.deepStrictEqual(yield* list({ limit: 2, after: ids[3] }), ids.slice(4))
            assert.deepStrictEqual(yield* list({ after: ids[4] }), [])
            assert.deepStrictEqual(yield* list({ limit: 0 }), [])
            const of = Audience.label("x")
            assert.deepStrictEqual(yield* list({ of, limit: 1, after: ids[0] }), [ids[2]])
            const unknown = (after: ConnectionId.ConnectionId, of?: Audience.Audience) =>
              Effect.map(
                world.run(Effect.flip(Probe.use((room) => room.connections({ after, of })))),
                ({ reason }) => reason._tag
              )
            assert.strictEqual(yield* unknown(nobody), "UnknownConnection")
            assert.strictEqual(yield* unknown(ids[1]!, of), "UnknownConnection")
            yield* world.run(Probe.use((room) => room.close(ids[2]!)))
            assert.strictEqual(yield* unknown(ids[2]!), "UnknownConnection")
            assert.deepStrictEqual(yield* list({ limit: 2, after: ids[1] }), ids.slice(3))
          }))

        test("an id that nobody has is a typed error (CR-2)", (world) =>
          world.run(Effect.gen(function*() {
            const room = yield* Probe
            for (
              const effect of [
                room.send(nobody, Opened.make({ connection: nobody })),
                room.state(nobody),
                room.setState(nobody, { note: "" }),
                room.close(nobody)
              ]
            ) {
              const error = yield* Effect.flip(effect)
              assert.strictEqual(error._tag, "RoomError")
              assert.strictEqual(error.reason._tag, "UnknownConnection")
            }
          })))

        test("a socket is forgotten once (CR-3)", (world) =>
          Effect.gen(function*() {
            const { client, id } = yield* join(world)
            // The client answers the close by itself, so the socket is kept here for as long as the test needs it.
            const forget = world.run(Effect.gen(function*() {
              const registry = yield* ConnectionRegistry.ConnectionRegistry
              const sockets = yield* Sockets.Sockets
              return yield* Effect.forEach(sockets.list(`c:${id}`), registry.forget)
            }))
            assert.deepStrictEqual(yield* forget, [true])
            assert.deepStrictEqual(yield* forget, [false])
            yield* client.close(1000)
            assert.deepStrictEqual(yield* client.rest, [])
          }))
      })

      describe("Broadcaster", () => {
        test("a broadcast reaches its audience, but for whom it leaves out (BC-1)", (world) =>
          Effect.gen(function*() {
            const a = yield* join(world, "?user=ada&label=x")
            const b = yield* join(world, "?user=bob&label=x")
            const c = yield* join(world, "?user=ada")
            yield* a.client.take(2)
            yield* b.client.take(1)
            const broadcast = (options: Broadcaster.BroadcastOptions) =>
              world.run(Probe.use((room) => room.broadcast(Opened.make({ connection: "me" }), options)))
            assert.deepStrictEqual(yield* broadcast({}), { delivered: 3, failed: 0 })
            assert.deepStrictEqual(yield* broadcast({ except: a.id }), { delivered: 2, failed: 0 })
            assert.deepStrictEqual(yield* broadcast({ except: [a.id, c.id, nobody] }), { delivered: 1, failed: 0 })
            assert.deepStrictEqual(yield* broadcast({ to: Audience.user("ada") }), { delivered: 2, failed: 0 })
            assert.deepStrictEqual(yield* broadcast({ to: Audience.label("x"), except: b.id }), {
              delivered: 1,
              failed: 0
            })
            assert.strictEqual((yield* a.client.rest).length, 3)
            assert.strictEqual((yield* b.client.rest).length, 3)
            assert.strictEqual((yield* c.client.rest).length, 3)
          }))

        test("a socket that fails does not stop the rest (BC-2)", (world) =>
          Effect.gen(function*() {
            const a = yield* join(world)
            const b = yield* join(world)
            const c = yield* join(world)
            yield* a.client.take(2)
            yield* b.client.take(1)
            const delivery = yield* world.run(Effect.gen(function*() {
              const registry = yield* ConnectionRegistry.ConnectionRegistry
              const socket = yield* registry.find(b.id)
              Object.defineProperty(socket, "send", {
                configurable: true,
                value: () => {
                  throw new Error("broken")
                }
              })
              const broadcaster = yield* Broadcaster.Broadcaster
              const sent = yield* Effect.flip(broadcaster.send(b.id, "x"))
              assert.strictEqual(sent.reason._tag, "SendFailed")
              return yield* broadcaster.broadcast("hello")
            }))
            assert.deepStrictEqual(delivery, { delivered: 2, failed: 1 })
            assert.strictEqual(yield* a.client.takeFrame, "hello")
            assert.strictEqual(yield* c.client.takeFrame, "hello")
          }))

        test("a message that does not fit the schema is a typed error, and nothing leaves (BC-3)", (world) =>
          Effect.gen(function*() {
            const { client, id } = yield* join(world)
            yield* world.run(Effect.gen(function*() {
              const room = yield* Probe
              const message = { _tag: "Opened", connection: 1 } as never
              for (const effect of [room.send(id, message), room.broadcast(message)]) {
                assert.strictEqual((yield* Effect.flip(effect)).reason._tag, "InvalidMessage")
              }
            }))
            assert.deepStrictEqual(yield* client.rest, [])
          }))
      })

      describe("Lifecycle", () => {
        test("who speaks is known by the tags, and its state by the attachment (ID-2, ST-1)", (world) =>
          Effect.gen(function*() {
            const { client, id } = yield* join(world, "?user=ada&label=x&note=hi")
            yield* client.send(Speak.make({ text: "one" }))
            const heard = { connection: id, user: "ada", labels: ["x"] }
            assert.deepStrictEqual(yield* client.take(1), [Heard.make({ ...heard, note: "hi", text: "one" })])
            yield* client.send(Note.make({ note: "ho" }))
            yield* client.send(Speak.make({ text: "two" }))
            assert.deepStrictEqual(yield* client.take(1), [Heard.make({ ...heard, note: "ho", text: "two" })])
          }))

        test("who closes is announced once, and its close is answered with its code (LC-1, CL-1)", (world) =>
          Effect.gen(function*() {
            const { client: stays } = yield* join(world)
            for (
              const [code, reason] of [[undefined, ""], [1000, "done"], [3000, ""], [4999, "x".repeat(123)]] as const
            ) {
              const { client, id } = yield* join(world, "?note=leaves")
              yield* stays.take(1)
              yield* client.close(code, reason)
              assert.deepStrictEqual(yield* stays.take(1), [
                Closed.make({
                  connection: id,
                  note: "leaves",
                  code: code ?? 1005,
                  reason,
                  wasClean: true,
                  connections: 1
                })
              ])
              const closed = yield* client.closed
              assert.include(code === undefined ? [1000, 1005] : [code], closed.code)
            }
            assert.deepStrictEqual(yield* stays.rest, [])
          }))

        test("whom we close has left at once, and closes once (LC-1, LC-6)", (world) =>
          Effect.gen(function*() {
            const { client: stays } = yield* join(world)
            const { client, id } = yield* join(world)
            yield* stays.take(1)
            yield* stays.send(Close.make({ connection: id, code: 4500, reason: "out" }))
            assert.deepStrictEqual(yield* stays.take(1), [
              Closed.make({ connection: id, note: "", code: 4500, reason: "out", wasClean: true, connections: 1 })
            ])
            assert.deepStrictEqual(yield* client.closed, { code: 4500, reason: "out" })
            assert.deepStrictEqual(yield* stays.rest, [])
          }))

        test("a connection may close itself (LC-6)", (world) =>
          Effect.gen(function*() {
            const { client: stays } = yield* join(world)
            const { client, id } = yield* join(world)
            yield* stays.take(1)
            yield* client.send(Close.make({ connection: id, code: 4001, reason: "" }))
            const [closed] = yield* stays.take(1)
            assert.strictEqual(closed?._tag, "Closed")
            assert.strictEqual((yield* client.closed).code, 4001)
            assert.deepStrictEqual(yield* stays.rest, [])
          }))

        test("who was closed is counted, listed and sent to no more, from the next step on (LC-6, CR-1)", (world) =>
          Effect.gen(function*() {
            const { id: stays } = yield* join(world, "?label=x")
            const { id } = yield* join(world, "?label=x")
            yield* world.run(Probe.use((room) =>
              Effect.gen(function*() {
                assert.strictEqual(yield* room.count(), 2)
                yield* room.close(id, { code: 4500 })
                assert.strictEqual(yield* room.count(), 1)
                assert.strictEqual(yield* room.count(Audience.label("x")), 1)
                assert.deepStrictEqual((yield* room.connections()).map(({ id }) => id), [stays])
                const message = Opened.make({ connection: "me" })
                assert.deepStrictEqual(yield* room.broadcast(message), { delivered: 1, failed: 0 })
                for (const effect of [room.send(id, message), room.state(id), room.close(id)]) {
                  assert.strictEqual(
                    (yield* Effect.flip<unknown, RoomError.RoomError, never>(effect)).reason._tag,
                    "UnknownConnection"
                  )
                }
              })
            ))
          }))

        test("a close that fits in no frame is a typed error, and the connection lives (CL-4)", (world) =>
          Effect.gen(function*() {
            const { client, id } = yield* join(world)
            for (
              const [code, reason] of [[1005, ""], [999, ""], [1000.5, ""], [Number.NaN, ""], [
                1000,
                "x".repeat(124)
              ]] as const
            ) {
              const error = yield* world.run(
                Effect.flip(Probe.use((room) => room.close(id, { code: code, reason: reason })))
              )
              assert.strictEqual(error.reason._tag, "InvalidClose")
            }
            yield* client.send(Speak.make({ text: "still here" }))
            assert.strictEqual((yield* client.take(1))[0]?._tag, "Heard")
          }))

        test("who is refused, or fails in connect or open, leaves nothing behind (LC-2, LC-9)", (world) =>
          Effect.gen(function*() {
            const { client: stays } = yield* join(world)
            for (
              const [query, status] of [["?refuse=403", 403], ["?fail=connect", 500], ["?note=fail in open", 500], [
                `?note=${"x".repeat(17_000)}`,
                500
              ]] as const
            ) {
              const problem = yield* Effect.flip(world.connect(query))
              assert.strictEqual(problem.status, status)
              assert.notInclude(problem.detail, "broken")
            }
            assert.deepStrictEqual(yield* stays.rest, [])
            assert.strictEqual(yield* world.run(Probe.use((room) => room.count())), 1)
            assert.strictEqual(yield* world.run(Sockets.Sockets.useSync((sockets) => sockets.list().length)), 1)
          }))

        test("a handler that fails closes nothing and tells its sender only (LC-4)", (world) =>
          Effect.gen(function*() {
            const { client: other } = yield* join(world)
            const { client } = yield* join(world)
            yield* other.take(1)
            for (const message of [Fail.make({}), Die.make({})]) {
              yield* client.send(message)
              assert.deepStrictEqual(JSON.parse(String(yield* client.takeFrame)), {
                _tag: "Error",
                code: "Internal",
                message: "The room failed to handle this message."
              })
            }
            assert.deepStrictEqual(yield* other.rest, [])
            yield* client.send(Speak.make({ text: "alive" }))
            assert.strictEqual((yield* client.take(1))[0]?._tag, "Heard")
          }))

        test("a frame that is no message is answered with an error, and nobody else notices (PL-1)", (world) =>
          Effect.gen(function*() {
            const { client: other } = yield* join(world)
            const { client } = yield* join(world)
            yield* other.take(1)
            const code = (frame: string | ArrayBuffer) =>
              Effect.andThen(
                client.sendFrame(frame),
                Effect.map(client.takeFrame, (answer) => JSON.parse(String(answer)).code)
              )
            assert.strictEqual(yield* code(""), "InvalidMessage")
            assert.strictEqual(yield* code("{"), "InvalidMessage")
            assert.strictEqual(yield* code("null"), "InvalidMessage")
            assert.strictEqual(yield* code(`{"_tag":"Speak","text":1}`), "InvalidMessage")
            assert.strictEqual(yield* code(new Uint8Array([123, 125]).buffer), "UnsupportedFrame")
            assert.deepStrictEqual(yield* other.rest, [])
          }))

        test("the runtime answers ping (CH-5)", (world) =>
          Effect.gen(function*() {
            const { client } = yield* join(world)
            yield* client.sendFrame("ping")
            assert.strictEqual(yield* client.takeFrame, "pong")
          }))
      })
    })
  }
}
