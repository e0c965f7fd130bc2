/**
 * The guestbooks over HTTP: read what is written, tell all who look at a book, and look at it.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Problem from "../../../src/domain/Problem.ts"
import * as Authenticator from "../../../src/doors/Authenticator.ts"
import * as Doors from "../../../src/doors/Doors.ts"
import * as Rates from "../../../src/doors/Rates.ts"
import * as RoomRoutes from "../../../src/http/RoomRoutes.ts"
import * as Rooms from "../../../src/services/Rooms.ts"
import { Entries } from "./Entries.ts"
import { Announced, Guestbook } from "./Guestbook.ts"

export const Params = HttpRouter.schemaPathParams(Schema.Struct({ book: Schema.String }))

const Announcement = HttpRouter.schemaJson(Schema.Struct({ body: Schema.Struct({ text: Schema.String }) }))

const Read = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const entries = yield* Entries
  yield* router.add(
    "GET",
    "/books/:book/entries",
    Effect.gen(function*() {
      const { book } = yield* Params
      return yield* HttpServerResponse.json(yield* entries.list(book))
    })
  )
}))

const Announce = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const books = yield* Rooms.key(Guestbook)
  yield* router.add(
    "POST",
    "/books/:book/announcements",
    Effect.gen(function*() {
      const { book } = yield* Params
      const { body: { text } } = yield* Announcement
      const { delivered } = yield* books.get(book).broadcast(Announced.make({ text }))
      return yield* HttpServerResponse.json({ delivered })
    })
  )
}))

const Looking = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const books = yield* Rooms.key(Guestbook)
  yield* router.add(
    "GET",
    "/books/:book/looking",
    Effect.gen(function*() {
      const { book } = yield* Params
      return yield* HttpServerResponse.json(yield* books.get(book).looking())
    })
  )
}))

// A browser sends the cookie along with whatever page asks. So only our own pages may.
const DoorsLive = Doors.layer({ origins: ["same"] }).pipe(
  Layer.provide([Authenticator.layerAnonymous, Rates.layerMemory()])
)

const Look = RoomRoutes.layer(Guestbook, {
  path: "/books/:room",
  doors: Doors.Doors,
  authorize: ({ cookies }) =>
    cookies["name"] === undefined
      ? Problem.make(401, "Set a cookie `name`, so that we know who signs.")
      : Effect.succeed({ name: cookies["name"] })
}).pipe(Layer.provide(DoorsLive))

/** What only the rooms are asked. */
export const RoomsRoutes = Layer.mergeAll(Announce, Looking, Look)

/** All routes. They need the entries, and the rooms of the guestbook. */
export const Routes = Layer.merge(Read, RoomsRoutes)
