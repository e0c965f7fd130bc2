/**
 * A connection that comes back: addresses that are asked for anew, attempts that spread, a heartbeat that wakes nobody,
 * and the end, where a close code says so.
 *
 * It knows nothing of messages. What rides on it, a room's messages or effect/rpc, is told of frames.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as CloseCode from "../domain/CloseCode.ts"
import type * as Status from "./Status.ts"
import * as Transport from "./Transport.ts"

/**
 * A value, or an effect that gives it and is run for every attempt. An effect that fails is an attempt that failed. What
 * it acquires is released before the handshake.
 */
export type Asked<A, R = never> = A | Effect.Effect<A, unknown, R>

/** Where the room is, and how a client comes back to it. */
export interface Options<R = never> {
  /** The room's address: `ws:`, `wss:`, `http:` or `https:`; in a browser it may be relative to the page. */
  readonly url: Asked<string | URL, R>
  /** Parameters beside those that the address has. */
  readonly query?: Asked<Readonly<Record<string, string | undefined>> | undefined, R> | undefined
  /** A token, which is sent as the pair of subprotocols `bearer, <token>`, and has only characters that one may have. */
  readonly token?: Asked<string | Redacted.Redacted | undefined, R> | undefined
  /**
   * The pauses between attempts; it begins anew after a connection that was stable. Random between nothing and 500 ms,
   * 1 s, 2 s … 30 s, unless given. Where it ends, the client ends with the last close.
   */
  readonly reconnect?: Schedule.Schedule<unknown, CloseCode.Close, never, R> | undefined
  /** A connection that has lasted so long is stable: five seconds, unless given. */
  readonly stableAfter?: Duration.Input | undefined
  /** How often the room's auto-response is asked for: every 25 seconds, unless given, and at least `answerWithin`. */
  readonly pingEvery?: Duration.Input | undefined
  /**
   * How long what is asked for an attempt, its handshake, and the answer to a ping, may take: ten seconds each, unless
   * given. Any frame is an answer.
   */
  readonly answerWithin?: Duration.Input | undefined
}

/** What rides on a connection. None of these may throw. */
export interface Rider {
  /** The subprotocols to offer, beside a token. */
  readonly subprotocols: ReadonlyArray<string>
  /** The text that the runtime answers without waking the room, and its answer. Without it there is no heartbeat. */
  readonly autoResponse: readonly [request: string, response: string] | undefined
  readonly opened: (socket: Transport.Socket) => void
  readonly frame: (data: unknown) => void
  /** A ping has left. */
  readonly pinged: () => void
  /** The connection is gone. It is told of once for each that had opened. */
  readonly lost: (close: CloseCode.Close) => void
  readonly status: (status: Status.Status) => void
}

/** Full jitter: random between nothing and twice as much each time, from 500 ms to 30 s. */
export const fullJitter: Schedule.Schedule<unknown> = /* @__PURE__ */ Schedule.modifyDelay(
  /* @__PURE__ */ Schedule.exponential(500),
  ({ duration }) => Effect.map(Random.next, (random) => random * Math.min(Duration.toMillis(duration), 30_000))
)

/** A connection that comes back. */
export interface Reconnection<R> {
  /**
   * Keeps the connection until it ends for good, and succeeds with how it did. When it is interrupted, the socket is
   * closed with 1000, and nothing is left.
   */
  readonly run: Effect.Effect<CloseCode.Close, never, R>
  /** Tries at once where it waits, and else asks whether the connection lives. */
  readonly wake: Effect.Effect<void>
}

/** Makes one for what rides on it. */
export const make = Effect.fnUntraced(function*<R>(
  options: Options<R>,
  rider: Rider
): Effect.fn.Return<Reconnection<R>, never, Scope.Scope> {
  const answerWithin = Duration.toMillis(options.answerWithin ?? 10_000)
  const pingEvery = Duration.toMillis(options.pingEvery ?? 25_000)
  const stableAfter = Duration.toMillis(options.stableAfter ?? 5_000)
  const reconnect = options.reconnect ?? fullJitter
  const clock = yield* Clock.Clock
  const transport = yield* Transport.Transport
  const wakeups = yield* Transport.Wakeups
  const woken = yield* Queue.sliding<void>(1)
  yield* Effect.acquireRelease(
    Effect.sync(() => wakeups(() => Queue.offerUnsafe(woken, undefined))),
    (end) => Effect.sync(end)
  )
  // Ends sooner where something may have changed.
  const pause = (millis: number) => Effect.timeoutOption(Queue.take(woken), millis)

  const address = Effect.gen(function*() {
    const url = Transport.toUrl(yield* asked(options.url))
    for (const [name, value] of Object.entries((yield* asked(options.query)) ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value)
    }
    const given = yield* asked(options.token)
    if (given === undefined) return { url: url.href, protocols: rider.subprotocols }
    const token = Redacted.isRedacted(given) ? Redacted.value(given) : given
    // The platform's own error would have the token in it.
    if (!subprotocol.test(token)) return yield* Effect.fail("The token has characters that a subprotocol cannot have.")
    return { url: url.href, protocols: ["bearer", token, ...rider.subprotocols] }
  })

  const attempt = Effect.gen(function*() {
    // What an address has acquired is released as soon as it is known.
    const { protocols, url } = yield* Effect.timeoutOrElse(Effect.scoped(address), {
      duration: answerWithin,
      orElse: () => Effect.fail("What the connection needs was not there in time.")
    })
    const socket = transport(url, protocols)
    socket.binaryType = "arraybuffer"
    const opening = Deferred.makeUnsafe<void>()
    let openedAt: number | undefined
    let heard = false
    let farewell: readonly [code: number, reason?: string] = [CloseCode.normal]
    let deafen = ignored

    const ended = Effect.callback<CloseCode.Close>((resume) => {
      const open = () => {
        openedAt = clock.currentTimeMillisUnsafe()
        Deferred.doneUnsafe(opening, Effect.void)
        rider.opened(socket)
        rider.status({ _tag: "Connected" })
      }
      const message = ({ data }: Transport.Events["message"]) => {
        heard = true
        rider.frame(data)
      }
      const close = ({ code, reason, wasClean }: Transport.Events["close"]) =>
        resume(Effect.succeed({ code, reason, wasClean }))
      socket.addEventListener("open", open)
      socket.addEventListener("message", message)
      socket.addEventListener("close", close)
      // A close follows. Some sockets throw where nobody listens to this, also once nobody listens to anything else.
      socket.addEventListener("error", ignored)
      deafen = () => {
        socket.removeEventListener("open", open)
        socket.removeEventListener("message", message)
        socket.removeEventListener("close", close)
      }
    })

    const gaveUp = Effect.sync((): CloseCode.Close => {
      farewell = [CloseCode.silent, "No answer."]
      return { code: CloseCode.silent, reason: "The server did not answer.", wasClean: false }
    })

    // Says whether the socket takes it.
    const ping = (request: string): boolean => {
      if (!Transport.isOpen(socket)) return true
      try {
        socket.send(request)
        rider.pinged()
        return true
      } catch {
        return false
      }
    }

    // Says whether the connection lives. A page that was frozen has heard nothing, and that says nothing: it asks once more.
    const ask = Effect.fnUntraced(function*(request: string) {
      for (let asked = 0; asked < 2; asked++) {
        const at = clock.currentTimeMillisUnsafe()
        heard = false
        if (!ping(request)) return false
        yield* Effect.sleep(answerWithin)
        if (heard) return true
        if (clock.currentTimeMillisUnsafe() - at <= 2 * answerWithin) return false
      }
      return false
    })

    const heartbeat: Effect.Effect<CloseCode.Close> = Effect.gen(function*() {
      if (Option.isNone(yield* Effect.timeoutOption(Deferred.await(opening), answerWithin))) return yield* gaveUp
      if (rider.autoResponse === undefined) return yield* Effect.never
      yield* pause(Math.max(answerWithin, pingEvery))
      while (yield* ask(rider.autoResponse[0])) yield* pause(Math.max(0, pingEvery - answerWithin))
      return yield* gaveUp
    })

    const close = yield* Effect.onExitPrimitive(Effect.raceFirst(ended, heartbeat), (exit) => {
      deafen()
      if (openedAt !== undefined) {
        // What woke this connection is no reason to hurry for the next.
        Queue.takeUnsafe(woken)
        rider.lost(Exit.isSuccess(exit) ? exit.value : leaving)
      }
      socket.close(...farewell)
      return undefined
    })
    return { close, wasStable: openedAt !== undefined && clock.currentTimeMillisUnsafe() - openedAt >= stableAfter }
  }).pipe(Effect.catchCause((cause) => Effect.succeed({ close: broken(cause), wasStable: false })))

  const run = Effect.gen(function*() {
    let step = yield* Schedule.toStep(reconnect)
    let cameBack = false
    while (true) {
      const { close, wasStable } = yield* attempt
      const { code, reason } = close
      if (!CloseCode.reconnects(code)) return close
      if (wasStable) {
        step = yield* Schedule.toStep(reconnect)
        cameBack = false
      }
      // The server says when. It is obeyed once: a server that says so again and again is no reason to hurry.
      const window = code === CloseCode.expired ? 0 : CloseCode.drainWindow(close)
      let delay = window === undefined ? 0 : window * (yield* Random.next)
      if (window === undefined || cameBack) {
        const next = yield* Pull.catchDone(step(clock.currentTimeMillisUnsafe(), close), () => Effect.undefined)
        if (next === undefined) return close
        delay += Duration.toMillis(next[1])
      } else cameBack = true
      rider.status({ _tag: "Waiting", until: clock.currentTimeMillisUnsafe() + delay, code, reason })
      yield* pause(delay)
      rider.status({ _tag: "Connecting" })
    }
  }).pipe(Effect.catchCause((cause) => Effect.succeed(broken(cause))))

  return { run, wake: Effect.asVoid(Queue.offer(woken, undefined)) }
})

const leaving: CloseCode.Close = { code: CloseCode.normal, reason: "", wasClean: true }

// RFC 9110, 5.6.2: what a subprotocol may consist of.
const subprotocol = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/

// What an app gives may fail in any way, also by an interruption of its own. Ours does not come here.
const broken = (cause: Cause.Cause<unknown>): CloseCode.Close => ({
  code: CloseCode.abnormal,
  reason: String(Cause.squash(cause)),
  wasClean: false
})

const ignored = (): void => undefined

const asked = <A, R>(value: Asked<A, R>): Effect.Effect<A, unknown, R> =>
  Effect.isEffect(value) ? value : Effect.succeed(value)
