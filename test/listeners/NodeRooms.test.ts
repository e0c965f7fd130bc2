import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { once } from "node:events"
import * as http from "node:http"
import * as net from "node:net"
import * as Claims from "../../src/domain/Claims.ts"
import * as Problem from "../../src/domain/Problem.ts"
import * as NodeRooms from "../../src/listeners/NodeRooms.ts"
import * as Alarm from "../../src/services/Alarm.ts"
import { Ask, Probe, ProbeLive, Told } from "../contract/Probe.ts"
import * as World from "./world.ts"

const { Speak } = Ask.cases

const handshake = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="
}

const ask = ({ port }: Pick<World.Server, "port">, path: string, headers: http.OutgoingHttpHeaders, method = "GET") =>
  Effect.promise(async () => {
    const request = http.request({ port, path, method, headers, agent: false })
    request.end()
    const [response] = (await once(request, "response")) as [http.IncomingMessage]
    let body = ""
    for await (const chunk of response.setEncoding("utf8")) body += chunk
    return { status: response.statusCode, headers: response.headers, problem: JSON.parse(body) }
  })

// A client that keeps its TCP connection open until it closes it itself.
const tcp = Effect.fnUntraced(function*({ port }: World.Server, path: string) {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  const lines = Object.entries(handshake).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join("")}\r\n`)
  return socket
})

// Lets what is under way over TCP arrive.
const pass = Effect.promise(() => new Promise((done) => setTimeout(done, 50)))

// A room whose newcomers wait at the door until they are let in.
const makeDoor = Effect.map(Deferred.make<void>(), (door) => ({
  open: Deferred.succeed(door, undefined),
  live: Probe.toLayer(Effect.gen(function*() {
    const room = yield* Probe
    return {
      connect: ({ url }) =>
        Effect.as(url.includes("wait") ? Deferred.await(door) : Effect.void, { state: { note: url } }),
      open: ({ id }) => room.broadcast(Told.cases.Opened.make({ connection: id })),
      close: ({ id, state }, close) =>
        Effect.flatMap(
          room.count(),
          (connections) =>
            room.broadcast(Told.cases.Closed.make({ connection: id, note: state.note, ...close, connections }))
        )
    }
  }))
}))

it.effect("who is refused is answered over HTTP, before the upgrade (LS-2, LC-9)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve()
    const { headers, problem, status } = yield* ask(server, "/room?refuse=403", handshake)
    assert.strictEqual(status, 403)
    assert.deepStrictEqual(problem, { type: "about:blank", title: "Forbidden", status: 403, detail: "Not you." })
    assert.strictEqual(headers["content-type"], "application/problem+json")
    assert.strictEqual(headers["connection"], "close")
    const other = yield* ask(server, "/room", { connection: "Upgrade", upgrade: "h2c" })
    assert.strictEqual(other.status, 426)
    assert.strictEqual(other.headers.upgrade, "websocket")
    assert.strictEqual(other.headers.connection, "Upgrade, close")
  }))

it.effect("the app says what a room may believe, and not the client (LS-8, HT-2)", () =>
  Effect.gen(function*() {
    const Believing = Probe.toLayer(Effect.succeed({
      connect: (request) => Problem.make(403, `${Claims.get(request, "user")}, ${Claims.get(request, "Age")}`)
    }))
    const rooms = yield* NodeRooms.make(Probe, Believing)
    const server = http.createServer()
    server.on("upgrade", (request, socket, head) =>
      request.url === "/known"
        ? rooms.upgrade("room", request, socket, head, { user: "Adä" })
        : rooms.upgrade("room", request, socket, head))
    yield* Effect.acquireRelease(
      Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
      () => Effect.sync(() => server.close())
    )
    // SAFETY: it listens on TCP.
    const { port } = server.address() as net.AddressInfo
    const headers = { ...handshake, "X-Dormouse-User": "an impostor", "x-dormouse-age": "99" }
    const told = (path: string) => Effect.map(ask({ port }, path, headers), ({ problem }) => problem.detail)
    assert.strictEqual(yield* told("/known"), "Adä, undefined")
    assert.strictEqual(yield* told("/unknown"), "undefined, undefined")
  }))

it.effect("a handshake that is none is refused before the room hears of it (LS-2, LC-2)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve()
    const stays = yield* World.connect(server, "room")
    yield* stays.take(1)
    const { "sec-websocket-key": _, ...withoutKey } = handshake
    const protocols = (offered: string) => ({ ...handshake, "sec-websocket-protocol": offered })
    for (
      const [expected, headers, method] of [
        [400, withoutKey, "GET"],
        [400, { ...handshake, "sec-websocket-key": "short" }, "GET"],
        [426, { ...handshake, "sec-websocket-version": "8" }, "GET"],
        [400, protocols("ndjson, ndjson"), "GET"],
        [400, protocols("a b"), "GET"],
        [400, protocols(","), "GET"],
        [405, handshake, "POST"]
      ] as const
    ) {
      const { problem, status } = yield* ask(server, "/room", headers, method)
      assert.deepStrictEqual([status, problem.status], [expected, expected])
    }
    assert.deepStrictEqual(yield* stays.rest, [])
  }))

it.effect("whom the room closes as it enters is upgraded, told and closed (LS-3, OB-3)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve(Probe.toLayer(Effect.gen(function*() {
      const room = yield* Probe
      return {
        connect: () => Effect.succeed({ state: { note: "" } }),
        open: Effect.fnUntraced(function*({ id }) {
          yield* room.send(id, Told.cases.Opened.make({ connection: id }))
          yield* room.close(id, { code: 4001, reason: "full" })
        })
      }
    })))
    const client = yield* World.connect(server, "room")
    assert.strictEqual((yield* client.take(1))[0]?._tag, "Opened")
    assert.deepStrictEqual(yield* client.closed, { code: 4001, reason: "full" })
  }))

it.effect.each(["destroy", "resetAndDestroy"] as const)(
  "who has gone before the upgrade leaves with 1006: %s (LS-3, CL-2)",
  (goes) =>
    Effect.gen(function*() {
      const door = yield* makeDoor
      const server = yield* World.serve(door.live)
      const stays = yield* World.connect(server, "room")
      const socket = yield* tcp(server, "/room?wait")
      yield* pass
      socket[goes]()
      yield* pass
      assert.deepStrictEqual(yield* stays.rest, [])
      yield* door.open
      const [opened, closed] = yield* stays.take(2)
      assert.strictEqual(opened?._tag, "Opened")
      assert.deepInclude(closed, { _tag: "Closed", code: 1006, wasClean: false, connections: 1 })
    })
)

it.effect("a close frame is answered and told of when it arrives, though TCP stays open (LS-4, CL-1)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve()
    const stays = yield* World.connect(server, "room")
    yield* stays.take(1)
    const socket = yield* tcp(server, "/room")
    const received: Array<Buffer> = []
    socket.on("data", (data) => received.push(data))
    yield* stays.take(1)
    // A masked close frame with the code 4000.
    socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]))
    const [closed] = yield* stays.take(1)
    assert.deepInclude(closed, { _tag: "Closed", code: 4000, wasClean: true })
    yield* pass
    assert.include(Buffer.concat(received).toString("hex"), "88020fa0")
    assert.isTrue(socket.writable)
  }))

it.effect("at the end of the server everybody is closed with 1001, and newcomers are refused (LS-5)", () =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const scope = yield* Scope.make()
    const resource = Layer.effectDiscard(
      Effect.addFinalizer(() => Effect.sync(() => log.push("the layer is released")))
    )
    const handlers = Probe.toLayer(Effect.gen(function*() {
      const room = yield* Probe
      return {
        connect: ({ url }) => Effect.as(url.includes("wait") ? Effect.never : Effect.void, { state: { note: "" } }),
        close: Effect.fnUntraced(function*(_, { code }) {
          yield* room.broadcast(Told.cases.Rang.make({}))
          yield* Effect.promise(() => new Promise((done) => setTimeout(done, 20)))
          log.push(`left with ${code}`)
        })
      }
    }))
    const server = yield* Scope.provide(World.serve(Layer.merge(handlers, resource)), scope)
    const clients = yield* Effect.all([World.connect(server, "room"), World.connect(server, "room")])
    const waiting = yield* Effect.forkChild(Effect.flip(World.connect(server, "room", "?wait")))
    yield* pass
    yield* Scope.close(scope, Exit.void)
    for (const client of clients) {
      assert.deepStrictEqual(yield* client.closed, { code: 1001, reason: "The server goes down." })
      assert.deepStrictEqual(yield* client.rest, [])
    }
    assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
    assert.deepStrictEqual(log, ["left with 1001", "left with 1001", "the layer is released"])
  }))

it.effect("who does not hang up at the end of the server is cut off after five seconds (LS-5)", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const server = yield* Scope.provide(World.serve(), scope)
    const mute = yield* World.connect(server, "room")
    mute.socket.pause()
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* pass
    assert.strictEqual(closing.pollUnsafe(), undefined)
    yield* TestClock.adjust("5 seconds")
    yield* Fiber.join(closing)
  }))

it.effect("a room is there from its first client until thirty seconds after its last (LS-6)", () =>
  Effect.gen(function*() {
    let starts = 0
    const server = yield* World.serve(Layer.merge(ProbeLive, Layer.effectDiscard(Effect.sync(() => starts++))))
    const visit = Effect.scoped(Effect.gen(function*() {
      const client = yield* World.connect(server, "room")
      yield* client.take(1)
    }))
    yield* visit
    yield* pass
    yield* TestClock.adjust("29 seconds")
    yield* visit
    assert.strictEqual(starts, 1)
    yield* pass
    yield* TestClock.adjust("31 seconds")
    yield* visit
    assert.strictEqual(starts, 2)
  }))

it.effect("an alarm fires at its time, and keeps its room until then (LS-6, LC-8)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve()
    const alarm = <A>(use: (alarm: Alarm.Alarm["Service"]) => Effect.Effect<A>) =>
      server.rooms.run("room", Alarm.Alarm.use(use))
    yield* alarm(({ set }) => set(3_600_000))
    yield* TestClock.adjust("30 minutes")
    assert.deepStrictEqual(yield* alarm(({ get }) => get), Option.some(3_600_000))
    const client = yield* World.connect(server, "room")
    yield* client.take(1)
    yield* TestClock.adjust("30 minutes")
    assert.deepStrictEqual(yield* client.take(1), [{ _tag: "Rang" }])
    assert.deepStrictEqual(yield* alarm(({ get }) => get), Option.none())
    yield* alarm(({ set }) => set(7_200_000))
    yield* alarm(({ clear }) => clear)
    yield* TestClock.adjust("1 day")
    assert.deepStrictEqual(yield* client.rest, [])
  }))

it.effect("a room that cannot start refuses newcomers, and the others go on (LC-5)", () =>
  Effect.gen(function*() {
    const live = Layer.unwrap(Effect.map(Probe, ({ name }) =>
      name === "broken" ? Layer.effectDiscard(Effect.fail("the database is gone")) : ProbeLive))
    const server = yield* World.serve(live)
    assert.strictEqual((yield* Effect.flip(World.connect(server, "broken"))).status, 503)
    const client = yield* World.connect(server, "room")
    yield* client.take(1)
    yield* client.send(Speak.make({ text: "hello" }))
    assert.strictEqual((yield* client.take(1))[0]?._tag, "Heard")
  }))

it.live("a start that failed is tried again no sooner than the refusal said, and then succeeds (LC-5)", () =>
  Effect.gen(function*() {
    let starts = 0
    const live = Layer.unwrap(
      Effect.sync(() => ++starts === 1 ? Layer.effectDiscard(Effect.fail("the database is away")) : ProbeLive)
    )
    const server = yield* World.serve(live)
    const began = Date.now()
    for (const _ of [1, 2]) {
      const { headers, status } = yield* ask(server, "/room", handshake)
      assert.deepStrictEqual([status, headers["retry-after"], starts], [503, "1", 1])
    }
    yield* Effect.sleep(Math.max(0, began + 1_050 - Date.now()))
    const client = yield* World.connect(server, "room")
    assert.strictEqual((yield* client.take(1))[0]?._tag, "Opened")
    assert.strictEqual(starts, 2)
  }))

it.effect("a room that did not start is forgotten like any other, but not before its pause is over (LC-5, LC-17, LS-6)", () =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const live = Layer.unwrap(Effect.map(
      Effect.acquireRelease(Effect.void, () => Effect.sync(() => log.push("gone"))),
      () =>
        Layer.effectDiscard(
          Effect.sync(() => log.push("tried")).pipe(Effect.andThen(Effect.fail("the database is gone")))
        )
    ))
    const server = yield* World.serve(live)
    const retryAfter = Effect.map(ask(server, "/room", handshake), ({ headers }) => Number(headers["retry-after"]))
    for (const seconds of [1, 2, 4, 8, 16, 30]) {
      assert.strictEqual(yield* retryAfter, seconds)
      yield* pass
      yield* TestClock.adjust((seconds - 1) * 1_000)
      assert.strictEqual(yield* retryAfter, 1)
      yield* pass
      yield* TestClock.adjust("1 second")
    }
    assert.strictEqual(log.length, 12)
    yield* TestClock.adjust("31 seconds")
    // The next one is a fresh one, which knows of no failures.
    assert.strictEqual(yield* retryAfter, 1)
    assert.deepStrictEqual(log, Array.from({ length: 7 }, () => ["tried", "gone"]).flat())
  }))

it.effect("a message of over 32 MiB ends its connection with 1009, before it has arrived (LS-14, CL-3)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve()
    const stays = yield* World.connect(server, "room")
    yield* stays.take(1)
    const socket = yield* tcp(server, "/room")
    yield* stays.take(1)
    const received: Array<Buffer> = []
    socket.on("data", (data) => received.push(data))
    // The head of a text of 33,554,433 bytes.
    socket.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x02, 0, 0, 0x01]))
    assert.deepInclude((yield* stays.take(1))[0], { _tag: "Closed", code: 1009 })
    yield* pass
    assert.include(Buffer.concat(received).toString("hex"), "880203f1")
  }))

it.effect("who says more than may wait behind a handler is closed with 4009, and the others are served (LS-14)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve(ProbeLive, { mailboxMessages: 3 })
    const stays = yield* World.connect(server, "room")
    const floods = yield* World.connect(server, "room", "?note=floods")
    yield* stays.take(2)
    yield* floods.send(Ask.cases.Hold.make({ milliseconds: 60_000 }))
    for (const text of ["1", "2", "3"]) yield* floods.send(Speak.make({ text }))
    yield* pass
    yield* stays.send(Speak.make({ text: "I am served" }))
    assert.deepInclude((yield* stays.take(1))[0], { text: "I am served" })
    yield* floods.send(Speak.make({ text: "4" }))
    assert.strictEqual((yield* floods.closed).code, 4009)
    yield* TestClock.adjust("1 minute")
    assert.deepInclude((yield* stays.take(1))[0], { _tag: "Closed", note: "floods", code: 4009 })
    assert.deepStrictEqual(yield* stays.rest, [])
  }))

it.effect("rooms share nothing, and each knows its name (RM-1)", () =>
  Effect.gen(function*() {
    const server = yield* World.serve()
    const [a, b] = [yield* World.connect(server, "a"), yield* World.connect(server, "b")]
    yield* a.take(1)
    yield* b.take(1)
    yield* a.send(Speak.make({ text: "hello" }))
    yield* a.take(1)
    assert.deepStrictEqual(yield* b.rest, [])
    assert.strictEqual(yield* server.rooms.run("b", Probe.useSync(({ name }) => name)), "b")
    assert.strictEqual(yield* server.rooms.run("b", Probe.use((room) => room.count())), 1)
  }))
