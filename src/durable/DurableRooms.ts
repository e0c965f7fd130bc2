/**
 * The rooms in Durable Objects, called over Durable Object RPC.
 *
 * If the runtime marks the fault of a call as passing, the call is tried up to three times more, on a fresh stub, after
 * 50 milliseconds and more. So a call may arrive twice. A call to an overloaded object is not repeated. Rooms with
 * `directory: true` need the `Entries` of `DurableDirectory`.
 *
 * **Example** (the rooms of a Worker's binding)
 *
 * ```ts
 * const RoomsLive = DurableRooms.layer(Lobby, "LOBBY")
 * ```
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as RoomName from "../domain/RoomName.ts"
import * as Entries from "../services/Entries.ts"
import type * as Room from "../services/Room.ts"
import * as Rooms from "../services/Rooms.ts"
import * as RoomsError from "../services/RoomsError.ts"
import * as Bindings from "./Bindings.ts"
import * as RequestClaims from "./RequestClaims.ts"
import type * as RoomObject from "./RoomObject.ts"
import * as Stub from "./Stub.ts"

/** What is needed of a `DurableObjectNamespace`. Its objects must be those of a `RoomObject`. */
export interface Namespace {
  readonly getByName: (name: string) => unknown
}

/** `Yes` if the type is that of a namespace of a room's objects, `No` if it is that of another namespace. */
type Holds<Value, R extends Room.Any, Yes, No, Else> = Value extends DurableObjectNamespace<infer Instance>
  ? Instance extends RoomObject.RoomObject<infer Other, any> ? [R, Other] extends [Other, R] ? Yes : No : No
  : Else

/**
 * The rooms whose objects a binding of the Worker reaches. The type of the binding in `Cloudflare.Env` must name their
 * class, as `wrangler types` writes it: `DurableObjectNamespace<LobbyRoom>`.
 */
export const layer = <R extends Room.Any, const Name extends keyof Cloudflare.Env>(
  room: R,
  // No other binding is looked at, so the layer of a room may have the rooms of another class.
  binding: Name & Holds<Cloudflare.Env[Name], R, Name, never, never>
): Layer.Layer<Rooms.Rooms<Room.Name<R>>, never, Bindings.Bindings | Needs<R>> =>
  Layer.effect(
    Rooms.key(room),
    Effect.gen(function*() {
      // SAFETY: the type of the binding says that it is a namespace.
      const namespace = (yield* Bindings.Bindings)[binding as Name] as Namespace
      const entries = yield* Effect.serviceOption(Entries.Entries)
      return Rooms.makeListed(room, (name) => open(namespace, name), Option.getOrUndefined(entries))
    })
  )

/** What the rooms of a definition need beside the bindings: the place of a directory, if they stand in one. */
export type Needs<R extends Room.Any> = Room.HasDirectory<R> extends true ? Entries.Entries : never

/**
 * Makes the service of the rooms whose objects a namespace holds. As with {@link layer}, the type of a
 * `DurableObjectNamespace` must name their class. Anything else with its method is taken as it is.
 */
export const make = <R extends Room.Any, const N extends Namespace>(
  room: R,
  namespace: N & Holds<N, R, N, never, N>,
  ...place: Rooms.Place<R>
): Rooms.Service<R> => Rooms.make(room, (name) => open(namespace, name), ...place)

// The methods of `RoomObject` that are called here.
interface Callable {
  readonly call: (method: string, payload: string, trace?: string) => Promise<string>
  readonly fetch: (request: Request) => Promise<Response>
}

const open = (namespace: Namespace, name: RoomName.RoomName): Rooms.Link => {
  // SAFETY: the objects of the namespace are those of a `RoomObject`; of any other the call fails.
  const stub = Stub.make(() => namespace.getByName(name) as Callable)

  const attempt = <A>(use: (room: Callable) => Promise<A>): Effect.Effect<A, RoomsError.RoomsError> =>
    Effect.mapError(stub(use), ({ cause, isOverloaded }) =>
      RoomsError.make(
        isOverloaded
          ? new RoomsError.Overloaded({ room: name, cause })
          : new RoomsError.Unreachable({ room: name, cause })
      ))

  return {
    call: (method, payload, trace) => attempt((room) => room.call(method, payload, trace)),
    fetch: (request, claims) => attempt((room) => room.fetch(RequestClaims.attach(request, claims)))
  }
}
