/**
 * The way to a Durable Object: a stub that is kept, and calls that are tried again.
 *
 * If the runtime marks the fault of a call as passing, the call is tried up to three times more, on a fresh stub, after
 * 50 milliseconds and more. So a call may arrive twice. A call to an overloaded object is not repeated.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"

/** Calls an object. */
export type Stub<S> = <A>(use: (stub: S) => Promise<A>) => Effect.Effect<A, Fault>

/** Makes the way to an object from what gives a fresh stub of it. */
export const make = <S>(open: () => S): Stub<S> => {
  let stub: S | undefined
  return <A>(use: (stub: S) => Promise<A>) => {
    const once = Effect.callback<A, Fault>((resume) => {
      const isKept = stub !== undefined
      let used: S | undefined
      const fault = (cause: unknown) => {
        // A stub that saw an exception may go on failing with it.
        if (stub === used) stub = undefined
        resume(Effect.fail(new Fault(cause, isKept)))
      }
      try {
        used = stub ??= open()
        use(used).then((value) => resume(Effect.succeed(value)), fault)
      } catch (cause) {
        fault(cause)
      }
    })
    const retry = (fault: Fault) => again(fault, once)
    return Effect.catch(once, (fault) => isOutdated(fault) ? Effect.catch(once, retry) : retry(fault))
  }
}

/** The call failed, and where a fresh try could help, that failed too. */
export class Fault {
  readonly cause: unknown
  readonly ofKeptStub: boolean
  constructor(cause: unknown, ofKeptStub: boolean) {
    this.cause = cause
    this.ofKeptStub = ofKeptStub
  }

  /** Whether the object has more to do than it can. */
  get isOverloaded(): boolean {
    return hasFlag(this.cause, "overloaded")
  }
}

// The runtime marks its own errors: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/
const hasFlag = (cause: unknown, flag: "durableObjectReset" | "overloaded" | "remote" | "retryable") =>
  Predicate.hasProperty(cause, flag) && cause[flag] === true

const isTransient = ({ cause }: Fault) => hasFlag(cause, "retryable") && !hasFlag(cause, "overloaded")

// A stub serves the request that made it. In another request it fails before anything leaves, and without a mark.
const isOutdated = ({ cause, ofKeptStub }: Fault) =>
  ofKeptStub && !hasFlag(cause, "remote") && !hasFlag(cause, "retryable") && !hasFlag(cause, "overloaded") &&
  !hasFlag(cause, "durableObjectReset")

// The schedule is set up only when a first try has failed: to set it up takes a third of the time of a call.
const again = <A>(first: Fault, attempt: Effect.Effect<A, Fault>): Effect.Effect<A, Fault> => {
  let next: Effect.Effect<A, Fault> = Effect.fail(first)
  const each = Effect.suspend(() => {
    const now = next
    next = attempt
    return now
  })
  return Effect.retry(each, { while: isTransient, schedule: backoff, times: 3 })
}

// Jittered, so that the callers of an object that comes back do not all come at once.
const backoff = Schedule.jittered(Schedule.exponential("50 millis"))
