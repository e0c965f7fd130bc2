import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Audience from "../../src/domain/Audience.ts"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as RoomError from "../../src/domain/RoomError.ts"
import * as MemoryRoom from "../../src/memory/MemoryRoom.ts"
import * as MemoryRuntime from "../../src/memory/MemoryRuntime.ts"
import * as ConnectionRegistry from "../../src/services/ConnectionRegistry.ts"
import * as Room from "../../src/services/Room.ts"
import * as Sockets from "../../src/services/Sockets.ts"

const Notes = Room.make("notes", {
  receive: Schema.String,
  send: Schema.String,
  state: Schema.Struct({ note: Schema.String }),
  limits: { stateBytes: 16_384 }
})

const NotesLive = Notes.toLayer(Effect.gen(function*() {
  const room = yield* Notes
  return {
    connect: (request) => {
      const query = new URL(request.url).searchParams
      return Effect.succeed({ state: { note: query.get("note") ?? "" }, labels: query.getAll("label") })
    },
    message: ({ id, state }, text) => room.send(id, `${text} ${state.note}`)
  }
}))

type Registry = ConnectionRegistry.ConnectionRegistry["Service"]

const nobody = ConnectionId.ConnectionId.make("00000000-0000-4000-8000-000000000000")

const setup = Effect.fnUntraced(function*(...urls: ReadonlyArray<string>) {
  const room = yield* MemoryRoom.make(Notes, NotesLive)
  const clients = yield* Effect.forEach(urls, (url) => room.connect(url))
  const ids = (yield* room.run(Notes.use((room) => room.connections()))).map(({ id }) => id)
  const run = <A, E>(use: (registry: Registry) => Effect.Effect<A, E>) =>
    room.run(ConnectionRegistry.ConnectionRegistry.use(use))
  /** Looks with the plain functions at the socket of a connection. */
  const look = <A>(index: number, use: (registry: Registry, socket: Sockets.Socket) => A) =>
    run((registry) => Effect.map(registry.find(ids[index]!), (socket) => use(registry, socket)))
  return { room, clients, ids, run, look }
})

const reasonOf = <A>(effect: Effect.Effect<A, RoomError.RoomError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

it.effect("the count of malformed frames lies beside the state, and neither takes the other along (PL-4, ST-1)", () =>
  Effect.gen(function*() {
    const { ids: [id], look, room } = yield* setup("/?note=first")
    const strike = look(0, (registry, socket) => registry.strike(socket))
    assert.deepStrictEqual([yield* strike, yield* strike], [1, 2])
    yield* room.run(Notes.use((room) => room.setState(id!, { note: "second" })))
    assert.strictEqual(yield* strike, 3)
    yield* room.evict
    assert.strictEqual(yield* strike, 4)
    yield* room.run(Notes.use((room) => room.setState(id!, { note: "third" })))
    yield* room.evict
    assert.strictEqual(yield* strike, 5)
    assert.deepStrictEqual(yield* room.run(Notes.use((room) => room.state(id!))), { note: "third" })
    yield* look(0, (registry, socket) => registry.absolve(socket))
    yield* room.evict
    assert.strictEqual(yield* strike, 1)
    yield* look(0, (registry, socket) => registry.absolve(socket))
    assert.strictEqual(yield* strike, 1)
  }))

it.effect("where a state leaves no room for the count, that lasts until the object sleeps (PL-4, ST-2, CR-3)", () =>
  Effect.gen(function*() {
    const { ids: [id], look, room, run } = yield* setup("/")
    const setState = (length: number) => room.run(Notes.use((room) => room.setState(id!, { note: "x".repeat(length) })))
    let length = 16_384
    while ((yield* Effect.result(setState(length)))._tag === "Failure") length--
    assert.isAbove(length, 16_300)
    const strike = look(0, (registry, socket) => registry.strike(socket))
    assert.deepStrictEqual([yield* strike, yield* strike], [1, 2])
    assert.deepStrictEqual(yield* room.run(Notes.use((room) => room.state(id!))), { note: "x".repeat(length) })
    yield* room.evict
    assert.strictEqual(yield* strike, 1)
    assert.deepStrictEqual(yield* room.run(Notes.use((room) => room.state(id!))), { note: "x".repeat(length) })
    // And it can be forgotten.
    const forget = run((registry) =>
      Effect.gen(function*() {
        const [socket] = yield* Sockets.Sockets.useSync((sockets) => sockets.list())
        return [yield* registry.forget(socket!), registry.isForgotten(socket!)]
      }).pipe((effect) => room.run(effect))
    )
    assert.deepStrictEqual(yield* forget, [true, true])
    assert.deepStrictEqual(yield* forget, [false, true])
    yield* room.evict
    assert.deepStrictEqual((yield* forget)[0], false)
  }))

it.effect("the version changes with each that enters or leaves, and with nothing else (CR-1)", () =>
  Effect.gen(function*() {
    const { ids: [id], look, room, run } = yield* setup("/")
    const version = run((registry) => Effect.sync(registry.version))
    const before = yield* version
    yield* look(0, (registry, socket) => registry.strike(socket))
    yield* room.run(Notes.use((room) => room.setState(id!, { note: "other" })))
    assert.strictEqual(yield* version, before)
    const client = yield* room.connect()
    const entered = yield* version
    assert.notStrictEqual(entered, before)
    yield* client.close(1000)
    assert.notInclude([before, entered], yield* version)
  }))

it.effect("who was closed and does not answer is in no audience, whichever was looked at before (LC-6, CR-1)", () =>
  Effect.gen(function*() {
    const { clients: [, mute], ids, room, run } = yield* setup("/?label=x", "/?label=y", "/?label=x")
    yield* mute!.mute
    const counts = Effect.forEach(
      [Audience.all, Audience.label("x"), Audience.label("y"), Audience.all, Audience.all],
      (audience) => run((registry) => registry.count(audience))
    )
    assert.deepStrictEqual(yield* counts, [3, 2, 1, 3, 3])
    yield* room.run(Notes.use((room) => room.close(ids[1]!)))
    assert.deepStrictEqual(yield* counts, [2, 2, 0, 2, 2])
    // In the second sleep the runtime forgets that the socket was closed.
    for (const _ of [1, 2, 3]) {
      yield* room.evict
      assert.deepStrictEqual(yield* counts, [2, 2, 0, 2, 2])
    }
    assert.strictEqual(yield* reasonOf(run((registry) => registry.find(ids[1]!))), "UnknownConnection")
    yield* mute!.drop
    assert.deepStrictEqual(yield* counts, [2, 2, 0, 2, 2])
  }))

it.effect("who was closed is not found after a sleep, whoever asks first (LC-6, CR-2)", () =>
  Effect.gen(function*() {
    const { clients: [mute], ids: [id], room, run } = yield* setup("/")
    yield* mute!.mute
    yield* room.run(Notes.use((room) => room.close(id!)))
    const find = reasonOf(run((registry) => registry.find(id!)))
    yield* room.evict
    assert.strictEqual(yield* find, "UnknownConnection")
    yield* room.evict
    yield* mute!.send("still here")
    assert.strictEqual(yield* find, "UnknownConnection")
    assert.strictEqual(yield* run((registry) => registry.count(Audience.all)), 0)
    assert.strictEqual(yield* find, "UnknownConnection")
  }))

it.effect("who is closing has not left before it is forgotten (CR-3)", () =>
  Effect.gen(function*() {
    const { clients: [mute], look, room, run } = yield* setup("/")
    yield* mute!.mute
    yield* look(0, (_, socket) => socket.close(1000))
    yield* room.evict
    const [socket] = yield* room.run(Sockets.Sockets.useSync((sockets) => sockets.list()))
    assert.isFalse(yield* run((registry) => Effect.sync(() => registry.isForgotten(socket!))))
    assert.isTrue(yield* run((registry) => registry.forget(socket!)))
    assert.isTrue(yield* run((registry) => Effect.sync(() => registry.isForgotten(socket!))))
  }))

it.effect("a state of another version is a typed error at the look, and only there (ST-3, LC-12)", () =>
  Effect.gen(function*() {
    for (
      const attachment of [
        [false, JSON.stringify({ note: 1 })],
        [false, JSON.stringify({ note: 1, more: "x".repeat(100) })],
        [false, undefined],
        null,
        "of somebody else"
      ]
    ) {
      const { clients: [client], ids: [id], look, room, run } = yield* setup("/")
      yield* look(0, (_, socket) => socket.serializeAttachment(attachment))
      yield* room.evict
      assert.strictEqual(yield* reasonOf(room.run(Notes.use((room) => room.state(id!)))), "InvalidState")
      assert.strictEqual(yield* reasonOf(room.run(Notes.use((room) => room.connections()))), "InvalidState")
      const connection = yield* look(0, (registry, socket) => registry.connection(socket))
      assert.strictEqual(connection.id, id)
      const looked = yield* Effect.flip(
        Effect.try({ try: () => connection.state, catch: (error) => error as RoomError.RoomError })
      )
      assert.instanceOf(looked, RoomError.RoomError)
      assert.strictEqual(looked.reason._tag, "InvalidState")
      assert.strictEqual(yield* run((registry) => registry.count(Audience.all)), 1)
      yield* client!.send("hello").pipe(Effect.provideService(References.MinimumLogLevel, "None"))
      assert.deepInclude(JSON.parse(String((yield* client!.receivedFrames)[0])), { _tag: "Error", code: "Internal" })
      yield* room.run(Notes.use((room) => room.setState(id!, { note: "repaired" })))
      yield* client!.send("hello")
      assert.deepStrictEqual(yield* client!.received, ["hello repaired"])
    }
  }))

it.effect("a state is decoded once for each event, whatever its size (ST-4)", () =>
  Effect.gen(function*() {
    for (const note of ["short", "x".repeat(50), "x".repeat(51), "x".repeat(52), "x".repeat(53), "x".repeat(200)]) {
      const { ids: [id], look } = yield* setup(`/?note=${note}&label=x`)
      const connection = yield* look(0, (registry, socket) => registry.connection(socket))
      assert.deepStrictEqual({ ...connection }, {
        id,
        user: undefined,
        labels: ["x"],
        protocol: "plain",
        state: { note }
      })
      assert.strictEqual(connection.state, connection.state)
      assert.notStrictEqual(connection.state, (yield* look(0, (registry, socket) => registry.connection(socket))).state)
    }
  }))

it.effect("who enters was admitted, once; who is abandoned leaves nothing (LC-2, CR-2)", () =>
  Effect.gen(function*() {
    const { room, run } = yield* setup("/")
    const runtime = yield* room.run(MemoryRuntime.MemoryRuntime)
    const fresh = () => runtime.connect()[1]
    yield* run((registry) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* reasonOf(registry.enter(nobody)), "UnknownConnection")
        const admission = { state: { note: "" }, labels: ["x", "y", "x"] }
        const socket = fresh()
        const admitted = yield* registry.admit(socket, "plain", admission)
        assert.deepStrictEqual(admitted.labels, ["x", "y"])
        assert.deepStrictEqual((yield* registry.admit(fresh(), "plain", { state: { note: "" } })).labels, [])
        assert.strictEqual(registry.socketOf(admitted.id), socket)
        assert.strictEqual(yield* registry.find(admitted.id), socket)
        assert.strictEqual(yield* registry.count(Audience.all), 1)
        yield* registry.enter(admitted.id)
        assert.strictEqual(yield* registry.count(Audience.all), 2)
        assert.strictEqual(registry.socketOf(admitted.id), socket)
        assert.strictEqual(yield* reasonOf(registry.enter(admitted.id)), "UnknownConnection")
        const given = yield* registry.admit(fresh(), "plain", admission)
        yield* registry.abandon(given.id)
        assert.isUndefined(registry.socketOf(given.id))
        assert.strictEqual(yield* reasonOf(registry.enter(given.id)), "UnknownConnection")
        // The runtime takes no socket twice.
        const again = yield* registry.admit(socket, "plain", admission)
        const refused = yield* Effect.flip(registry.enter(again.id))
        assert.strictEqual(refused.reason._tag, "NotAccepted")
        assert.strictEqual(yield* reasonOf(registry.enter(again.id)), "UnknownConnection")
      })
    )
  }))

it.effect("a socket of no connection is listed nowhere, and what asks who it is fails (ID-4)", () =>
  Effect.gen(function*() {
    const { look, room, run } = yield* setup("/")
    const runtime = yield* room.run(MemoryRuntime.MemoryRuntime)
    const sockets = yield* room.run(Sockets.Sockets)
    const stranger = runtime.connect()[1]
    sockets.accept(stranger, ["x", "y"])
    yield* run((registry) =>
      Effect.gen(function*() {
        const { reason } = yield* Effect.flip(registry.identify(stranger))
        assert.deepInclude(reason, { _tag: "UnidentifiedSocket", tags: "x, y" })
        assert.throws(() => registry.connection(stranger), RoomError.RoomError)
        assert.strictEqual(yield* reasonOf(registry.list()), "UnidentifiedSocket")
        assert.isFalse(registry.isSpeaking(stranger, "plain"))
        assert.isFalse(registry.isForgotten(stranger))
        assert.strictEqual(registry.strike(stranger), 1)
        assert.strictEqual(registry.carrying("p:plain").length, 1)
        assert.strictEqual(registry.carrying("p:ndjson").length, 0)
        assert.isTrue(yield* registry.forget(stranger))
      })
    )
    assert.isTrue(yield* look(0, (registry, socket) => registry.isSpeaking(socket, "plain")))
    assert.isFalse(yield* look(0, (registry, socket) => registry.isSpeaking(socket, "ndjson")))
  }))

it.effect("the trace in which a connection was opened stays with it (TR-3)", () =>
  Effect.gen(function*() {
    const { room, run } = yield* setup()
    const runtime = yield* room.run(MemoryRuntime.MemoryRuntime)
    const [{ server }, socket] = runtime.connect()
    const trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    const id = yield* run((registry) =>
      Effect.gen(function*() {
        const { id } = yield* registry.admit(socket, "plain", { state: { note: "" } }, trace)
        yield* registry.enter(id)
        return id
      })
    )
    const traced = run((registry) => Effect.sync(() => registry.traceOf(server())))
    assert.strictEqual(yield* traced, trace)
    yield* room.run(Notes.use((room) => room.setState(id, { note: "other" })))
    yield* room.evict
    assert.strictEqual(yield* traced, trace)
    assert.deepStrictEqual(yield* room.run(Notes.use((room) => room.state(id))), { note: "other" })
    yield* run((registry) => registry.forget(server()))
    yield* room.evict
    assert.strictEqual(yield* traced, trace)
  }))
