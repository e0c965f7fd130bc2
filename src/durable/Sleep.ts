/**
 * Whether a Durable Object sleeps, for tests in workerd: the runtime itself decides, and the object says what holds it.
 *
 * The runtime puts an object to sleep only if nothing holds it. So a test asks the runtime to evict it, by
 * `evictDurableObject` of `cloudflare:test`, or by that of Wrangler's `createTestHarness`. Where the runtime cannot, an
 * object whose layer is wrapped by `Awake.watch` names the timers and handlers.
 *
 * **Example** (a room sleeps once its message is handled)
 *
 * ```ts
 * const sleeps = (stub: DurableObjectStub<TeaRoom>) =>
 *   Sleep.assertSleeps({
 *     evict: () => evictDurableObject(stub),
 *     awake: () => runInDurableObject(stub, Sleep.awake)
 *   })
 * ```
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Awake from "../services/Awake.ts"

/** An object that should sleep. */
export interface Subject {
  /** Asks the runtime to put the object to sleep. Rejects if something holds it, or if it sleeps already. */
  readonly evict: () => Promise<unknown>
  /** Asks the object what keeps it awake. Without it the error names nobody. */
  readonly awake?: (() => Promise<ReadonlyArray<Awake.Awake>>) | undefined
  /**
   * How long the runtime may take, in real time: five seconds, unless given. An object that waits for nothing is asleep
   * after some milliseconds. After one second the object is asked, and if it names something, nobody waits any longer. So
   * one timer that is shorter than that passes, but no loop does.
   */
  readonly patience?: Duration.Input | undefined
}

/**
 * Fails if the runtime cannot put an object to sleep, and names what keeps it awake. Otherwise the object sleeps
 * afterwards, and its connections stay. One that was never there passes, too: speak to it first, by the same stub. What keeps it awake is left alone: once that ends, the object goes to sleep as
 * it was asked to.
 */
export const assertSleeps = (
  { awake, evict, patience = "5 seconds" }: Subject
): Effect.Effect<void, Awake.StaysAwake> =>
  Effect.gen(function*() {
    const whole = Duration.toMillis(Duration.fromInputUnsafe(patience))
    const first = Math.min(whole, 1_000)
    const sleeps = evict().then(() => true, (error: unknown) => {
      if (/not currently running/.test(String(error))) return true
      if (/still has active references/.test(String(error))) return false
      throw error
    })
    if (yield* within(first, sleeps, false)) return
    // One that hangs cannot say.
    const culprits = awake === undefined ? [] : yield* within(first, awake(), [])
    // A machine that is busy takes longer.
    if (yield* within(culprits.length === 0 ? whole - first : 0, sleeps, false)) return
    return yield* new Awake.StaysAwake({ awake: culprits })
  })

/** What keeps the object of a room awake; nothing if its layer is not wrapped by `Awake.watch`. */
export const awake = (room: {
  readonly run: <A>(effect: Effect.Effect<A>) => Promise<A>
}): Promise<ReadonlyArray<Awake.Awake>> =>
  room.run(
    Effect.contextWith((services: Context.Context<never>) =>
      Option.match(Context.getOption(services, Awake.Watch), {
        onNone: () => Effect.succeed([]),
        onSome: (watch) => watch.awake
      })
    )
  )

// In real time: the clock of a test may stand still.
const within = <A>(milliseconds: number, promise: Promise<A>, otherwise: A): Effect.Effect<A> =>
  Effect.promise(() => {
    const { promise: late, resolve } = Promise.withResolvers<A>()
    const timer = setTimeout(resolve, milliseconds, otherwise)
    return Promise.race([promise, late]).finally(() => clearTimeout(timer))
  })
