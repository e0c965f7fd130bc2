/**
 * The directory of rooms in Durable Objects: its entries are spread over some objects of a second class.
 *
 * The room objects need this layer to write to the directory, and `DurableRooms` to list it. A room's name says which of
 * the objects has its entry. A page asks all of them, and then each room that it lists. On the free plan, where a Worker
 * may call 50 objects a request, use few objects and short pages. A room whose object has an id of `newUniqueId()` has no
 * name, and cannot be listed.
 *
 * **Example** (the same layer for the rooms and for who lists them)
 *
 * ```ts
 * const DirectoryLive = DurableDirectory.layer("DIRECTORY")
 *
 * export class LobbyRoom extends RoomObject.make(Lobby, Layer.provide(LobbyLive, DirectoryLive)) {}
 *
 * const RoomsLive = DurableRooms.layer(Lobby, "LOBBY").pipe(Layer.provide(DirectoryLive))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DirectoryUnavailable from "../domain/DirectoryUnavailable.ts"
import * as Entries from "../services/Entries.ts"
import * as Bindings from "./Bindings.ts"
import type * as DirectoryObject from "./DirectoryObject.ts"
import * as Stub from "./Stub.ts"

/** What is needed of a `DurableObjectNamespace`. Its objects must be those of a `DirectoryObject`. */
export interface Namespace {
  readonly getByName: (name: string) => unknown
}

/** `Yes` if the type is that of a namespace of a directory's objects, `never` if it is that of another namespace. */
type Holds<Value, Yes, Else> = Value extends DurableObjectNamespace<infer Instance>
  ? Instance extends DirectoryObject.DirectoryObject ? Yes : never
  : Else

/** How the entries are spread. */
export interface Options {
  /**
   * How many objects keep the entries of a definition: 16, unless given, and at least 1. More take more writes at a time, and a page asks
   * all of them. Choose it once: with another number, rooms are missing until they are occupied anew.
   */
  readonly shards?: number | undefined
}

/**
 * The directory whose objects a binding of the Worker reaches. The type of the binding in `Cloudflare.Env` must name
 * their class, as `wrangler types` writes it: `DurableObjectNamespace<LobbyDirectory>`.
 */
export const layer = <const Name extends keyof Cloudflare.Env>(
  binding: Name & Holds<Cloudflare.Env[Name], Name, never>,
  options?: Options
): Layer.Layer<Entries.Entries, never, Bindings.Bindings> =>
  Layer.effect(
    Entries.Entries,
    // SAFETY: the type of the binding says that it is a namespace.
    Bindings.Bindings.useSync((env) => fromNamespace(env[binding as Name] as Namespace, options))
  )

/**
 * Makes the service of the directory whose objects a namespace holds. As with {@link layer}, the type of a
 * `DurableObjectNamespace` must name their class. Anything else with its method is taken as it is.
 */
export const make = <const N extends Namespace>(
  namespace: N & Holds<N, N, N>,
  options?: Options
): Entries.Entries["Service"] => fromNamespace(namespace, options)

// The methods of a `DirectoryObject` that are called here.
type Callable = Pick<DirectoryObject.DirectoryObject, "page" | "put" | "remove">

const fromNamespace = (namespace: Namespace, { shards = 16 }: Options = {}): Entries.Entries["Service"] => {
  const open = (name: string): Entries.Shard => {
    // SAFETY: the objects of the namespace are those of a `DirectoryObject`; of any other the call fails.
    const stub = Stub.make(() => namespace.getByName(name) as Callable)
    const call = <A>(use: (stub: Callable) => Promise<A>) =>
      Effect.mapError(stub(use), ({ cause }) => new DirectoryUnavailable.DirectoryUnavailable({ cause }))
    return {
      put: (room, since) => call((stub) => stub.put(room, since)),
      remove: (room, since) => call((stub) => stub.remove(room, since)),
      page: (options) => call((stub) => stub.page(options))
    }
  }
  return Entries.make(Entries.spread(shards, open))
}
