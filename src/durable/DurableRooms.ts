/**
 * The rooms in Durable Objects, called over Durable Object RPC.
 *
 * If the runtime marks the fault of a call as passing, the call is tried up to three times more, on a fresh stub, after
 * 50 milliseconds and more. So a call may arrive twice. A call to an overloaded object is not repeated.
 *
 * **Example** (the rooms of a Worker's binding)
 *
 * ```ts
 * const RoomsLive = DurableRooms.layer(Lobby, "LOBBY")
 * ```
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as RoomName from "../domain/RoomName.ts"
import type * as Room from "../services/Room.ts"
import * as Rooms from "../services/Rooms.ts"
import * as Bindings from "./Bindings.ts"
import * as RequestClaims from "./RequestClaims.ts"
import type * as RoomObject from "./RoomObject.ts"

/** What is needed of a `DurableObjectNamespace`. Its objects must be those of a `RoomObject`. */
export interface Namespace {
  readonly getByName: (name: string) => unknown
}

/** `Yes` if the type is that of a namespace of a room's objects, `No` if it is that of another namespace. */
type Holds<Value, R extends Room.Any, Yes, No, Else> = Value extends DurableObjectNamespace<infer Instance>
  ? Instance extends RoomObject.RoomObject<infer Other, any> ? [R, Other] extends [Other, R] ? Yes : No : No
  : Else

/** The bindings that are namespaces of a room's objects. */
export type NamespaceBinding<R extends Room.Any> = {
  [Name in keyof Cloudflare.Env]: Holds<Cloudflare.Env[Name], R, Name, never, never>
}[keyof Cloudflare.Env]

/**
 * The rooms whose objects a binding of the Worker reaches. The type of the binding in `Cloudflare.Env` must name their
 * class, as `wrangler types` writes it: `DurableObjectNamespace<LobbyRoom>`.
 */
export const layer = <R extends Room.Any>(
  room: R,
  binding: NamespaceBinding<R>
): Layer.Layer<Rooms.Rooms<Room.Name<R>>, never, Bindings.Bindings> =>
  // SAFETY: the type of the binding says that it is a namespace.
  Layer.effect(Rooms.key(room), Bindings.Bindings.useSync((env) => make(room, env[binding] as Namespace)))

/**
 * Makes the service of the rooms whose objects a namespace holds. As with {@link layer}, the type of a
 * `DurableObjectNamespace` must name their class. Anything else with its method is taken as it is.
 */
export const make = <R extends Room.Any, const N extends Namespace>(
  room: R,
  namespace: N & Holds<N, R, N, never, N>
): Rooms.Service<R> => Rooms.make(room, (name) => open(namespace, name))

// The methods of `RoomObject` that are called here.
interface Stub {
  readonly call: (method: string, payload: string, trace?: string) => Promise<string>
  readonly fetch: (request: Request) => Promise<Response>
}

const open = (namespace: Namespace, name: RoomName.RoomName): Rooms.Link => {
  let stub: Stub | undefined

  const attempt = <A>(use: (stub: Stub) => Promise<A>): Effect.Effect<A, Rooms.RoomsError> => {
    const once = Effect.callback<A, Fault>((resume) => {
      const isKept = stub !== undefined
      // SAFETY: the objects of the namespace are those of a `RoomObject`; of any other the call fails.
      const used = stub ??= namespace.getByName(name) as Stub
      const fault = (cause: unknown) => {
        // A stub that saw an exception may go on failing with it.
        if (stub === used) stub = undefined
        resume(Effect.fail(new Fault(cause, isKept)))
      }
      try {
        use(used).then((value) => resume(Effect.succeed(value)), fault)
      } catch (cause) {
        fault(cause)
      }
    })
    const retry = (fault: Fault) => again(fault, once)
    return Effect.catch(once, (fault) =>
      (isOutdated(fault) ? Effect.catch(once, retry) : retry(fault)).pipe(
        Effect.mapError(({ cause }) =>
          new Rooms.RoomsError({
            reason: hasFlag(cause, "overloaded")
              ? new Rooms.Overloaded({ room: name, cause })
              : new Rooms.Unreachable({ room: name, cause })
          })
        )
      ))
  }

  return {
    call: (method, payload, trace) => attempt((stub) => stub.call(method, payload, trace)),
    fetch: (request, claims) => attempt((stub) => stub.fetch(RequestClaims.attach(request, claims)))
  }
}

class Fault {
  readonly cause: unknown
  readonly ofKeptStub: boolean
  constructor(cause: unknown, ofKeptStub: boolean) {
    this.cause = cause
    this.ofKeptStub = ofKeptStub
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
