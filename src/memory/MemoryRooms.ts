/**
 * Rooms without any runtime, for tests of an app that calls them: the counterpart of `DurableRooms`.
 *
 * **Example** (what an app announces reaches who is there)
 *
 * ```ts
 * const rooms = yield* MemoryRooms.key(Lobby)
 * const ada = yield* (yield* rooms.room("lobby")).connect()
 * assert.strictEqual(yield* announce("lobby", "tea is ready"), 1)
 * assert.deepStrictEqual(yield* ada.received, [{ text: "tea is ready" }])
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Problem from "../domain/Problem.ts"
import type * as RoomName from "../domain/RoomName.ts"
import * as Entries from "../services/Entries.ts"
import type * as Room from "../services/Room.ts"
import type * as RoomRuntime from "../services/RoomRuntime.ts"
import * as Rooms from "../services/Rooms.ts"
import * as MemoryRoom from "./MemoryRoom.ts"

/** Marks the rooms in memory of one definition among those of others. */
export interface MemoryRooms<in out Name extends string> {
  readonly _memoryRooms: (name: Name) => Name
}

/** The rooms in memory, as a test sees them. */
export interface Service<R extends Room.Any, App = never> {
  /** The room of a name. It starts when it is first called or asked for. */
  readonly room: (name: string) => Effect.Effect<MemoryRoom.MemoryRoom<R, App>>
  /** The client that entered by a response of `fetch`. */
  readonly client: (response: Response) => MemoryRoom.Client<Room.Receive<R>, Room.Send<R>> | undefined
}

/** The key by which a test reaches the rooms of a definition in memory. */
export const key = <R extends Room.Any>(room: R): Context.Service<MemoryRooms<Room.Name<R>>, Service<R>> =>
  Context.Service<MemoryRooms<Room.Name<R>>, Service<R>>(`effect-dormouse/memory/MemoryRooms/${room.key}`)

/**
 * The rooms of a definition in memory. What their layer needs beside the room is built once, and shared by all rooms
 * and the app, like a database. They have a directory of their own, unless `Entries` are provided.
 */
export const layer = <R extends Room.Any, App, E, RIn>(
  room: R,
  live: Layer.Layer<App, E, RIn>,
  options?: RoomRuntime.Options
): Layer.Layer<
  Rooms.Rooms<Room.Name<R>> | MemoryRooms<Room.Name<R>>,
  never,
  Exclude<RIn, MemoryRoom.Services<R>>
> =>
  Layer.effectContext(Effect.gen(function*() {
    const given = Entries.around(yield* Effect.context<Exclude<RIn, MemoryRoom.Services<R>> | Scope.Scope>())
    // SAFETY: what a layer needs is what is given here, or what a room in memory gives it.
    const own = Layer.provide(live as Layer.Layer<App, E, any>, Layer.succeedContext(given)) as Layer.Layer<
      App,
      E,
      MemoryRoom.Services<R>
    >
    const rooms = new Map<string, Effect.Effect<MemoryRoom.MemoryRoom<R, App>>>()
    const clients = new WeakMap<Response, MemoryRoom.Client<Room.Receive<R>, Room.Send<R>>>()

    const find = (name: string): Effect.Effect<MemoryRoom.MemoryRoom<R, App>> =>
      Effect.suspend(() => {
        const known = rooms.get(name)
        if (known !== undefined) return known
        const made = Effect.provideContext(MemoryRoom.make(room, own, { ...options, name }), given)
        return Effect.flatMap(Effect.cached(made), (once) => {
          rooms.set(name, once)
          return once
        })
      })

    const open = (name: RoomName.RoomName): Rooms.Link => ({
      call: (method, payload, trace) => Effect.flatMap(find(name), (room) => room.call(method, payload, trace)),
      fetch: (request, claims) =>
        Effect.flatMap(
          find(name),
          (room) =>
            room.connect(request.url, { headers: { upgrade: "", ...Object.fromEntries(request.headers) }, claims })
        ).pipe(
          Effect.match({
            onFailure: Problem.toResponse,
            onSuccess: (client) => {
              const response = switchingProtocols()
              clients.set(response, client)
              return response
            }
          })
        )
    })

    return Context.make(Rooms.key(room), Rooms.makeListed(room, open, Context.get(given, Entries.Entries))).pipe(
      Context.add(key(room), { room: find, client: (response) => clients.get(response) })
    )
  }))

// `Response` refuses this status in a runtime without WebSockets.
const switchingProtocols = () => Object.defineProperty(new Response(null), "status", { value: 101 })
