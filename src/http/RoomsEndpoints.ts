/**
 * The endpoints of the rooms of a definition: where they are, which scope they need, what they take, and what they give.
 *
 * `RoomsApi` declares them, and `RoomsApiRoutes` serves them. Neither needs the other, so the routes carry nothing of
 * `effect/http-api`.
 */
import * as Schema from "effect/Schema"
import * as ConnectionId from "../domain/ConnectionId.ts"
import * as RoomName from "../domain/RoomName.ts"
import type * as Room from "../services/Room.ts"

/** Before the path of each endpoint, unless another place is given. */
export const prefix = "/api"

/** How queries and bodies are read: a property that is not declared is refused. */
export const exactly = { onExcessProperty: "error" } as const

/** A user, or a label. */
export const Audience = Schema.Union([
  Schema.Struct({ user: Schema.NonEmptyString }),
  Schema.Struct({ label: Schema.NonEmptyString })
])

/** A connection that is open. `state` is what the room keeps for it. */
export const Connection = Schema.Struct({
  id: ConnectionId.ConnectionId,
  user: Schema.optionalKey(Schema.String),
  labels: Schema.Array(Schema.String),
  protocol: Schema.String,
  state: Schema.Json
})

const params = Schema.Struct({ room: RoomName.RoomName })

// A query has no unions.
const audience = {
  user: Schema.optionalKey(Schema.NonEmptyString),
  label: Schema.optionalKey(Schema.NonEmptyString)
}

const given = ({ label, user }: { readonly user?: string; readonly label?: string }) =>
  Number(user !== undefined) + Number(label !== undefined)

const close = { code: Schema.optionalKey(Schema.Int), reason: Schema.optionalKey(Schema.String) }

const page = {
  /** 1,000, unless given. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))),
  after: Schema.optionalKey(ConnectionId.ConnectionId)
}

/** A room that is occupied, since a time in milliseconds since 1970. Without `connections` it did not say how many. */
export const Occupied = Schema.Struct({
  name: Schema.String,
  since: Schema.Int,
  connections: Schema.optionalKey(Schema.Int)
})

/** Lists the rooms that are occupied, if they stand in a directory. */
export const list = {
  method: "GET",
  path: "/rooms",
  scope: "list",
  query: Schema.Struct({
    prefix: Schema.optionalKey(Schema.String),
    after: Schema.optionalKey(Schema.String),
    /** 100, unless given. */
    limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })))
  }),
  success: Schema.Array(Occupied)
} as const

const Closed = Schema.Struct({ closed: Schema.Int })

/** Makes the endpoints. Their paths are below a prefix. */
export const make = <R extends Room.Any>(room: R) => ({
  publish: {
    method: "POST",
    path: "/rooms/:room/publications",
    scope: "publish",
    params,
    payload: Schema.Struct({
      message: room.send as Schema.Codec<Room.Send<R>, unknown>,
      to: Schema.optionalKey(Audience),
      except: Schema.optionalKey(Schema.Array(ConnectionId.ConnectionId))
    }),
    success: Schema.Struct({ delivered: Schema.Int, failed: Schema.Int })
  },
  connections: {
    method: "GET",
    path: "/rooms/:room/connections",
    scope: "list",
    params,
    query: Schema.Struct({ ...audience, ...page }).check(
      Schema.makeFilter((query) => given(query) < 2 ? undefined : "a user or a label, not both")
    ),
    success: Schema.Array(Connection)
  },
  disconnect: {
    method: "DELETE",
    path: "/rooms/:room/connections/:connection",
    scope: "disconnect",
    params: Schema.Struct({ ...params.fields, connection: ConnectionId.ConnectionId }),
    query: Schema.Struct(close),
    success: Closed
  },
  disconnectAll: {
    method: "DELETE",
    path: "/rooms/:room/connections",
    scope: "disconnect",
    params,
    query: Schema.Struct({ ...audience, ...close }).check(
      Schema.makeFilter((query) => given(query) === 1 ? undefined : "a user or a label, one of the two")
    ),
    success: Closed
  },
  closeUser: {
    method: "DELETE",
    path: "/rooms/:room/users/:user",
    scope: "disconnect",
    params: Schema.Struct({ ...params.fields, user: Schema.NonEmptyString }),
    query: Schema.Struct(close),
    success: Closed
  },
  drain: {
    method: "POST",
    path: "/rooms/:room/drain",
    scope: "disconnect",
    params,
    // In milliseconds, a day at most.
    payload: Schema.Struct({ over: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 })) }),
    success: Schema.Struct({ closing: Schema.Int })
  }
} as const)
